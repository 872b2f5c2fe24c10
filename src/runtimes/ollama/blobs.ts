import type { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import { MIB } from '../../core/units.ts';
import type { ReadableFile } from '../../disk/disk.ts';
import type { OpenForReading } from '../../disk/port.ts';
import { isCutOff } from '../../net/errors.ts';
import type { HttpReply } from '../../net/http.ts';
import type { LocalFile } from '../../sources/contract.ts';
import { type Connection, errorOf, exchangeFor } from './client.ts';
import { reportProgress } from './progress.ts';
import { becameShorter, notReadable } from './readable.ts';
import { failureOf, ServerError } from './server-errors.ts';

export interface BlobUpload {
  readonly file: LocalFile;
  readonly digest: Digest;
}

/** Pieces of 1 MiB, four of them: one is read while others are on their way. More brought no speed. */
const PIECE_BYTES = MIB;
const PIECES = 4;

/** Does the server have these bytes? The answer shows only that the file exists, not that it is complete. */
export async function hasBlob(connection: Connection, digest: Digest, signal: AbortSignal): Promise<boolean> {
  const context = { doing: `asking for ${digest}`, endpoint: connection.host.url, signal };
  try {
    const reply = await exchange(connection, 'HEAD', digest, signal);
    await reply.close();
    if (reply.status === 200) return true;
    if (reply.status === 404) return false;
    throw new ServerError(reply.status, '');
  } catch (thrown) {
    throw failureOf(thrown, context);
  }
}

/**
 * Sends a file to the server under its digest and returns the bytes sent. One pass over the file, with 4 MiB of memory
 * at any size. The server hashes what arrives and refuses other bytes, so hashing here as well would only double the
 * work. Throws `digest-mismatch`, `truncated-file`, `file-not-found`, `file-access`, `disk-full` (the server's disk)
 * and the failures of a connection.
 */
export function uploadBlob(
  connection: Connection,
  open: OpenForReading,
  { file, digest }: BlobUpload,
  signal: AbortSignal,
): Work<number> {
  const { path: place, sizeBytes } = file;
  return sendBlob(connection, { place, sizeBytes, digest, body: fileBody(file, open) }, signal);
}

/** Bytes on their way to the server. */
export interface BlobBody {
  /** Where they come from, for messages. */
  readonly place: string;
  readonly sizeBytes: number;
  readonly digest: Digest;
  readonly body: CountedBody;
}

/** Sends a body under its digest and returns the bytes sent; 0 where another client uploaded the blob first. */
export async function* sendBlob(connection: Connection, blob: BlobBody, signal: AbortSignal): Work<number> {
  const { place, sizeBytes, digest, body } = blob;
  const ended = new AbortController();
  const both = AbortSignal.any([signal, ended.signal]);
  try {
    const sent = send(connection, digest, body, both);
    yield* reportProgress(sent, () => ({ type: 'bytes', id: 'upload', done: body.sentBytes, total: sizeBytes }));
    return body.sentBytes;
  } catch (thrown) {
    const context = { doing: `uploading ${place}`, endpoint: connection.host.url, signal };
    // A server that has the blob already answers without reading; writing on then fails.
    if (isCutOff(thrown) && !signal.aborted && (await hasBlobStill(connection, digest, signal))) return 0;
    throw mismatch(thrown, place, digest) ?? failureOf(thrown, context);
  } finally {
    ended.abort();
  }
}

/** As `hasBlob`, after a failure: a server that is gone has nothing, and the original failure is the one to report. */
function hasBlobStill(connection: Connection, digest: Digest, signal: AbortSignal): Promise<boolean> {
  return hasBlob(connection, digest, signal).catch(() => false);
}

function mismatch(thrown: unknown, place: string, digest: Digest): ProvisionError | undefined {
  if (!(thrown instanceof ServerError) || !/digest mismatch|digest does not match/i.test(thrown.message))
    return undefined;
  const got = digestGot(thrown);
  return new ProvisionError(
    'digest-mismatch',
    `${place} does not match its digest: expected ${digest}, the server got ${got ?? 'other bytes'}.`,
    { cause: thrown, suggestions: ['Get the file again.', 'If the file is right, correct the digest (--digest).'] },
  );
}

/** The digest of what the server got instead, by its own words. It keeps those bytes. */
export function digestGot(thrown: unknown): Digest | undefined {
  const hex = thrown instanceof ServerError ? /got "?sha256:([0-9a-f]{64})/.exec(thrown.message)?.[1] : undefined;
  return hex === undefined ? undefined : `sha256:${hex}`;
}

async function send(connection: Connection, digest: Digest, body: CountedBody, signal: AbortSignal): Promise<void> {
  const reply = await exchange(connection, 'POST', digest, signal, body);
  if (reply.status !== 200 && reply.status !== 201) throw await errorOf(reply);
  await reply.close();
}

function exchange(
  connection: Connection,
  method: 'HEAD' | 'POST',
  digest: Digest,
  signal: AbortSignal,
  body?: CountedBody,
): Promise<HttpReply> {
  const { host, http } = connection;
  return http({
    method,
    url: `${host.url}/api/blobs/${digest}`,
    headers: { ...host.headers, ...(body && { 'content-type': 'application/octet-stream' }) },
    ...(body && { body }),
    ...exchangeFor(connection, { kind: body === undefined ? 'server' : 'upload' }),
    signal,
  });
}

export interface CountedBody extends AsyncIterable<Uint8Array> {
  readonly sentBytes: number;
}

/** A file as a body. */
function fileBody(file: LocalFile, open: OpenForReading): CountedBody {
  let sentBytes = 0;
  return {
    get sentBytes() {
      return sentBytes;
    },
    async *[Symbol.asyncIterator]() {
      const handle = await open(file.path).catch((cause: unknown) => {
        throw notReadable(file, cause);
      });
      try {
        for await (const piece of piecesOf(handle, file)) {
          yield piece;
          sentBytes += piece.length;
        }
      } finally {
        await handle.close();
      }
    },
  };
}

/** A ring of buffers: one is read into while others are on their way, and again only when the connection is done with it. */
async function* piecesOf(
  handle: Pick<ReadableFile, 'read'>,
  file: LocalFile,
): AsyncGenerator<Uint8Array, void, undefined> {
  const ring = Array.from({ length: PIECES }, () => Buffer.allocUnsafeSlow(PIECE_BYTES));
  let left = file.sizeBytes;
  let turn = 0;
  const readNext = (): Promise<Uint8Array> | undefined => {
    const memory = ring[turn % PIECES]?.subarray(0, Math.min(PIECE_BYTES, left));
    if (memory === undefined || memory.length === 0) return undefined;
    turn += 1;
    left -= memory.length;
    const reading = fill(handle, memory, memory.length, file).then(() => memory);
    // It is awaited when its turn comes; until then a failure must not count as unhandled.
    reading.catch(() => {});
    return reading;
  };
  for (let reading = readNext(); reading !== undefined; ) {
    const piece = await reading;
    reading = readNext();
    yield piece;
  }
}

/** Reads exactly `wanted` bytes; a file that ends before its own size was changed while it was read. */
async function fill(
  handle: Pick<ReadableFile, 'read'>,
  memory: Uint8Array,
  wanted: number,
  file: LocalFile,
): Promise<number> {
  let filled = 0;
  while (filled < wanted) {
    const { bytesRead } = await handle.read(memory, filled, wanted - filled, null).catch((cause: unknown) => {
      throw notReadable(file, cause);
    });
    if (bytesRead === 0) {
      throw becameShorter(file);
    }
    filled += bytesRead;
  }
  return filled;
}
