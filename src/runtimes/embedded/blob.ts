import { createHash, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Digest } from '../../core/digest.ts';
import { errnoOf, ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import { type DigestCache, keepDigest, NO_DIGEST_CACHE } from '../../disk/digest-cache.ts';
import { type Disk, type FileFacts, type OpenFile, SHARE_BYTES } from '../../disk/disk.ts';
import { diskError, sourceError } from '../../disk/errors.ts';
import { makePrivateFolder } from '../../disk/folders.ts';
import { createHasher, PROGRESS_STEP_BYTES, requireDigest, requireUnchanged } from '../../disk/hash.ts';
import { readChunks } from '../../disk/read-chunks.ts';
import type { LocalFile } from '../../sources/contract.ts';
import type { StorableFile, TransferWay } from '../contract.ts';
import { type Elsewhere, exactly, isElsewhere, reasonAgainstSharing } from '../storable.ts';

export const INCOMPLETE = '.incomplete-';
/** What a killed run left behind is removed after this time; a younger one may belong to a run that is still at work. */
const STALE_MS = 24 * 60 * 60 * 1000;
const PROGRESS_ID = 'store';

export interface PutBlob {
  readonly disk: Disk;
  readonly digests: DigestCache;
  readonly now: () => Date;
  /** Where blobs lie; made when missing. */
  readonly folder: string;
  readonly file: StorableFile;
  /** The requested method. */
  readonly way?: TransferWay;
  /** Take the place of what lies under the digest, which is not what it should be. */
  readonly replace?: true;
  readonly signal: AbortSignal;
}

export interface Blob {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly way: TransferWay;
  /** 0 when the blob was there already, or shares its bytes with the file. */
  readonly bytesMoved: number;
}

/**
 * Puts a file under its digest, complete or not at all. A file of our cache gets a hard link: it was checked when it
 * was downloaded, and is never edited. Other files are shared copy-on-write where the file system can, else copied; never linked
 * unless that is asked for, as the user may go on to edit the file in place. Their bytes are always read and hashed on
 * the way, so a digest that was only claimed is proven here. Throws `digest-mismatch`, `truncated-file`,
 * `source-not-found`, `disk-full`, `file-access`, and `bad-usage` for a requested method that does not work.
 */
export async function* putBlob(put: PutBlob): Work<Blob> {
  const { disk, file, folder, replace = false } = put;
  if (!replace && file.digest !== undefined && (yield* isWhole(put, file.digest, file.sizeBytes)))
    return { digest: file.digest, sizeBytes: file.sizeBytes, way: 'present', bytesMoved: 0 };

  await prepare(put);
  const temporary = join(folder, `${INCOMPLETE}${randomUUID()}`);
  try {
    const made = yield* make(put, temporary);
    const { digest, sizeBytes, way } = made;
    const target = blobPath(folder, digest);
    if (!replace && (yield* isWhole(put, digest, sizeBytes))) return { ...made, way: 'present', bytesMoved: 0 };
    const rename = () => disk.rename(temporary, target);
    await (way === 'hard-link' && !isElsewhere(file) ? keepDigest(file.path, put, rename) : rename());
    // Written and hashed just now, or another name of a file that was.
    await put.digests.remember(target, await factsOf(disk, target), digest);
    return { ...made, bytesMoved: way === 'copy' || way === 'stream' ? sizeBytes : 0 };
  } finally {
    await disk.rm(temporary, { force: true });
  }
}

/** A blob of that size is there and has the digest of its name; a corrupt one is reported. */
export async function* isWhole(
  { disk, digests, folder, signal }: Pick<PutBlob, 'disk' | 'digests' | 'folder' | 'signal'>,
  digest: Digest,
  sizeBytes: number,
): Work<boolean> {
  const path = blobPath(folder, digest);
  if ((await sizeOf(disk, path)) !== sizeBytes) return false;
  const found = yield* createHasher(disk, digests)({ ref: path, path, sizeBytes }, PROGRESS_ID, signal);
  if (found !== digest) yield { type: 'warning', message: `${path} is corrupt: its bytes have the digest ${found}` };
  return found === digest;
}

type Made = Omit<Blob, 'bytesMoved'>;

/** Makes the temporary file by the cheapest method that works, or by the requested one, and verifies its digest. */
async function* make(put: PutBlob, temporary: string): Work<Made> {
  const { disk, file, way: wanted } = put;
  if (isElsewhere(file)) {
    requireWanted(wanted, ['stream']);
    return { ...(yield* streamAndHash(put, file, temporary)), way: 'stream' };
  }
  requireWanted(wanted, ['present', 'hard-link', 'reflink', 'copy']);
  const here = { ...put, file };
  if (wanted === 'hard-link' || (wanted === undefined && isLinkable(file))) {
    const against = isLinkable(file) ? undefined : reasonAgainstSharing(file, await factsOf(disk, file.path));
    if (against !== undefined) throw closed('hard-link', against);
    const linked = await succeeds(keepDigest(file.path, put, () => disk.link(file.path, temporary)));
    if (linked) return { ...(yield* proven(here)), way: 'hard-link' };
    if (wanted !== undefined) throw closed(wanted, 'the file system does not allow a hard link there');
  }
  const source = await factsOf(disk, file.path);
  const shared = wanted !== 'copy' && (await clone(disk, file.path, temporary));
  if (!shared && wanted === 'reflink') throw closed(wanted, 'the file system cannot clone files');
  const { digest, sizeBytes } = shared ? yield* hashClone(here, temporary) : yield* copyAndHash(here, temporary);
  requireUnchanged(file.path, source, await factsOf(disk, file.path));
  await put.digests.remember(file.path, source, digest);
  requireDigest(file, digest);
  return { digest, sizeBytes, way: shared ? 'reflink' : 'copy' };
}

/** A file that never changes, and whose digest is known. */
export function isLinkable(file: LocalFile): boolean {
  return file.immutable === true && file.digest !== undefined;
}

/** Digest and size of the file itself. Of our cache's files they are known, all others are read. */
async function* proven({ file, disk, digests, signal }: PutHere): Work<{ digest: Digest; sizeBytes: number }> {
  if (isLinkable(file) && file.digest !== undefined) return { digest: file.digest, sizeBytes: file.sizeBytes };
  return { digest: yield* createHasher(disk, digests)(file, PROGRESS_ID, signal), sizeBytes: file.sizeBytes };
}

function requireWanted(wanted: TransferWay | undefined, possible: readonly TransferWay[]): void {
  if (wanted !== undefined && !possible.includes(wanted)) throw closed(wanted, `it accepts ${possible.join(', ')}`);
}

function closed(wanted: TransferWay, why: string): ProvisionError {
  return new ProvisionError(
    'bad-usage',
    `The embedded runtime cannot store the file by ${wanted}: ${why.replace(/\.$/, '')}.`,
    {
      suggestions: ['Leave the method open: the cheapest one that works is used.'],
    },
  );
}

function succeeds(work: Promise<void>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  );
}

export function blobPath(folder: string, digest: Digest): string {
  return join(folder, digest.replace(':', '-'));
}

async function prepare({ disk, folder, now }: PutBlob): Promise<void> {
  try {
    await makePrivateFolder(disk, folder);
    const leftovers = (await disk.readdir(folder)).filter((each) => each.startsWith(INCOMPLETE));
    for (const name of leftovers) await removeIfOld(disk, join(folder, name), now);
  } catch (cause) {
    throw diskError('write', folder, cause);
  }
}

async function removeIfOld(disk: Disk, path: string, now: () => Date): Promise<void> {
  // The run that it belongs to may end, and remove it, at any time.
  const facts = await disk.stat(path, { bigint: true }).catch(() => undefined);
  if (facts === undefined || now().getTime() - Number(facts.mtimeNs / 1_000_000n) <= STALE_MS) return;
  await disk.rm(path, { force: true });
}

async function factsOf(disk: Disk, path: string): Promise<FileFacts> {
  return disk.stat(path, { bigint: true }).catch((cause: unknown) => Promise.reject(sourceError(path, cause)));
}

/** False where the file system cannot share bytes (ext4, NTFS, another volume), whatever it calls the reason. */
async function clone(disk: Disk, from: string, to: string): Promise<boolean> {
  try {
    await disk.copyFile(from, to, SHARE_BYTES);
    return true;
  } catch {
    await disk.rm(to, { force: true });
    return false;
  }
}

interface PutHere extends PutBlob {
  readonly file: LocalFile;
}

async function* hashClone({ disk, signal }: PutHere, temporary: string): Work<{ digest: Digest; sizeBytes: number }> {
  const sizeBytes = (await sizeOf(disk, temporary)) ?? 0;
  const hash = createHasher(disk, NO_DIGEST_CACHE);
  const digest = yield* hash({ ref: temporary, path: temporary, sizeBytes }, PROGRESS_ID, signal);
  return { digest, sizeBytes };
}

async function* copyAndHash(put: PutHere, temporary: string): Work<{ digest: Digest; sizeBytes: number }> {
  const { disk, file, signal } = put;
  const source = await disk
    .open(file.path, 'r')
    .catch((cause: unknown) => Promise.reject(sourceError(file.path, cause)));
  try {
    const total = Number((await source.stat({ bigint: true })).size);
    return yield* writeAndHash(disk, temporary, readChunks(source, file.path, signal), total);
  } finally {
    await source.close();
  }
}

/** From its source into the blob, with no copy between. */
async function* streamAndHash(put: PutBlob, file: Elsewhere, temporary: string): Work<Omit<Made, 'way'>> {
  const { disk, signal } = put;
  const made = yield* writeAndHash(disk, temporary, exactly(file, signal), file.sizeBytes);
  requireDigest({ ...file, path: file.ref }, made.digest);
  return made;
}

async function* writeAndHash(
  disk: Disk,
  temporary: string,
  pieces: AsyncIterable<Uint8Array>,
  total: number,
): Work<{ digest: Digest; sizeBytes: number }> {
  const target = await disk
    .open(temporary, 'wx')
    .catch((cause: unknown) => Promise.reject(diskError('write', temporary, cause)));
  const hash = createHash('sha256');
  let done = 0;
  let reported = 0;
  try {
    yield { type: 'bytes', id: PROGRESS_ID, done, total };
    for await (const piece of pieces) {
      hash.update(piece);
      await writeAll(target, piece, temporary);
      done += piece.length;
      if (done - reported < PROGRESS_STEP_BYTES) continue;
      reported = done;
      yield { type: 'bytes', id: PROGRESS_ID, done, total };
    }
    await target.datasync().catch((cause: unknown) => Promise.reject(diskError('write', temporary, cause)));
  } finally {
    await target.close();
  }
  yield { type: 'bytes', id: PROGRESS_ID, done, total };
  return { digest: `sha256:${hash.digest('hex')}`, sizeBytes: done };
}

async function writeAll(target: OpenFile, chunk: Uint8Array, path: string): Promise<void> {
  let written = 0;
  while (written < chunk.length) {
    try {
      written += (await target.write(chunk, written, chunk.length - written)).bytesWritten;
    } catch (cause) {
      throw diskError('write', path, cause);
    }
  }
}

/** Undefined when there is no such file. */
export async function sizeOf(disk: Disk, path: string): Promise<number | undefined> {
  try {
    return Number((await disk.stat(path, { bigint: true })).size);
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return undefined;
    throw diskError('read', path, cause);
  }
}
