/** The file system of this machine, and what is often asked of one. */
import { randomUUID } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errnoOf } from '../core/errors.ts';
import { makeFolders } from './folders.ts';
import type { Disk, FileFacts, ReadableFile, TextFiles } from './port.ts';
import { removeText, replaceOutput, replaceText } from './replace-text.ts';

export type { Disk, FileFacts, OpenFile, ReadableFile, TextFiles } from './port.ts';

/** Two files share their bytes from then on (copy-on-write), or it fails; never over an existing file. */
export const SHARE_BYTES = fs.constants.COPYFILE_FICLONE_FORCE | fs.constants.COPYFILE_EXCL;

const { O_RDWR, O_CREAT, O_TRUNC, O_NOFOLLOW = 0 } = fs.constants;
/** Opens a file for reading and writing, creates it if it is absent, and refuses a link in its place. */
export const OPEN_OR_CREATE = O_RDWR | O_CREAT | O_NOFOLLOW;
/** The same, and empties it. */
export const OPEN_EMPTY = OPEN_OR_CREATE | O_TRUNC;

/** A disk without what is made of its calls: whole texts. */
export type BasicDisk = Omit<Disk, keyof TextFiles | 'replaceOutput'>;

/** Adds whole texts to a disk. */
export function withTexts(basic: BasicDisk): Disk {
  const disk: Disk = {
    ...basic,
    readText: (path) => readTextIfPresent(disk, path),
    replaceText: (path, text) => replaceText(path, text, disk),
    replaceOutput: (path, text) => replaceOutput(path, text, disk),
    list: (folder) => listIfPresent(disk, folder),
    remove: (path) => removeText(path, disk),
  };
  return disk;
}

export const realDisk: Disk = withTexts({
  stat: (path) => fs.stat(path, { bigint: true }),
  lstat: (path) => fs.lstat(path, { bigint: true }),
  realpath: (path) => fs.realpath(path),
  readlink: (path) => fs.readlink(path),
  access: fs.access,
  readdir: (folder) => fs.readdir(folder),
  readFile: (path) => fs.readFile(path, 'utf8'),
  writeFile: fs.writeFile,
  open: fs.open,
  mkdir: (folder, { mode }) => makeFolders(folder, mode),
  copyFile: fs.copyFile,
  link: fs.link,
  rename: fs.rename,
  unlink: fs.unlink,
  rm: fs.rm,
  chmod: fs.chmod,
  utimes: fs.utimes,
  sync,
  async space(path) {
    const { bsize, bavail, blocks } = await fs.statfs(path);
    return { free: bavail * bsize, total: blocks * bsize };
  },
});

async function readTextIfPresent(disk: Disk, path: string): Promise<string | undefined> {
  try {
    return await disk.readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function listIfPresent(disk: Disk, folder: string): Promise<string[]> {
  try {
    return await disk.readdir(folder);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

async function sync(path: string): Promise<void> {
  const handle = await fs.open(path, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some network file systems cannot sync a folder, and report that.
    if (!['EINVAL', 'ENOTSUP', 'EISDIR', 'EPERM'].includes(errnoOf(error) ?? '')) throw error;
  } finally {
    await handle.close();
  }
}

/** Opens a file for reading for the time of one task. */
export async function withFile<Result>(
  disk: Disk,
  path: string,
  task: (file: ReadableFile) => Promise<Result>,
): Promise<Result> {
  const file = await disk.open(path, 'r');
  try {
    return await task(file);
  } finally {
    await file.close();
  }
}

/** What this user may still write at the path; undefined where the system does not report it. */
export async function freeBytes(disk: Disk, path: string): Promise<number | undefined> {
  const space = await disk.space(path).catch(() => undefined);
  // File systems without a size of their own report 0 of 0.
  return space === undefined || space.total === 0 ? undefined : space.free;
}

/** A file system on this machine. */
export interface Volume {
  /** Equal for two paths on one file system. */
  readonly device: string;
  readonly freeBytes: number;
}

/** The volume of a path, or of the nearest existing folder above it; undefined where the system does not report it. */
export async function volumeOf(disk: Disk, path: string): Promise<Volume | undefined> {
  for (let at = path, above = dirname(at); ; at = above, above = dirname(at)) {
    const facts = await disk.stat(at, { bigint: true }).catch(() => undefined);
    if (facts !== undefined) {
      const space = await disk.space(at).catch(() => undefined);
      return space && { device: String(facts.dev), freeBytes: space.free };
    }
    if (above === at) return undefined;
  }
}

/** Throws the errno of the system where this user may not write into a folder, as far as it is known without trying. */
export function mayWrite(disk: Disk, folder: string): Promise<void> {
  return disk.access(folder, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK);
}

/** Larger than one block, so that a full disk is noticed. */
const PROBE_BYTES = 8192;

/** Writes a small file into the folder and removes it: permissions do not reveal quotas and full disks. */
export async function tryWrite(disk: Disk, folder: string): Promise<void> {
  const path = join(folder, `.doctor-${randomUUID()}`);
  try {
    await disk.writeFile(path, Buffer.alloc(PROBE_BYTES), { flag: 'wx' });
  } finally {
    await disk.rm(path, { force: true });
  }
}

/** What a regular file occupies on its disk. */
export interface FileUsage {
  /** Equal for every link to one file. */
  readonly inode: string;
  readonly links: number;
  /** Less than its size for a file with holes. */
  readonly bytes: number;
  /** When it was last written to, and when it or its links were last changed; ms since 1970. */
  readonly modifiedMs: number;
  readonly changedMs: number;
}

/** Undefined when the path does not exist or is not a regular file; links are not followed. */
export async function fileUsage(disk: Disk, path: string): Promise<FileUsage | undefined> {
  try {
    const facts = await disk.lstat(path, { bigint: true });
    if (!facts.isFile()) return undefined;
    return {
      inode: `${facts.dev}-${facts.ino}`,
      links: Number(facts.nlink),
      bytes: usedBytes(facts),
      modifiedMs: Number(facts.mtimeNs / 1_000_000n),
      changedMs: Number(facts.ctimeNs / 1_000_000n),
    };
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** What a file really occupies: it may have holes. */
export function usedBytes({ size, blocks }: Pick<FileFacts, 'size' | 'blocks'>): number {
  const used = blocks * 512n;
  return Number(used < size ? used : size);
}
