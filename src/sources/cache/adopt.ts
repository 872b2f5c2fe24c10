import type { Digest } from '../../core/digest.ts';
import { errnoOf, type ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import { SHARE_OR_COPY } from '../../disk/disk.ts';
import { digestMismatch } from '../../disk/errors.ts';
import { cacheError } from './errors.ts';
import type { FetchParts } from './fetch.ts';
import { underFetchLock } from './fetch-lock.ts';
import { prepareFolders, publish, regularFile, removeFile, removePartial } from './layout.ts';
import { findBlob, type VerifiedBlob } from './verified-blob.ts';

/** A file that was not downloaded, such as one from a bundle. */
export interface Incoming {
  readonly path: string;
  readonly digest: Digest;
  /** The file may be moved into the cache instead of being copied: it is the caller's own temporary one. */
  readonly move?: boolean;
}

/**
 * Adds a file to the cache after checking its digest. An existing partial file with the same digest is discarded.
 * Throws `digest-mismatch`, `source-not-found`, `file-access`, `disk-full`, `busy`.
 */
export async function* adoptFile(parts: FetchParts, incoming: Incoming, signal: AbortSignal): Work<VerifiedBlob> {
  const found = yield* findBlob(parts, incoming.digest, signal);
  if (found !== undefined) return found;
  await prepareFolders(parts.disk, parts.layout);
  return yield* underFetchLock(parts, incoming, signal, (lockSignal) => adoptUnderLock(parts, incoming, lockSignal));
}

async function* adoptUnderLock(parts: FetchParts, incoming: Incoming, signal: AbortSignal): Work<VerifiedBlob> {
  const { digest } = incoming;
  const found = yield* findBlob(parts, digest, signal);
  if (found !== undefined) return found;
  const partial = parts.layout.partialOf(digest);
  await removePartial(parts.disk, partial);
  try {
    await moveOrCopy(parts, incoming, partial);
    const facts = await regularFile(parts.disk, partial);
    const sizeBytes = Number(facts?.size ?? 0n);
    const got = yield* parts.hash({ ref: incoming.path, path: partial, sizeBytes }, 'adopt', signal);
    if (got !== digest) throw otherBytes(incoming, got);
    const path = await publish(parts.disk, parts.layout, digest);
    const published = await regularFile(parts.disk, path);
    if (published !== undefined) await parts.digests.remember(path, published, digest);
    return { digest, path, sizeBytes };
  } catch (error) {
    await removeFile(parts.disk, partial).catch(() => undefined);
    throw error;
  }
}

async function moveOrCopy(parts: FetchParts, { path, move }: Incoming, partial: string): Promise<void> {
  try {
    if (move === true) return await parts.disk.rename(path, partial);
  } catch (cause) {
    // Another file system: its bytes have to be copied.
    if (errnoOf(cause) !== 'EXDEV') throw cacheError(path, 'move', cause);
  }
  try {
    await parts.disk.copyFile(path, partial, SHARE_OR_COPY);
  } catch (cause) {
    throw cacheError(partial, 'write', cause);
  }
}

function otherBytes({ path, digest }: Incoming, got: Digest): ProvisionError {
  return digestMismatch(path, { wanted: digest, got }, ['Get the file again from its origin.']);
}
