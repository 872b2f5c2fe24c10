import { join, sep } from 'node:path';
import { Digest } from '../../core/digest.ts';
import { errnoOf } from '../../core/errors.ts';
import type { Disk, FileFacts } from '../../disk/disk.ts';
import { makePrivateFolder } from '../../disk/folders.ts';
import { stateFileOf } from '../download/contract.ts';
import { cacheError, pointsOutside } from './errors.ts';

/** No process writes into a verified file; it is replaced or removed. */
const BLOB_MODE = 0o444;

const NAME = /^sha256-[0-9a-f]{64}$/;

/** Where things are in the cache folder. */
export interface Layout {
  readonly folder: string;
  readonly blobs: string;
  readonly partial: string;
  blobOf(digest: Digest): string;
  partialOf(digest: Digest): string;
}

export function layoutOf(folder: string): Layout {
  const blobs = join(folder, 'blobs');
  const partial = join(folder, 'partial');
  const nameOf = (digest: Digest): string => Digest.parse(digest).replace(':', '-');
  return {
    folder,
    blobs,
    partial,
    blobOf: (digest) => join(blobs, nameOf(digest)),
    partialOf: (digest) => join(partial, nameOf(digest)),
  };
}

/** The digest in a file name of the cache. */
export function digestOfName(name: string): Digest | undefined {
  return NAME.test(name) ? Digest.parse(name.replace('-', ':')) : undefined;
}

/** Makes the folders, for this user alone, and makes sure that they lie in the cache. Throws `file-access`, `disk-full`. */
export async function prepareFolders(disk: Disk, layout: Layout): Promise<void> {
  for (const path of [layout.folder, layout.blobs, layout.partial]) {
    try {
      await makePrivateFolder(disk, path);
    } catch (cause) {
      throw cacheError(path, 'create the folder', cause);
    }
  }
  await requireInside(disk, layout);
}

/** The cache folder itself may be a symbolic link, its parts may not lead out of it. Throws `file-access`. */
export async function requireInside(disk: Disk, layout: Layout): Promise<void> {
  const root = await realPathOf(disk, layout.folder);
  for (const path of [layout.blobs, layout.partial]) {
    const real = await realPathOf(disk, path);
    if (root === undefined || real === undefined) continue;
    if (!real.startsWith(root.endsWith(sep) ? root : root + sep)) throw pointsOutside(path, real);
  }
}

async function realPathOf(disk: Disk, path: string): Promise<string | undefined> {
  try {
    return await disk.realpath(path);
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return undefined;
    throw cacheError(path, 'read', cause);
  }
}

/** A regular file's facts; undefined for nothing, a link, a folder or a device. Throws `file-access`. */
export async function regularFile(disk: Disk, path: string): Promise<FileFacts | undefined> {
  const facts = await factsOf(disk, path);
  return facts?.isFile() === true ? facts : undefined;
}

async function factsOf(disk: Disk, path: string): Promise<FileFacts | undefined> {
  try {
    return await disk.lstat(path, { bigint: true });
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined;
    throw cacheError(path, 'read', cause);
  }
}

/** Removes a link or device where a file of ours is to be written: writing to it would write elsewhere. */
export async function removeIrregular(disk: Disk, path: string): Promise<void> {
  const facts = await factsOf(disk, path);
  if (facts === undefined || facts.isFile()) return;
  await removeFile(disk, path);
}

/** Succeeds when the file does not exist. Throws `file-access`. */
export async function removeFile(disk: Disk, path: string): Promise<void> {
  try {
    await disk.unlink(path);
  } catch (cause) {
    if (errnoOf(cause) !== 'ENOENT') throw cacheError(path, 'remove', cause);
  }
}

/** A partial file together with what is known of it. Throws `file-access`. */
export async function removePartial(disk: Disk, path: string): Promise<void> {
  await removeFile(disk, path);
  await removeFile(disk, stateFileOf(path));
}

/** Turns a verified file of `partial/` into a blob, in one step. Throws `file-access`, `disk-full`. */
export async function publish(disk: Disk, layout: Layout, digest: Digest): Promise<string> {
  const from = layout.partialOf(digest);
  const to = layout.blobOf(digest);
  try {
    await disk.chmod(from, BLOB_MODE);
    await disk.sync(from);
    await disk.rename(from, to);
    await disk.sync(layout.blobs);
  } catch (cause) {
    throw cacheError(to, 'store', cause);
  }
  return to;
}
