import { ProvisionError } from '../core/errors.ts';
import { MIB } from '../core/units.ts';
import { checkAnswer, type Stretch } from '../net/answer.ts';
import { networkFault, wrongAnswer } from '../net/errors.ts';
import type { Http, HttpReply } from '../net/http.ts';
import type { Reach } from '../net/reach.ts';
import { follow, type Send } from '../net/redirects.ts';
import type { ByteSource } from './byte-source.ts';

/**
 * How far the first, the second and each later request reaches, in bytes. The first MiB holds the whole header of a model
 * with a small vocabulary; up to 8 MiB reach behind one of 262,144 tokens (6.6 MB). Bytes that are not needed are not read.
 */
const REACH = [MIB, 7 * MIB, 8 * MIB] as const;

/** The maximum number of requests for one file: six are enough for the longest header that is read. */
const MAX_ASKED = 24;

/** How often a connection may break while bytes are read; each time the rest is requested immediately. */
const MAX_BROKEN = 3;

const NEVER = new AbortController().signal;

export interface RemoteOptions {
  readonly http: Http;
  /** Sent to the first server only, such as `authorization`. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** A file on a web server, open for reading. The first response reports its size. */
export interface RemoteFile extends ByteSource {
  readonly fileBytes: number | undefined;
  /** Requests so far, redirects included. */
  readonly requests: number;
  /** Bytes of bodies that were taken so far. */
  readonly receivedBytes: number;
  close(): Promise<void>;
}

/**
 * Asks for the first bytes of a file. Reads go on in the answer that is open as far as it reaches, then ask for more; a
 * server that ignores ranges sends the file from its start, and is stopped when enough was read.
 *
 * Throws `bad-usage` (no web address), `source-not-found`, `unauthorised`, `network`, `remote-fault`; so does `read`.
 */
export async function openRemoteFile(address: string, options: RemoteOptions): Promise<RemoteFile> {
  const url = URL.parse(address);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw new ProvisionError('bad-usage', `${JSON.stringify(address)} is not a web address`, {
      suggestions: ['Pass an address such as https://example.com/model.gguf'],
    });
  }
  const remote = new Remote(url, options);
  await remote.ask(0, 0);
  return remote;
}

class Remote implements RemoteFile {
  readonly #options: RemoteOptions;
  #url: URL;
  #headers: Readonly<Record<string, string>>;
  #from: Reach | undefined;
  #asked = 0;
  #broken = 0;
  requests = 0;
  receivedBytes = 0;
  fileBytes: number | undefined;
  #etag: string | undefined;
  #reply: HttpReply | undefined;
  #body: AsyncIterator<Uint8Array> | undefined;
  #stretch: Stretch = { start: 0, end: 0, fileBytes: undefined, ranged: true };
  /** Offset in the file of the next byte that the open answer brings. */
  #next = 0;
  /** Received with the last piece, but not read yet. */
  #rest: Uint8Array = new Uint8Array(0);

  constructor(url: URL, options: RemoteOptions) {
    this.#url = new URL(url);
    this.#headers = { ...credentialsOf(url), ...options.headers };
    this.#url.username = '';
    this.#url.password = '';
    this.#options = options;
  }

  async read(offset: number, length: number, spare?: Uint8Array): Promise<Uint8Array> {
    const target = spare ?? new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const [from, left] = [offset + filled, length - filled];
      const piece = await this.#readSome(from, left).catch((fault) => this.#askAgain(fault, from, left));
      if (piece === undefined) continue;
      if (piece.length === 0) break;
      target.set(piece, filled);
      filled += piece.length;
    }
    return target.subarray(0, filled);
  }

  async close(): Promise<void> {
    const reply = this.#reply;
    const complete = this.#next === this.#stretch.end && reply?.header('content-length') !== undefined;
    this.#reply = undefined;
    this.#rest = new Uint8Array(0);
    // A connection whose answer was read to the end can be reused; errors after the last byte do not matter.
    if (complete) await this.#body?.next().catch(() => {});
    await reply?.close();
  }

  /** Requests the bytes that a broken connection did not deliver. A time-out and every other error is final. */
  async #askAgain(fault: unknown, offset: number, length: number): Promise<undefined> {
    const broken = fault instanceof ProvisionError && fault.code === 'network' && !isTimeout(fault.cause);
    this.#broken += 1;
    if (!broken || this.#broken > MAX_BROKEN) throw fault;
    try {
      await this.ask(offset, length);
    } catch {
      this.#options.signal?.throwIfAborted();
      throw fault;
    }
  }

  /** Asks for the bytes from `offset` on, at least `length` of them. */
  async ask(offset: number, length: number): Promise<void> {
    await this.close();
    if (this.#asked === MAX_ASKED)
      throw wrongAnswer(this.#url, 'the server sends its bytes in pieces that are too small');
    const reach = REACH[Math.min(this.#asked - this.#broken, REACH.length - 1)] ?? MIB;
    const end = offset + Math.max(length, reach);
    const { signal = NEVER, http } = this.#options;
    const range = { range: `bytes=${offset}-${end - 1}` };
    const send: Send<HttpReply> = (url, headers, from) =>
      http({ method: 'GET', url: url.href, headers, kind: 'header', ...from, signal });
    const reached = await follow(send, this.#url, this.#headers, range, signal, this.#from);
    this.requests += reached.requests;
    this.#asked += 1;
    this.#url = reached.url;
    this.#from = reached.from;
    this.#headers = reached.headers;
    this.#reply = reached.reply;
    this.#body = reached.reply.body[Symbol.asyncIterator]();
    try {
      this.#accept(checkAnswer(reached.url, reached.reply, offset), end, reached.reply.header('etag'));
    } catch (fault) {
      await this.close();
      throw fault;
    }
  }

  #accept(stretch: Stretch, end: number, etag: string | undefined): void {
    const sameSize =
      this.fileBytes === undefined || stretch.fileBytes === undefined || this.fileBytes === stretch.fileBytes;
    const sameTag = this.#etag === undefined || !isStrong(etag) || this.#etag === etag;
    if (!sameSize || !sameTag) throw wrongAnswer(this.#url, 'the file changed while it was read');
    this.fileBytes ??= stretch.fileBytes;
    if (isStrong(etag)) this.#etag ??= etag;
    // Bytes beyond the requested range are ignored.
    this.#stretch = stretch.ranged ? { ...stretch, end: Math.min(stretch.end ?? end, end) } : stretch;
    this.#next = stretch.start;
  }

  /** Some bytes at `offset`, none at the end of the file. */
  async #readSome(offset: number, length: number): Promise<Uint8Array> {
    if (this.fileBytes !== undefined && offset >= this.fileBytes) return new Uint8Array(0);
    if (!this.#reaches(offset)) await this.ask(offset, length);
    while (this.#next < offset) {
      const passed = await this.#take(offset - this.#next);
      if (passed.length === 0) return passed;
    }
    return this.#take(length);
  }

  /** True where the open answer brings the byte at `offset`: with what lies before it, if the server knows no ranges. */
  #reaches(offset: number): boolean {
    const { end, ranged } = this.#stretch;
    if (this.#reply === undefined || offset < this.#next || (end !== undefined && offset >= end)) return false;
    return !ranged || offset - this.#next <= MIB;
  }

  /** The next bytes of the open answer, at most `length`; none at its end. */
  async #take(length: number): Promise<Uint8Array> {
    const { end } = this.#stretch;
    const left = end === undefined ? length : Math.min(length, end - this.#next);
    if (this.#rest.length === 0 && left > 0) this.#rest = await this.#receive();
    const piece = this.#rest.subarray(0, left);
    this.#rest = this.#rest.subarray(piece.length);
    this.#next += piece.length;
    return piece;
  }

  /** The next piece of the body. An answer that ends before its own length is a fault of the connection. */
  async #receive(): Promise<Uint8Array> {
    const { signal } = this.#options;
    for (;;) {
      signal?.throwIfAborted();
      const result = await this.#nextPiece();
      if (result.done === true) break;
      this.receivedBytes += result.value.length;
      if (result.value.length > 0) return result.value;
    }
    const { start, end } = this.#stretch;
    if (end === undefined) {
      this.fileBytes = this.#next;
      return new Uint8Array(0);
    }
    throw networkFault(
      this.#url,
      new Error(`only ${this.#next - start} of ${end - start} bytes arrived, then the response ended`),
    );
  }

  async #nextPiece(): Promise<IteratorResult<Uint8Array, unknown>> {
    try {
      return (await this.#body?.next()) ?? { done: true, value: undefined };
    } catch (thrown) {
      this.#options.signal?.throwIfAborted();
      throw networkFault(this.#url, thrown);
    }
  }
}

function isTimeout(cause: unknown): boolean {
  return cause instanceof Error && cause.name === 'TimeoutError';
}

/** A weak ETag identifies equivalent content, not identical bytes. */
function isStrong(etag: string | undefined): boolean {
  return etag?.startsWith('"') ?? false;
}

/** User and password are sent in a header: as part of the address they would end up in logs. */
function credentialsOf({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {};
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { authorization: `Basic ${Buffer.from(pair, 'utf8').toString('base64')}` };
}
