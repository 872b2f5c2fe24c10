/** What sources need of HTTP: one request, one answer; no redirect followed, nothing decoded, nothing retried. */
export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A stream needs a `content-length` among the headers. */
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
  /** From sending the request to the head of its answer, in ms; 30 s unless given. */
  readonly answerMs?: number;
  /** The answer's body fails when it is silent for this long, in ms; 30 s unless given. */
  readonly silenceMs?: number;
  readonly signal: AbortSignal;
}

export interface HttpReply {
  readonly status: number;
  /** A header by its lower-case name. */
  header(name: string): string | undefined;
  /** The body as it arrives. A chunk is the reader's to keep. Throws when the connection breaks or falls silent. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Ends the connection, whatever of the body is still to come. Never throws. */
  close(): Promise<void>;
}

/** Sends one request. Throws what the network throws; a limit that ran out is a `DOMException` named `TimeoutError`. */
export type Http = (request: HttpRequest) => Promise<HttpReply>;
