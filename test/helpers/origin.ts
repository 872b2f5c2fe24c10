/**
 * A web server on loopback that gives files the way bad servers do: cut, slow, silent, lying. One `Behaviour` says how
 * one answer goes; a function of the request's number makes a server that heals, changes or gets worse.
 *
 *   const origin = await startOrigin({ files: { '/m.gguf': bytes }, behave: (n) => (n < 3 ? { cutAfter: 1000 } : {}) });
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { bodyOf, type Content, contentOf, send } from './origin-body.ts';

/** How one answer goes. Nothing given: a good server with ranges and a strong ETag. Sizes in bytes, times in ms. */
export interface Behaviour {
  /** In place of the file: `status` with these headers and a short text. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A redirect to this address, 302 unless `status` says otherwise. */
  readonly redirect?: string;
  /** Destroys the connection after so many bytes of this body. */
  readonly cutAfter?: number;
  /** `ignore`: always 200 with the whole file; `refuse`: 416 with a body and a lying length; `shifted`: another Content-Range than asked for. */
  readonly ranges?: 'ignore' | 'refuse' | 'shifted';
  /** Another ETag than the file's, or none. */
  readonly etag?: string | false;
  readonly lastModified?: string;
  /** What `content-length` claims; `false` leaves it out (chunked). */
  readonly length?: number | false;
  /** Goes on for ever after the file's bytes. */
  readonly endless?: boolean;
  /** These bytes are wrong by one bit, by offsets in the file. */
  readonly flip?: readonly number[];
  readonly encoding?: 'gzip' | 'br';
  /** `no-headers`: never answers; `after-headers`: nothing of the body; a number: falls silent after so many bytes of the body. */
  readonly silent?: 'no-headers' | 'after-headers' | number;
  /** One piece of so many bytes every so many ms. */
  readonly drip?: { readonly bytes: number; readonly everyMs: number };
  /** At most so fast on each connection. */
  readonly bytesPerSecond?: number;
  /** Waits so long before the head of the answer. */
  readonly delayMs?: number;
}

export interface LoggedRequest {
  readonly number: number;
  readonly method: string;
  readonly path: string;
  /** With its query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly range: string | undefined;
  /** Which connection it came on, counted from 0. */
  readonly connection: number;
  status: number;
  /** Bytes of the body that were given to the socket so far. */
  sent: number;
}

export interface OriginOptions {
  /** By path. */
  readonly files: Readonly<Record<string, Uint8Array | Content>>;
  /** `number` counts all requests from 0. */
  readonly behave?: (number: number, request: LoggedRequest) => Behaviour;
  /** HTTPS, with this key and certificate in PEM. */
  readonly tls?: { readonly key: string; readonly cert: string };
  readonly port?: number;
}

export interface Origin {
  /** `http://127.0.0.1:1234`, or https. */
  readonly url: string;
  readonly port: number;
  readonly requests: readonly LoggedRequest[];
  /** Bytes of bodies over all requests. */
  sentBytes(): number;
  /** Connections that are open now. */
  openConnections(): number;
  close(): Promise<void>;
}

export async function startOrigin(options: OriginOptions): Promise<Origin> {
  const requests: LoggedRequest[] = [];
  const sockets = new Map<Socket, number>();
  let connections = 0;
  const files = new Map(Object.entries(options.files).map(([path, content]) => [path, contentOf(content)]));
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const url = request.url ?? '/';
    const logged: LoggedRequest = {
      number: requests.length,
      method: request.method ?? 'GET',
      path: url.split('?', 1)[0] ?? url,
      url,
      headers: request.headers,
      range: request.headers.range,
      connection: sockets.get(request.socket) ?? -1,
      status: 0,
      sent: 0,
    };
    requests.push(logged);
    const behaviour = options.behave?.(logged.number, logged) ?? {};
    answer(files.get(logged.path), behaviour, logged, response).catch(() => response.destroy());
  };
  const server = options.tls === undefined ? createServer(handle) : createTlsServer(options.tls, handle);
  // Of TLS the sockets below as well: a handshake that fails leaves nothing else to close.
  const raw = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    raw.add(socket);
    socket.on('close', () => raw.delete(socket));
    socket.on('error', () => {});
  });
  server.on(options.tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    sockets.set(socket, connections);
    connections += 1;
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    port,
    requests,
    sentBytes: () => requests.reduce((sum, { sent }) => sum + sent, 0),
    openConnections: () => sockets.size,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      for (const socket of [...sockets.keys(), ...raw]) socket.destroy();
      await closed;
    },
  };
}

async function answer(
  content: Content | undefined,
  behaviour: Behaviour,
  logged: LoggedRequest,
  response: ServerResponse,
): Promise<void> {
  if (behaviour.silent === 'no-headers') return;
  if (behaviour.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, behaviour.delayMs));
  const { redirect, headers = {} } = behaviour;
  if (redirect !== undefined)
    return short(behaviour.status ?? 302, { location: redirect, ...headers }, logged, response);
  if (behaviour.status !== undefined) return short(behaviour.status, headers, logged, response);
  if (content === undefined) return short(404, headers, logged, response);
  if (behaviour.ranges === 'refuse') return refuseRange(content, logged, response);
  const etag = behaviour.etag ?? content.etag;
  const asked = behaviour.ranges === 'ignore' ? undefined : rangeOf(logged, etag, behaviour.lastModified);
  if (asked !== undefined && asked.first >= content.size) return refuseRange(content, logged, response);
  const first = asked?.first ?? 0;
  const end = Math.min(asked?.end ?? content.size, content.size);
  const body = bodyOf(content, first, end, behaviour);
  logged.status = asked === undefined ? 200 : 206;
  const shift = behaviour.ranges === 'shifted' ? 1 : 0;
  const encoded = behaviour.encoding === 'gzip' ? gzipSync(content.read(first, end - first)) : undefined;
  response.writeHead(logged.status, {
    'content-type': 'application/octet-stream',
    ...(behaviour.ranges === 'ignore' ? {} : { 'accept-ranges': 'bytes' }),
    ...(etag !== false && { etag }),
    ...(behaviour.lastModified !== undefined && { 'last-modified': behaviour.lastModified }),
    ...(behaviour.encoding !== undefined && { 'content-encoding': behaviour.encoding }),
    ...(asked !== undefined && { 'content-range': `bytes ${first + shift}-${end - 1 + shift}/${content.size}` }),
    ...lengthOf(behaviour, encoded?.length ?? end - first),
    ...headers,
  });
  response.flushHeaders();
  if (logged.method === 'HEAD') return void response.end();
  if (encoded !== undefined) return void response.end(encoded);
  await send(body, behaviour, response, (bytes) => {
    logged.sent += bytes;
  });
}

function lengthOf({ length, endless, encoding }: Behaviour, actual: number): Record<string, number> {
  if (typeof length === 'number') return { 'content-length': length };
  if (length === false || endless === true || encoding === 'br') return {};
  return { 'content-length': actual };
}

function short(
  status: number,
  headers: Readonly<Record<string, string>>,
  logged: LoggedRequest,
  response: ServerResponse,
): void {
  logged.status = status;
  response.writeHead(status, { 'content-type': 'text/plain', ...headers }).end(`answer ${status}\n`);
}

/** As Debian's docker-registry does it: a whole file's length is told, and less is sent. */
function refuseRange(content: Content, logged: LoggedRequest, response: ServerResponse): void {
  logged.status = 416;
  response.writeHead(416, { 'content-range': `bytes */${content.size}`, 'content-length': content.size });
  response.write('range not satisfiable\n');
  logged.sent += 22;
}

interface Asked {
  readonly first: number;
  readonly end: number;
}

/** The range that was asked for, unless its If-Range names other bytes. */
function rangeOf(logged: LoggedRequest, etag: string | false, lastModified: string | undefined): Asked | undefined {
  const match = /^bytes=(\d+)-(\d*)$/.exec(logged.range ?? '');
  if (match === null) return undefined;
  const condition = logged.headers['if-range'];
  if (condition !== undefined && condition !== etag && condition !== lastModified) return undefined;
  const last = match[2] === '' ? Number.MAX_SAFE_INTEGER - 1 : Number(match[2]);
  return { first: Number(match[1]), end: last + 1 };
}

/** For `expect.poll` of what a busy machine may take its time for. */
export const PATIENT = { timeout: 20_000 };

/** The digest of what a test serves. */
export function sha256(bytes: Uint8Array): `sha256:${string}` {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Bytes that look random and are the same in every run; no two MiB are alike. */
export function testBytes(size: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = seed >>> 0 || 1;
  const words = new Uint32Array(bytes.buffer, 0, size >>> 2);
  for (let index = 0; index < words.length; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state >>> 0;
  }
  for (let index = words.length * 4; index < size; index += 1) bytes[index] = index % 251;
  return bytes;
}
