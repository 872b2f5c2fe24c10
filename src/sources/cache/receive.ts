import { createHash } from 'node:crypto';
import type { Digest } from '../../core/digest.ts';
import type { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import { MIB } from '../../core/units.ts';
import { freeBytes, type OpenFile } from '../../disk/disk.ts';
import { cacheError, notEnoughSpace } from './errors.ts';
import type { FetchParts } from './fetch.ts';
import { underFetchLock } from './fetch-lock.ts';
import { prepareFolders, publish, regularFile, removeFile, removePartial } from './layout.ts';
import { findBlob, type VerifiedBlob } from './verified-blob.ts';

/** A file that is not downloaded: one in a bundle. */
export interface Incoming {
  readonly fileName: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** Its bytes, from the start. */
  open(): AsyncIterable<Uint8Array>;
  /** The error for bytes that have another digest. */
  mismatch(got: Digest): ProvisionError;
}

/** Read in a bundle since the last event. */
const REPORT_BYTES = 32 * MIB;
/** Until it is verified, nobody else needs to read it. */
const PARTIAL_MODE = 0o600;

/**
 * Reads all of a file's bytes, compares their digest, and returns the verified file of the cache. The bytes are read also
 * where the cache has that digest already: whoever asks wants to know whether these bytes are good. A partial download of
 * the same digest is discarded. Progress under the id `unpack`.
 * Throws `mismatch`, what `open` throws, `file-access`, `disk-full`, `busy`.
 */
export async function* receiveFile(parts: FetchParts, incoming: Incoming, signal: AbortSignal): Work<VerifiedBlob> {
  const found = yield* findBlob(parts, incoming.digest, signal);
  if (found !== undefined) return yield* compared(found, incoming, signal);
  await prepareFolders(parts.disk, parts.layout);
  return yield* underFetchLock(parts, incoming, signal, (held) => receiveUnderLock(parts, incoming, held));
}

async function* compared(found: VerifiedBlob, incoming: Incoming, signal: AbortSignal): Work<VerifiedBlob> {
  yield* readVerified(incoming, async () => {}, signal);
  return found;
}

async function* receiveUnderLock(parts: FetchParts, incoming: Incoming, signal: AbortSignal): Work<VerifiedBlob> {
  const { digest, sizeBytes, fileName } = incoming;
  const found = yield* findBlob(parts, digest, signal);
  if (found !== undefined) return yield* compared(found, incoming, signal);
  const partial = parts.layout.partialOf(digest);
  await removePartial(parts.disk, partial);
  const free = await freeBytes(parts.disk, parts.layout.partial);
  if (free !== undefined && free < sizeBytes) throw notEnoughSpace(parts.layout.folder, fileName, sizeBytes, free);
  try {
    yield* writePartial(parts, incoming, partial, signal);
    const path = await publish(parts.disk, parts.layout, digest);
    const published = await regularFile(parts.disk, path);
    if (published !== undefined) await parts.digests.remember(path, published, digest);
    return { digest, path, sizeBytes };
  } catch (error) {
    await removeFile(parts.disk, partial).catch(() => undefined);
    throw error;
  }
}

async function* writePartial(parts: FetchParts, incoming: Incoming, path: string, signal: AbortSignal): Work<void> {
  const guarded = async <Result>(work: Promise<Result>) => {
    try {
      return await work;
    } catch (cause) {
      throw cacheError(path, 'write', cause);
    }
  };
  const file: OpenFile = await guarded(parts.disk.open(path, 'wx', PARTIAL_MODE));
  try {
    yield* readVerified(incoming, (chunk) => guarded(file.writeFile(chunk)), signal);
  } finally {
    await file.close();
  }
}

/** Hands on every chunk, and throws at the end unless all of them together have the digest. */
async function* readVerified(
  { open, sizeBytes: total, digest, mismatch }: Incoming,
  write: (chunk: Uint8Array) => Promise<void>,
  signal: AbortSignal,
): Work<void> {
  const hash = createHash('sha256');
  let done = 0;
  let reported = 0;
  for await (const chunk of open()) {
    signal.throwIfAborted();
    hash.update(chunk);
    await write(chunk);
    done += chunk.length;
    if (done - reported < REPORT_BYTES) continue;
    reported = done;
    yield { type: 'bytes', id: 'unpack', done, total };
  }
  yield { type: 'bytes', id: 'unpack', done, total };
  const got = `sha256:${hash.digest('hex')}` as const;
  if (got !== digest) throw mismatch(got);
}
