/** A stand-in for an OCI registry, also a bad one: token servers, storage on another host, lies about bytes and lengths. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Hash = `sha256:${string}`;

export interface OciRegistryOptions {
  /** Basic auth with this user, or a token server (`realm`: its address; the registry's own by default). */
  readonly auth?: {
    readonly kind: 'basic' | 'token';
    readonly user: string;
    readonly password: string;
    readonly realm?: string;
    readonly anonymousPull?: boolean;
    /** A token is good for so many requests. */
    readonly validFor?: number;
  };
  /** Blobs are redirected to, and uploads sent to, another server. */
  readonly storage?: 'elsewhere';
  /** The first so many uploads are cut after their first bytes. */
  readonly cutUploads?: number;
  /** Answers the referrers API of OCI 1.1, so many on each page; else it has none. */
  readonly referrersPerPage?: number;
  /** What one answer says instead; undefined lets the registry answer. */
  readonly lie?: (line: string, response: ServerResponse, registry: OciRegistry) => boolean;
}

export interface SeenRequest {
  readonly host: 'registry' | 'storage';
  readonly line: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
}

export interface OciRegistry {
  readonly host: string;
  readonly url: string;
  readonly storageUrl: string;
  readonly blobs: Map<string, Buffer>;
  /** `repo:tag` and `repo@digest` → manifest. */
  readonly manifests: Map<string, { bytes: Buffer; type: string }>;
  readonly requests: SeenRequest[];
  putBlob(bytes: Uint8Array): { digest: Hash; size: number };
  putManifest(repo: string, tag: string, manifest: object | Buffer, type?: string): Hash;
  close(): Promise<void>;
}

export const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';

export function hashOf(bytes: Uint8Array): Hash {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

export async function startOciRegistry(options: OciRegistryOptions = {}): Promise<OciRegistry> {
  const blobs = new Map<string, Buffer>();
  const manifests = new Map<string, { bytes: Buffer; type: string }>();
  const requests: SeenRequest[] = [];
  const state = { cuts: options.cutUploads ?? 0, uploads: 0, tokens: 0, uses: 0 };
  const note = (host: SeenRequest['host'], request: IncomingMessage) => {
    const { authorization, range } = request.headers;
    requests.push({ host, line: `${request.method} ${request.url}`, authorization, range });
  };
  const storage = await listen((request, response) => {
    note('storage', request);
    if (request.method === 'PUT') return void takeUpload(request, response, blobs, state);
    return void giveBlob(request, response, blobs.get(digestIn(request.url ?? '')));
  });
  const main = await listen((request, response) => {
    note('registry', request);
    const line = `${request.method} ${request.url}`;
    if (options.lie?.(line, response, registry) === true) return;
    answer(request, response);
  });
  const [url, storageUrl] = [urlOf(main), urlOf(storage)];
  const registry: OciRegistry = {
    host: url.slice('http://'.length),
    url,
    storageUrl,
    blobs,
    manifests,
    requests,
    putBlob(bytes) {
      const digest = hashOf(bytes);
      blobs.set(digest, Buffer.from(bytes));
      return { digest, size: bytes.length };
    },
    putManifest(repo, tag, manifest, type = MANIFEST_TYPE) {
      const bytes = Buffer.isBuffer(manifest) ? manifest : Buffer.from(JSON.stringify(manifest));
      const digest = hashOf(bytes);
      for (const name of [`${repo}:${tag}`, `${repo}@${digest}`]) manifests.set(name, { bytes, type });
      return digest;
    },
    async close() {
      await Promise.all([main, storage].map((server) => stop(server)));
    },
  };
  return registry;

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const path = new URL(request.url ?? '/', url);
    if (path.pathname === '/token') return void giveToken(request, response, path);
    if (!mayEnter(request)) return void challenge(response);
    const [, repo = '', what = '', name = ''] =
      /^\/v2\/(.+)\/(manifests|blobs|referrers)\/(.+)$/.exec(path.pathname) ?? [];
    if (what === 'manifests') return void manifest(request, response, repo, name);
    if (what === 'referrers' && options.referrersPerPage !== undefined)
      return void referrers(response, repo, name, path, options.referrersPerPage);
    if (what === 'blobs' && name === 'uploads/') {
      state.uploads += 1;
      const base = options.storage === 'elsewhere' ? storageUrl : '';
      response.writeHead(202, { location: `${base}/v2/${repo}/blobs/uploads/${state.uploads}?state=x` }).end();
      return;
    }
    if (what === 'blobs' && name.startsWith('uploads/')) return void takeUpload(request, response, blobs, state);
    if (what === 'blobs' && options.storage === 'elsewhere' && request.method === 'GET') {
      response.writeHead(307, { location: `${storageUrl}/blob/${name}?sig=1` }).end();
      return;
    }
    if (what === 'blobs') return void giveBlob(request, response, blobs.get(name));
    response.writeHead(path.pathname === '/v2/' ? 200 : 404).end();
  }

  function manifest(request: IncomingMessage, response: ServerResponse, repo: string, name: string): void {
    if (request.method === 'PUT') {
      void collect(request).then((bytes) => {
        const digest = registry.putManifest(repo, name, bytes, request.headers['content-type']);
        const subject = options.referrersPerPage === undefined ? undefined : subjectOf(bytes);
        response.writeHead(201, { 'docker-content-digest': digest, ...(subject && { 'oci-subject': subject }) }).end();
      });
      return;
    }
    const found = manifests.get(name.startsWith('sha256:') ? `${repo}@${name}` : `${repo}:${name}`);
    if (found === undefined) return void refuse(response, 404, 'MANIFEST_UNKNOWN', 'manifest unknown');
    response.writeHead(200, {
      'content-type': found.type,
      'content-length': found.bytes.length,
      'docker-content-digest': hashOf(found.bytes),
    });
    response.end(request.method === 'HEAD' ? undefined : found.bytes);
  }

  function referrers(response: ServerResponse, repo: string, subject: string, path: URL, perPage: number): void {
    const all = [...manifests].flatMap(([name, { bytes, type }]) =>
      name.startsWith(`${repo}@`) && subjectOf(bytes) === subject
        ? [{ mediaType: type, digest: hashOf(bytes), size: bytes.length, artifactType: artifactTypeOf(bytes) }]
        : [],
    );
    const at = Number(path.searchParams.get('at') ?? 0);
    const more = at + perPage < all.length;
    response.writeHead(200, {
      'content-type': 'application/vnd.oci.image.index.v1+json',
      ...(more && { link: `<${path.pathname}?at=${at + perPage}>; rel="next"` }),
    });
    response.end(JSON.stringify({ schemaVersion: 2, manifests: all.slice(at, at + perPage) }));
  }

  function tokenNow(): string {
    return options.auth?.validFor === undefined ? 'good-token' : `good-token-${state.tokens}`;
  }

  function mayEnter({ headers, method }: IncomingMessage): boolean {
    const { auth } = options;
    if (auth === undefined) return true;
    if (auth.kind === 'basic') return headers.authorization === basicOf(auth);
    const limit = auth.validFor;
    if (headers.authorization === `Bearer ${tokenNow()}` && (limit === undefined || state.uses < limit)) {
      state.uses += 1;
      return true;
    }
    return (
      auth.anonymousPull === true &&
      headers.authorization === 'Bearer anonymous' &&
      (method === 'GET' || method === 'HEAD')
    );
  }

  function challenge(response: ServerResponse): void {
    const realm = options.auth?.realm ?? `${url}/token`;
    const header =
      options.auth?.kind === 'basic'
        ? 'Basic realm="test"'
        : `Bearer realm="${realm}",service="test",scope="repository:other/thing:*"`;
    response.setHeader('www-authenticate', header);
    refuse(response, 401, 'UNAUTHORIZED', 'authentication required');
  }

  function giveToken(request: IncomingMessage, response: ServerResponse, path: URL): void {
    const { auth } = options;
    const isGood = auth !== undefined && request.headers.authorization === basicOf(auth);
    const scope = path.searchParams.get('scope') ?? '';
    if (
      !isGood &&
      !(auth?.anonymousPull === true && request.headers.authorization === undefined && scope.endsWith(':pull'))
    )
      return void refuse(response, 401, 'UNAUTHORIZED', 'wrong password');
    state.tokens += 1;
    state.uses = 0;
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ token: isGood ? tokenNow() : 'anonymous', expires_in: 60 }));
  }
}

function subjectOf(bytes: Buffer): string | undefined {
  return (JSON.parse(bytes.toString('utf8')) as { subject?: { digest?: string } }).subject?.digest;
}

function artifactTypeOf(bytes: Buffer): string | undefined {
  return (JSON.parse(bytes.toString('utf8')) as { artifactType?: string }).artifactType;
}

function basicOf({ user, password }: { user: string; password: string }): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ errors: [{ code, message }] }));
}

function digestIn(url: string): string {
  return /sha256:[0-9a-f]{64}/.exec(decodeURIComponent(url))?.[0] ?? '';
}

function giveBlob({ method, headers }: IncomingMessage, response: ServerResponse, bytes: Buffer | undefined): void {
  if (bytes === undefined) return void refuse(response, 404, 'BLOB_UNKNOWN', 'blob unknown to registry');
  const first = Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0);
  if (headers.range !== undefined && first >= bytes.length) {
    // As docker-registry does it: the length of the whole, and another body.
    response.writeHead(416, { 'content-length': bytes.length });
    response.write('{"errors":[]}');
    return;
  }
  const last = Number(/^bytes=\d+-(\d+)/.exec(headers.range ?? '')?.[1] ?? bytes.length - 1);
  const part = bytes.subarray(first, Math.min(last + 1, bytes.length));
  const range =
    headers.range === undefined ? {} : { 'content-range': `bytes ${first}-${first + part.length - 1}/${bytes.length}` };
  response.writeHead(headers.range === undefined ? 200 : 206, {
    'content-length': part.length,
    etag: `"${hashOf(bytes)}"`,
    'accept-ranges': 'bytes',
    ...range,
  });
  response.end(method === 'HEAD' ? undefined : part);
}

function takeUpload(
  request: IncomingMessage,
  response: ServerResponse,
  blobs: Map<string, Buffer>,
  state: { cuts: number },
): void {
  if (state.cuts > 0) {
    state.cuts -= 1;
    request.once('data', () => request.socket.destroy());
    return;
  }
  void collect(request).then((bytes) => {
    const digest = digestIn(request.url ?? '');
    if (hashOf(bytes) !== digest) return void refuse(response, 400, 'DIGEST_INVALID', 'provided digest did not match');
    blobs.set(digest, bytes);
    response.writeHead(201, { 'docker-content-digest': digest }).end();
  });
}

async function collect(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  try {
    for await (const piece of request) pieces.push(piece as Buffer);
  } catch {
    // The client went away.
  }
  return Buffer.concat(pieces);
}

async function listen(handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<Server> {
  const server = createServer(handler);
  server.on('connection', (socket) => socket.on('error', () => {}));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function stop(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}
