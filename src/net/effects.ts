/** What reading a remote header needs of HTTP: one request, one answer, no redirect followed, nothing decoded or cached. */
export interface HttpReply {
  readonly status: number;
  /** A header by its lower-case name. */
  header(name: string): string | undefined;
  /** The body as it arrives; throws when the connection breaks or falls silent. */
  readonly body: AsyncIterator<Uint8Array, unknown, undefined>;
  /** Ends the connection, whatever of the body is still to come. */
  close(): Promise<void>;
}

/** Sends a GET that accepts no encoding but identity. Throws what the network throws; a time limit that ran out is a `DOMException` named `TimeoutError`. */
export type HttpGet = (
  url: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
) => Promise<HttpReply>;
