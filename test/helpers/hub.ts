/** A stand-in for the Hugging Face hub: its API, its redirects to a storage host, its refusals and error headers. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface HubFileContent {
  readonly path: string;
  readonly content: Buffer;
  /** False: a small text file that is not in large-file storage, so without a SHA-256. */
  readonly lfs?: boolean;
}

export interface HubRepo {
  /** `owner/repo`. */
  readonly id: string;
  /** Branch or tag → commit; changed by tests to move a branch. */
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
  readonly repos: readonly HubRepo[];
  /** Token → repositories whose licence its account accepted, or of which it is a member. */
  readonly tokens?: Readonly<Record<string, readonly string[]>>;
  readonly expired?: readonly string[];
  /** Repositories that moved: old id → new id. */
  readonly moved?: Readonly<Record<string, string>>;
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
  close(): Promise<void>;
}

const EXPIRED = 'User Access Token "laptop" is expired';

export async function startHub(options: HubOptions): Promise<Hub> {
  const requests: HubRequest[] = [];
  const faults: { status: number; headers: Readonly<Record<string, string>> }[] = [];
  const storage = await listen((request, response) => {
    note('storage', request, response);
    serveBlob(request, response, options);
  });
  const hub = await listen((request, response) => {
    note('hub', request, response);
    const fault = faults.shift();
    if (fault !== undefined) refuse(response, fault.status, '', 'the hub is not well', fault.headers);
    else void answer(request, response, options, storage.url);
  });

  function note(host: HubRequest['host'], request: IncomingMessage, response: ServerResponse): void {
    const { authorization } = request.headers;
    response.on('finish', () => {
      requests.push({ host, line: `${request.method} ${request.url}`, authorization, status: response.statusCode });
    });
  }

  return {
    url: hub.url,
    storageUrl: storage.url,
    requests,
    failNext(count, status, headers = {}) {
      for (let index = 0; index < count; index += 1) faults.push({ status, headers });
    },
    close: async () => {
      await Promise.all([hub.close(), storage.close()]);
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: HubOptions,
  storageUrl: string,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://hub');
  const [, apiId, apiRest] = /^\/api\/models\/([^/]+\/[^/]+)(\/.*)$/.exec(url.pathname) ?? [];
  const [, fileId, fileRest] = /^\/([^/]+\/[^/]+)\/resolve\/(.+)$/.exec(url.pathname) ?? [];
  const id = apiId ?? fileId ?? '';
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
  if (apiRest !== undefined) return api(request, response, repo, decodeURIComponent(apiRest), url);
  return resolveFile(request, response, { repo, rest: fileRest ?? '', granted, token, storageUrl });
}

async function api(
  request: IncomingMessage,
  response: ServerResponse,
  repo: HubRepo,
  rest: string,
  url: URL,
): Promise<void> {
  const revision = /^\/revision\/(.+)$/.exec(rest)?.[1];
  const paths = /^\/paths-info\/(.+)$/.exec(rest)?.[1];
  const commit = commitOf(repo, revision ?? paths ?? '');
  if (commit === undefined) return refuse(response, 404, 'RevisionNotFound', `Invalid rev id: ${revision ?? paths}`);
  const files = repo.commits[commit] ?? [];
  if (revision !== undefined) {
    const wanted = url.searchParams.getAll('expand');
    const all = {
      sha: commit,
      cardData: repo.cardData,
      siblings: files.map(({ path }) => ({ rfilename: path })),
      gated: repo.gated ?? false,
      private: repo.private ?? false,
      lastModified: '2026-01-02T03:04:05.000Z',
      likes: 1,
      downloads: 2,
      pipeline_tag: 'text-generation',
    };
    const shown = Object.fromEntries(Object.entries(all).filter(([name]) => wanted.includes(name)));
    return json(response, { _id: '65f1', id: repo.id, ...shown });
  }
  const body: unknown = JSON.parse(await textOf(request));
  const asked =
    body !== null && typeof body === 'object' && 'paths' in body && Array.isArray(body.paths) ? body.paths : [];
  return json(
    response,
    files
      .filter(({ path }) => asked.includes(path))
      .map((file) => {
        const size = file.content.length;
        const oid = createHash('sha1').update(file.content).digest('hex');
        const lfs = { oid: sha256(file.content), size, pointerSize: 134 };
        return { type: 'file', oid, size, path: file.path, ...(file.lfs !== false && { lfs, xetHash: lfs.oid }) };
      }),
  );
}

interface Resolving {
  readonly repo: HubRepo;
  readonly rest: string;
  readonly granted: readonly string[];
  readonly token: string | undefined;
  readonly storageUrl: string;
}

function resolveFile(request: IncomingMessage, response: ServerResponse, how: Resolving): undefined {
  const { repo, rest, granted, token, storageUrl } = how;
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
  const digest = sha256(file.content);
  response.writeHead(302, {
    location: `${storageUrl}/${repo.id}/${digest}?X-Amz-Signature=signed`,
    'x-repo-commit': commit,
    'x-linked-size': String(file.content.length),
    'x-linked-etag': `"${digest}"`,
  });
  response.end(request.method === 'HEAD' ? undefined : 'Found. Redirecting to storage');
}

/** The storage host knows no accounts: whoever has the signed address gets the bytes, with ranges. */
function serveBlob(request: IncomingMessage, response: ServerResponse, { repos }: HubOptions): undefined {
  const digest = /\/([0-9a-f]{64})\?X-Amz-Signature=signed$/.exec(request.url ?? '')?.[1];
  const files = repos.flatMap((repo) => Object.values(repo.commits).flat());
  const content = files.find((file) => sha256(file.content) === digest)?.content;
  if (content === undefined) {
    response.writeHead(403).end();
    return undefined;
  }
  const [, first = '0', last = ''] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  const start = Number(first);
  const end = last === '' ? content.length - 1 : Math.min(Number(last), content.length - 1);
  const headers = { etag: `"${digest}"`, 'accept-ranges': 'bytes', 'content-type': 'application/octet-stream' };
  if (request.headers.range === undefined) {
    response.writeHead(200, { ...headers, 'content-length': content.length }).end(content);
  } else if (start >= content.length) {
    response.writeHead(416, { ...headers, 'content-range': `bytes */${content.length}` }).end();
  } else {
    const range = `bytes ${start}-${end}/${content.length}`;
    response.writeHead(206, { ...headers, 'content-range': range, 'content-length': end - start + 1 });
    response.end(content.subarray(start, end + 1));
  }
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

export function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
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
