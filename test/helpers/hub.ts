/**
 * A stand-in for the Hugging Face hub: its API with revisions, refs, trees in pages and paths, its redirects to a storage
 * host, moved repositories, refusals with their headers, rate limits, and the web page of a proxy in place of an answer.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import {
  digestOfFile,
  entryOf,
  type HubFileContent,
  isSmall,
  oidOf,
  piecesOf,
  sizeOf,
  xetHashOf,
} from './hub-files.ts';

export { type HubFileContent, sha256 } from './hub-files.ts';

export interface HubRepo {
  /** `owner/repo`. */
  readonly id: string;
  /** Branch or tag → commit; changed by tests to move a branch. Names that begin with `v` and a digit are tags. */
  readonly revisions: Record<string, string>;
  /** Commit → its files. */
  readonly commits: Readonly<Record<string, readonly HubFileContent[]>>;
  /** Its files are refused to those who have not accepted its licence. */
  readonly gated?: 'auto' | 'manual';
  /** Not to be seen without a token of `members`. */
  readonly private?: boolean;
  readonly cardData?: unknown;
}

export interface HubOptions {
  /** Changed by tests to add repositories and to take them away. */
  readonly repos: readonly HubRepo[];
  /** Token → repositories whose licence its account accepted, or of which it is a member. */
  readonly tokens?: Readonly<Record<string, readonly string[]>>;
  readonly expired?: readonly string[];
  /** Repositories that moved: old id → new id. */
  readonly moved?: Readonly<Record<string, string>>;
  /** Entries on one page of a tree; the hub's own number unless given. */
  readonly pageSize?: number;
  /** Requests to the API in 5 minutes; every answer says how many are left. */
  readonly quota?: number;
}

export interface HubRequest {
  readonly host: 'hub' | 'storage';
  readonly line: string;
  readonly authorization: string | undefined;
  readonly status: number;
}

export interface Hub {
  /** Base address of the API and of the resolve addresses. */
  readonly url: string;
  readonly storageUrl: string;
  readonly requests: HubRequest[];
  /** The next requests of the hub are answered so instead: rate limits, faults. */
  failNext(count: number, status: number, headers?: Readonly<Record<string, string>>): void;
  /** The next requests of the hub are answered with this web page, as a captive portal does. */
  answerPage(count: number, html?: string): void;
  close(): Promise<void>;
}

const EXPIRED = 'User Access Token "laptop" is expired';
const TREE_PAGE = 1000;
const WINDOW_S = 300;
/** Where the hub sends clients for files that are not in large-file storage. */
const SMALL_FILES = '/api/resolve-cache/models/';

type Fault = (response: ServerResponse) => void;

export async function startHub(options: HubOptions): Promise<Hub> {
  const requests: HubRequest[] = [];
  const faults: Fault[] = [];
  let asked = 0;
  const storage = await listen((request, response) => {
    note('storage', request, response);
    void serveStored(request, response, options);
  });
  const hub = await listen((request, response) => {
    note('hub', request, response);
    asked += 1;
    const fault = faults.shift();
    if (fault !== undefined) return fault(response);
    if (options.quota !== undefined) {
      limit(response, options.quota - asked, options.quota);
      if (asked > options.quota) return refuse(response, 429, '', 'We had to rate limit your IP.');
    }
    void answer(request, response, options, storage.url);
  });

  function note(host: HubRequest['host'], request: IncomingMessage, response: ServerResponse): void {
    const { authorization } = request.headers;
    const keep = (): void => {
      requests.push({ host, line: `${request.method} ${request.url}`, authorization, status: response.statusCode });
    };
    response.on('finish', keep);
    // A client that hung up before the end has asked too.
    response.on('close', () => response.writableFinished || keep());
  }

  const next = (count: number, fault: Fault): void => {
    for (let index = 0; index < count; index += 1) faults.push(fault);
  };
  return {
    url: hub.url,
    storageUrl: storage.url,
    requests,
    failNext: (count, status, headers = {}) =>
      next(count, (response) => refuse(response, status, '', 'the hub is not well', headers)),
    answerPage: (count, html = '<!doctype html><title>Sign in to the network</title>') =>
      next(count, (response) => {
        response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(html);
      }),
    close: async () => {
      await Promise.all([hub.close(), storage.close()]);
    },
  };
}

/** As the hub tells it: what is left, and seconds until all of it is there again. */
function limit(response: ServerResponse, left: number, quota: number): void {
  response.setHeader('ratelimit', `"api";r=${Math.max(0, left)};t=55`);
  response.setHeader('ratelimit-policy', `"fixed window";"api";q=${quota};w=${WINDOW_S}`);
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: HubOptions,
  storageUrl: string,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://hub');
  const [, smallId, smallRest] = /^\/api\/resolve-cache\/models\/([^/]+\/[^/]+)\/(.+)$/.exec(url.pathname) ?? [];
  const [, apiId, apiRest] = /^\/api\/models\/([^/]+\/[^/]+)(\/.*)?$/.exec(url.pathname) ?? [];
  const [, fileId, fileRest] = /^\/([^/]+\/[^/]+)\/(?:resolve|raw)\/(.+)$/.exec(url.pathname) ?? [];
  const id = smallId ?? apiId ?? fileId ?? '';
  const to = options.moved?.[id];
  if (to !== undefined) {
    response.writeHead(307, { location: url.pathname.replace(id, to) + url.search }).end();
    return;
  }
  const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
  if (token !== undefined && options.expired?.includes(token)) return refuse(response, 401, '', EXPIRED);
  if (token !== undefined && options.tokens?.[token] === undefined)
    return refuse(response, 401, '', 'Invalid credentials in Authorization header');
  const granted = token === undefined ? [] : (options.tokens?.[token] ?? []);
  const repo = options.repos.find((each) => each.id === id);
  if (repo === undefined || (repo.private === true && !granted.includes(id))) {
    // Without a token the hub does not tell a missing repository from a private one.
    return token === undefined
      ? refuse(response, 401, 'RepoNotFound', 'Invalid username or password.')
      : refuse(response, 404, 'RepoNotFound', 'Repository not found');
  }
  if (smallId === undefined && apiId !== undefined)
    return api(request, response, { repo, rest: decodeURIComponent(apiRest ?? ''), url, options });
  return resolveFile(request, response, { repo, rest: smallRest ?? fileRest ?? '', granted, token, storageUrl, url });
}

interface Asking {
  readonly repo: HubRepo;
  readonly rest: string;
  readonly url: URL;
  readonly options: HubOptions;
}

async function api(request: IncomingMessage, response: ServerResponse, asking: Asking): Promise<void> {
  const { repo, rest } = asking;
  const [, verb = '', named = ''] = /^\/?(revision|refs|tree|paths-info)?(?:\/(.+))?$/.exec(rest) ?? [undefined, '?'];
  if (verb === '?') return refuse(response, 404, '', 'Sorry, we can’t find the page you are looking for.');
  if (verb === 'refs') return json(response, refsOf(repo));
  const { commit, folder } = splitRevision(repo, verb === '' ? 'main' : named, verb === 'tree');
  if (commit === undefined) return refuse(response, 404, 'RevisionNotFound', `Invalid rev id: ${named}`);
  const files = repo.commits[commit] ?? [];
  if (verb === 'tree') return tree(response, files, folder, asking);
  if (verb !== 'paths-info') return json(response, infoOf(asking, commit, files));
  const wanted = await pathsAsked(request);
  return json(response, files.filter(({ path }) => wanted.includes(path)).map(entryOf));
}

/** `main/folder`: a revision may have slashes itself, so the longest one that exists counts. */
function splitRevision(repo: HubRepo, rest: string, withFolder: boolean): { commit?: string; folder: string } {
  const parts = rest.split('/');
  for (let length = parts.length; length > 0; length -= 1) {
    const commit = commitOf(repo, parts.slice(0, length).join('/'));
    const folder = parts.slice(length).join('/');
    if (commit !== undefined && (withFolder || folder === '')) return { commit, folder };
  }
  return { folder: '' };
}

function refsOf({ revisions }: HubRepo): object {
  const of = (prefix: string, kept: (name: string) => boolean) =>
    Object.entries(revisions)
      .filter(([name]) => kept(name))
      .map(([name, targetCommit]) => ({ name, ref: `${prefix}${name}`, targetCommit }));
  const isTag = (name: string): boolean => /^v\d/.test(name);
  return {
    tags: of('refs/tags/', isTag),
    branches: of('refs/heads/', (name) => !isTag(name) && !name.startsWith('refs/')),
    converts: [],
  };
}

function infoOf({ repo, url }: Asking, commit: string, files: readonly HubFileContent[]): object {
  const wanted = url.searchParams.getAll('expand');
  const blobs = url.searchParams.get('blobs') === 'true';
  const all = {
    sha: commit,
    cardData: repo.cardData,
    siblings: files.map((file) => {
      const { oid, size, lfs } = entryOf(file);
      const detail = {
        size,
        blobId: oid,
        ...(lfs && { lfs: { sha256: lfs.oid, size, pointerSize: lfs.pointerSize } }),
      };
      return { rfilename: file.path, ...(blobs && detail) };
    }),
    gated: repo.gated ?? false,
    private: repo.private ?? false,
    lastModified: '2026-01-02T03:04:05.000Z',
    likes: 1,
    downloads: 2,
    pipeline_tag: 'text-generation',
  };
  const shown = Object.entries(all).filter(([name]) => wanted.length === 0 || wanted.includes(name));
  return { _id: '65f1', id: repo.id, ...Object.fromEntries(shown) };
}

/** A page of the tree, folders before what is in them, and the address of the next page in a Link header. */
function tree(
  response: ServerResponse,
  files: readonly HubFileContent[],
  folder: string,
  { repo, rest, url, options }: Asking,
): undefined {
  const below = folder === '' ? files : files.filter(({ path }) => path.startsWith(`${folder}/`));
  if (folder !== '' && below.length === 0)
    return refuse(response, 404, 'EntryNotFound', `${folder} does not exist on "${rest}"`);
  const recursive = url.searchParams.get('recursive') === 'true';
  const depth = folder === '' ? 0 : folder.split('/').length;
  const folders = [...new Set(below.flatMap(({ path }) => foldersOf(path, depth)))];
  const entries = [
    ...folders.map((path) => ({ type: 'directory', oid: '0'.repeat(40), size: 0, path })),
    ...below.map(entryOf),
  ]
    .filter(({ path }) => recursive || path.split('/').length === depth + 1)
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  const asked = Number(url.searchParams.get('limit') ?? TREE_PAGE);
  const size = Math.min(options.pageSize ?? TREE_PAGE, asked);
  const cursor = url.searchParams.get('cursor');
  const start = cursor === null ? 0 : Number(Buffer.from(cursor, 'base64url').toString('utf8'));
  if (start + size < entries.length) {
    const next = new URL(url.pathname + url.search, `http://${response.req.headers.host}`);
    next.searchParams.set('limit', String(size));
    next.searchParams.set('cursor', Buffer.from(String(start + size)).toString('base64url'));
    response.setHeader('link', `<${next.href}>; rel="next"`);
  }
  response.setHeader('x-repo-commit', splitRevision(repo, rest.replace(/^\/tree\//, ''), true).commit ?? '');
  json(response, entries.slice(start, start + size));
}

function foldersOf(path: string, depth: number): string[] {
  const parts = path.split('/');
  return parts.slice(0, -1).flatMap((_, index) => (index < depth ? [] : [parts.slice(0, index + 1).join('/')]));
}

/** The hub takes a form as well as JSON. */
async function pathsAsked(request: IncomingMessage): Promise<readonly unknown[]> {
  const text = await textOf(request);
  if (request.headers['content-type']?.includes('urlencoded')) return new URLSearchParams(text).getAll('paths');
  const body: unknown = JSON.parse(text);
  return body !== null && typeof body === 'object' && 'paths' in body && Array.isArray(body.paths) ? body.paths : [];
}

interface Resolving {
  readonly repo: HubRepo;
  readonly rest: string;
  readonly granted: readonly string[];
  readonly token: string | undefined;
  readonly storageUrl: string;
  readonly url: URL;
}

async function resolveFile(request: IncomingMessage, response: ServerResponse, how: Resolving): Promise<void> {
  const { repo, rest, granted, token, storageUrl, url } = how;
  const [revision = '', ...parts] = rest.split('/').map(decodeURIComponent);
  const commit = commitOf(repo, revision);
  if (commit === undefined) return refuse(response, 404, 'RevisionNotFound', `Invalid rev id: ${revision}`);
  if (repo.gated !== undefined && !granted.includes(repo.id)) {
    const what = `Access to model ${repo.id} is restricted.`;
    return token === undefined
      ? refuse(response, 401, 'GatedRepo', `${what} You must have access to it and be authenticated to access it.`)
      : refuse(response, 403, 'GatedRepo', `${what} You are not in the authorized list.`);
  }
  const file = repo.commits[commit]?.find(({ path }) => path === parts.join('/'));
  if (file === undefined) return refuse(response, 404, 'EntryNotFound', 'Entry not found');
  response.setHeader('x-repo-commit', commit);
  if (isSmall(file)) {
    const etag = `"${oidOf(file)}"`;
    if (url.pathname.startsWith(SMALL_FILES))
      return serveBytes(request, response, file, { etag, 'content-type': 'text/plain; charset=utf-8' });
    response.writeHead(307, {
      location: `${SMALL_FILES}${repo.id}/${commit}/${parts.map(encodeURIComponent).join('/')}`,
    });
    response.end();
    return;
  }
  const digest = digestOfFile(file);
  const xetHash = xetHashOf(file);
  response.writeHead(302, {
    location: `${storageUrl}/${repo.id}/${digest}?X-Amz-Signature=signed`,
    'accept-ranges': 'bytes',
    'x-linked-size': String(sizeOf(file)),
    'x-linked-etag': `"${digest}"`,
    'x-xet-hash': xetHash,
    link: `<http://${request.headers.host}/api/models/${repo.id}/xet-read-token/${commit}>; rel="xet-auth"`,
  });
  response.end(request.method === 'HEAD' ? undefined : 'Found. Redirecting to storage');
}

/** The storage host knows no accounts: whoever has the signed address gets the bytes, with ranges. Its ETag is no SHA-256. */
async function serveStored(request: IncomingMessage, response: ServerResponse, { repos }: HubOptions): Promise<void> {
  const digest = /\/([0-9a-f]{64})\?X-Amz-Signature=signed$/.exec(request.url ?? '')?.[1];
  const files = repos.flatMap((repo) => Object.values(repo.commits).flat());
  const file = files.find((each) => !isSmall(each) && digestOfFile(each) === digest);
  if (file === undefined) {
    response.writeHead(403).end();
    return;
  }
  await serveBytes(request, response, file, {
    etag: `"${xetHashOf(file)}"`,
    'content-type': 'application/octet-stream',
  });
}

async function serveBytes(
  request: IncomingMessage,
  response: ServerResponse,
  file: HubFileContent,
  named: Readonly<Record<string, string>>,
): Promise<void> {
  const size = sizeOf(file);
  const headers = { ...named, 'accept-ranges': 'bytes' };
  const [asked, first = '0', last = ''] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  const start = Number(first);
  const end = last === '' ? size : Math.min(Number(last) + 1, size);
  if (asked !== undefined && start >= size) {
    response.writeHead(416, { ...headers, 'content-range': `bytes */${size}` }).end();
    return;
  }
  const range = asked === undefined ? {} : { 'content-range': `bytes ${start}-${end - 1}/${size}` };
  response.writeHead(asked === undefined ? 200 : 206, { ...headers, ...range, 'content-length': end - start });
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  // A client that has what it wants hangs up.
  await pipeline(piecesOf(file.content, start, end), response).catch(() => undefined);
}

function commitOf(repo: HubRepo, revision: string): string | undefined {
  return repo.commits[revision] === undefined ? repo.revisions[revision] : revision;
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(value));
}

function refuse(
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): undefined {
  const named = { ...(code !== '' && { 'x-error-code': code }), 'x-error-message': message };
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...named, ...headers });
  response.end(JSON.stringify({ error: message }));
}

async function textOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces).toString('utf8');
}
async function listen(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ url: string; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer(handler);
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
