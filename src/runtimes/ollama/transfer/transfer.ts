import { join } from 'node:path';
import type { Digest } from '../../../core/digest.ts';
import { errnoOf, ProvisionError } from '../../../core/errors.ts';
import type { Work } from '../../../core/progress.ts';
import { type DigestCache, NO_DIGEST_CACHE } from '../../../disk/digest-cache.ts';
import type { Disk } from '../../../disk/disk.ts';
import type { HashFile } from '../../../disk/hash.ts';
import type { OpenForReading } from '../../../disk/port.ts';
import type { LocalFile } from '../../../sources/contract.ts';
import type { StorableFile, TransferWay } from '../../contract.ts';
import { type Elsewhere, exactly, isElsewhere, isHere } from '../../storable.ts';
import { type CountedBody, digestGot, hasBlob, sendBlob, uploadBlob } from '../blobs.ts';
import type { Connection } from '../client.ts';
import { blobFile, temporaryIn } from '../folder/files.ts';
import type { ProvenFolder } from '../folder/probe.ts';
import { writeCopy } from './copy.ts';
import { type FolderWrite, TransferUnavailable, verifyDigest } from './folder-write.ts';
import { writeClone, writeHardLink } from './link.ts';

/** Reading of files, by injection. */
export interface FileEffects {
  readonly open: OpenForReading;
  /** Used for a file whose digest is not known, and for a claimed digest when no upload lets the server check it. */
  readonly hash: HashFile;
  /** What `hash` remembers; nothing unless given. */
  readonly digests?: DigestCache;
}

export interface Move {
  readonly connection: Connection;
  readonly files: FileEffects;
  readonly way: TransferWay;
  readonly file: StorableFile;
  readonly digest: Digest;
  readonly proven: ProvenFolder | undefined;
  readonly startedAt: Date;
}

/** Moves the bytes by one method and returns how many. A pull moves them later, with the stub. Throws `TransferUnavailable` for a method that turns out not to work. */
export async function* moveBytes(move: Move, signal: AbortSignal): Work<number> {
  const { way, file } = move;
  if (way === 'loopback-pull') return 0;
  if (way === 'present') return yield* skipPresent(move, signal);
  if (way === 'stream' && isElsewhere(file)) {
    return yield* withoutOrphan(move, streamBlob(move.connection, file, move.digest, signal));
  }
  if (!isHere(file)) throw new TransferUnavailable('the file is not on this machine');
  if (way === 'upload') {
    const upload = uploadBlob(move.connection, move.files.open, { file, digest: move.digest }, signal);
    return yield* withoutOrphan(move, upload);
  }
  return yield* moveIntoFolder(move, file, signal);
}

/**
 * Uses the bytes that the server has, once they are verified: the server only says that it has a file of that name.
 * Throws `TransferUnavailable` for a corrupt one that another method replaces.
 */
async function* skipPresent(move: Move, signal: AbortSignal): Work<number> {
  const { file, files, digest, proven } = move;
  // Nothing moves, so no later step would notice that the file does not match its digest.
  if (isHere(file) && file.digest !== undefined) yield* verifyDigest({ file, hash: files.hash, signal });
  if (proven === undefined) {
    const message = `the server has ${digest} already; it was not verified, since its models folder cannot be read from here`;
    yield { type: 'warning', message };
  } else {
    const path = blobFile(proven.blobs, digest);
    const found = yield* files.hash({ ref: path, path, sizeBytes: file.sizeBytes }, 'hash', signal);
    if (found !== digest && isElsewhere(file)) return yield* replaceCorrupt({ ...move, file, proven }, path, signal);
    if (found !== digest) throw new TransferUnavailable(`${path} is corrupt: its bytes have the digest ${found}`);
  }
  const title = `upload ${isHere(file) ? file.path : file.ref}`;
  yield { type: 'phase', id: 'upload', title, status: 'skipped', detail: 'the server has these bytes' };
  return 0;
}

/** A server takes no upload of a digest that it has: the corrupt file goes out of the way first, and back if that fails. */
async function* replaceCorrupt(
  move: Move & { readonly file: Elsewhere; readonly proven: ProvenFolder },
  path: string,
  signal: AbortSignal,
): Work<number> {
  const { disk, blobs } = move.proven;
  yield { type: 'warning', message: `${path} is corrupt; it is replaced` };
  const aside = temporaryIn(blobs);
  await disk.rename(path, aside);
  try {
    const moved = yield* withoutOrphan(move, streamBlob(move.connection, move.file, move.digest, signal));
    await disk.rm(aside, { force: true });
    return moved;
  } catch (error) {
    await disk.rename(aside, path).catch(() => undefined);
    throw error;
  }
}

async function* withoutOrphan({ startedAt, proven }: Move, sending: Work<number>): Work<number> {
  try {
    return yield* sending;
  } catch (thrown) {
    throw await removeOrphanedBlob(thrown, startedAt, proven);
  }
}

const PUT: Readonly<Partial<Record<TransferWay, (put: FolderWrite) => Work<number>>>> = {
  'hard-link': writeHardLink,
  reflink: writeClone,
  copy: writeCopy,
};

async function* moveIntoFolder(
  { connection, files, way, digest, proven: folder }: Move,
  file: LocalFile,
  signal: AbortSignal,
): Work<number> {
  const put = PUT[way];
  if (folder === undefined || put === undefined) throw new TransferUnavailable('the models folder is not known');
  const moved = yield* put({
    folder,
    file,
    digest,
    hash: files.hash,
    digests: files.digests ?? NO_DIGEST_CACHE,
    signal,
  });
  if (await hasBlob(connection, digest, signal)) return moved;
  await folder.disk.rm(blobFile(folder.blobs, digest), { force: true }).catch(() => undefined);
  throw new TransferUnavailable('the server does not find the file in its models folder');
}

/**
 * Passes a file on from its source to the server in one pass, with no copy on this machine; the server checks the digest.
 * Returns the bytes sent. Throws what the source throws, and what an upload throws.
 */
export function streamBlob(connection: Connection, file: Elsewhere, digest: Digest, signal: AbortSignal): Work<number> {
  const { ref: place, sizeBytes } = file;
  return sendBlob(connection, { place, sizeBytes, digest, body: bodyOf(file, signal) }, signal);
}

function bodyOf(file: Elsewhere, signal: AbortSignal): CountedBody {
  let sentBytes = 0;
  return {
    get sentBytes() {
      return sentBytes;
    },
    async *[Symbol.asyncIterator]() {
      for await (const piece of exactly(file, signal)) {
        yield piece;
        sentBytes += piece.length;
      }
    },
  };
}

/**
 * After an upload under a wrong digest the server keeps the bytes under the right one, where no model uses them.
 * Removes them if the folder is known and they are new and in no manifest; else says that they are there. Returns what to
 * throw.
 */
export async function removeOrphanedBlob(
  thrown: unknown,
  startedAt: Date,
  folder: ProvenFolder | undefined,
): Promise<unknown> {
  if (!(thrown instanceof ProvisionError) || thrown.code !== 'digest-mismatch') return thrown;
  const orphan = digestGot(thrown.cause);
  if (orphan === undefined) return thrown;
  if (folder !== undefined && (await removeOrphan(folder, orphan, startedAt))) return thrown;
  const note = `The server keeps the uploaded bytes as ${orphan} until it restarts.`;
  return new ProvisionError(thrown.code, `${thrown.message} ${note}`, {
    cause: thrown.cause,
    suggestions: thrown.suggestions,
  });
}

/** File systems take their times from a clock that ticks slower than ours, and so lags behind it. Milliseconds. */
const CLOCK_LAG_MS = 100;

/** True when the blob is gone, or existed before this run. */
async function removeOrphan(folder: ProvenFolder, orphan: Digest, startedAt: Date): Promise<boolean> {
  const { disk, blobs } = folder;
  const path = blobFile(blobs, orphan);
  try {
    const { birthtimeNs } = await disk.lstat(path, { bigint: true });
    if (birthtimeNs < BigInt(startedAt.getTime() - CLOCK_LAG_MS) * 1_000_000n) return true;
    if (await isNamed(folder, orphan)) return true;
    await disk.rm(path, { force: true });
    return true;
  } catch {
    return false;
  }
}

/** `host/namespace/model/tag`. */
const MANIFEST_DEPTH = 4;

/** Is a blob in any manifest? Throws where one cannot be read. */
async function isNamed({ path, disk }: ProvenFolder, digest: Digest): Promise<boolean> {
  let level = [join(path, 'manifests')];
  for (let depth = 0; depth < MANIFEST_DEPTH; depth += 1) {
    const next: string[] = [];
    for (const folder of level) {
      next.push(...(await namesIn(disk, folder)).map((name) => join(folder, name)));
    }
    level = next;
  }
  for (const manifest of level) if ((await disk.readFile(manifest, 'utf8')).includes(digest)) return true;
  return false;
}

/** A new server has no manifests, and some systems put files of their own among the folders. */
async function namesIn(disk: Disk, folder: string): Promise<string[]> {
  try {
    return await disk.readdir(folder);
  } catch (thrown) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(thrown) ?? '')) return [];
    throw thrown;
  }
}
