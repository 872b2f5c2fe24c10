/** The one port to the network: a request and its reply. No other folder opens a connection to a server. */
import type { ExchangeKind, ExchangeLimits } from './limits.ts';

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
  /** Replaces limits of the kind for this exchange. */
  readonly limits?: Partial<ExchangeLimits>;
  readonly signal: AbortSignal;
}

export interface HttpReply {
  readonly status: number;
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
  /** True when not even a connection was made. */
  readonly connecting: boolean;

  constructor(ms: number, what: 'connection' | 'byte' | 'end') {
    super(`no ${what} ${what === 'byte' ? 'for' : 'within'} ${ms} ms`);
    this.ms = ms;
    this.connecting = what === 'connection';
  }
}

/** A body that is longer than its reader accepts. */
export class BodyTooLongError extends Error {
  override readonly name = 'BodyTooLongError';
}

/** Reads a whole body of at most `limit` bytes. Throws `BodyTooLongError` and what the network throws. */
export async function readWhole(reply: HttpReply, limit: number): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of reply.body) {
    size += piece.length;
    if (size > limit) throw new BodyTooLongError(`a reply of more than ${limit} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
