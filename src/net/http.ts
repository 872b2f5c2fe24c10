/** The one port to the network: a request and its reply. No other folder opens a connection to a server. */
import { type ExchangeKind, type ExchangeLimits, WHOLE_ANSWER_MS } from './limits.ts';
import type { Reach } from './reach.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * A stream is sent chunked unless the headers give its `content-length`. The memory of one of its chunks may be used
   * again when the chunk after the next one is asked for.
   */
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
  /** Decides how long the exchange may take, and how its connection is made; `metadata` unless given. */
  readonly kind?: ExchangeKind;
  /**
   * Where a server is that named this address, in a redirect for example: nothing nearer to this machine is connected to.
   * Without it the user named the address.
   */
  readonly from?: Reach;
  /** Replaces limits of the kind for this exchange. */
  readonly limits?: Partial<ExchangeLimits>;
  readonly signal: AbortSignal;
}

export interface HttpReply {
  readonly status: number;
  /** Where the server is, by the address of its name; undefined where a proxy looked the name up. */
  readonly reach?: Reach;
  /** A header by its lower-case name. */
  header(name: string): string | undefined;
  /** The body as it arrives. A chunk belongs to the reader. Throws when the connection breaks or falls silent. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Ends the exchange; whatever of the body is still to come is dropped. Never throws. Needed unless the body is read to its end. */
  close(): Promise<void>;
}

/**
 * Sends one request: no redirect is followed, nothing is decoded, nothing is retried. Throws what the network throws; a
 * limit that ran out is a `TimeoutError`.
 */
export type Http = (request: HttpRequest) => Promise<HttpReply>;

/** An exchange that took longer than its kind allows. */
export class TimeoutError extends Error {
  override readonly name = 'TimeoutError';
  readonly ms: number;
  /** What did not come in time: the connection itself, any byte, or the end of an answer that did come. */
  readonly missing: 'connection' | 'byte' | 'end';

  constructor(ms: number, missing: TimeoutError['missing']) {
    super(`no ${missing} ${missing === 'byte' ? 'for' : 'within'} ${ms} ms`);
    this.ms = ms;
    this.missing = missing;
  }
}

/** A body that is longer than its reader accepts. */
export class BodyTooLongError extends Error {
  override readonly name = 'BodyTooLongError';
}

/**
 * Reads a whole body of at most `limit` bytes within a minute, whatever the limits of its exchange. Throws
 * `BodyTooLongError`, `TimeoutError` and what the network throws.
 */
export async function readWhole(
  reply: HttpReply,
  limit: number,
  now: () => number = () => performance.now(),
): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  const end = now() + WHOLE_ANSWER_MS;
  let size = 0;
  for await (const piece of reply.body) {
    if (now() > end) throw new TimeoutError(WHOLE_ANSWER_MS, 'end');
    size += piece.length;
    if (size > limit) throw new BodyTooLongError(`a reply of more than ${limit} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
