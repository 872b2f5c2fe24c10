import type { Work } from '../../core/progress.ts';
import { freeBytes, usedBytes } from '../../disk/disk.ts';
import type { FetchedFile, RemoteFile } from '../contract.ts';
import { type Downloader, stateFileOf } from '../download/contract.ts';
import { cacheError, notEnoughSpace } from './errors.ts';
import { type PatientParts, underFetchLock } from './fetch-lock.ts';
import { prepareFolders, publish, regularFile, removeIrregular, removePartial } from './layout.ts';
import type { RefMemory } from './refs.ts';
import { type FindParts, findBlob, type VerifiedBlob } from './verified-blob.ts';

export interface FetchParts extends FindParts, PatientParts {
  readonly refs: RefMemory;
  readonly downloader: Pick<Downloader, 'fetch'>;
  readonly now: () => Date;
}

/**
 * The file from the cache, or fetched into it. When another process fetches it already, this one waits as long as that
 * one moves, then finds it. Throws what the download throws, `file-access`, `disk-full`, `busy`.
 */
export async function* fetchIntoCache(parts: FetchParts, file: RemoteFile, signal: AbortSignal): Work<FetchedFile> {
  const found = yield* findBlob(parts, file.digest, signal);
  if (found !== undefined) return rememberFetched(parts, file, found, 0, signal);
  await prepareFolders(parts.disk, parts.layout);
  return yield* underFetchLock(parts, file, signal, (lockSignal) => fetchUnderLock(parts, file, lockSignal));
}

async function* fetchUnderLock(parts: FetchParts, file: RemoteFile, signal: AbortSignal): Work<FetchedFile> {
  // The previous holder of the lock may have fetched it.
  const found = yield* findBlob(parts, file.digest, signal);
  if (found !== undefined) return rememberFetched(parts, file, found, 0, signal);
  const partial = parts.layout.partialOf(file.digest);
  await removeIrregular(parts.disk, partial);
  await removeIrregular(parts.disk, stateFileOf(partial));
  await requireSpace(parts, file, partial);
  const moved = yield* download(parts, file, partial, signal);
  const path = await publish(parts.disk, parts.layout, file.digest);
  const facts = await regularFile(parts.disk, path);
  if (facts !== undefined) await parts.digests.remember(path, facts, file.digest);
  const blob = { digest: file.digest, path, sizeBytes: file.sizeBytes };
  return rememberFetched(parts, file, blob, moved, signal);
}

async function* download(parts: FetchParts, file: RemoteFile, partial: string, signal: AbortSignal): Work<number> {
  try {
    return (yield* parts.downloader.fetch(file, partial, signal)).bytesMoved;
  } catch (cause) {
    await dropEmpty(parts, partial);
    throw cacheError(partial, 'write', cause);
  }
}

/** A full disk may leave an empty file, which cannot be resumed. */
async function dropEmpty(parts: FetchParts, partial: string): Promise<void> {
  const facts = await regularFile(parts.disk, partial).catch(() => undefined);
  if (facts?.size === 0n) await removePartial(parts.disk, partial).catch(() => undefined);
}

async function requireSpace(parts: FetchParts, file: RemoteFile, partial: string): Promise<void> {
  const have = await freeBytes(parts.disk, parts.layout.partial);
  const there = await regularFile(parts.disk, partial);
  const need = file.sizeBytes - (there === undefined ? 0 : usedBytes(there));
  if (have !== undefined && have < need) throw notEnoughSpace(parts.layout.folder, file.fileName, need, have);
}

async function rememberFetched(
  parts: FetchParts,
  file: RemoteFile,
  blob: VerifiedBlob,
  bytesMoved: number,
  signal: AbortSignal,
): Promise<FetchedFile> {
  const { ref, pinnedRef, digest, sizeBytes, fileName, provenance } = file;
  const named = { pinnedRef, digest, sizeBytes, fileName, ...(provenance && { provenance }) };
  const at = parts.now().toISOString();
  await parts.refs.remember({ ref: file.rememberAs ?? pinnedRef, ...named, at }, signal);
  return { ref, path: blob.path, ...named, immutable: true, bytesMoved };
}
