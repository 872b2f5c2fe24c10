/** The file system: the one port that every other folder uses, and its implementation on this machine. */
import * as fs from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from '../core/errors.ts';
import { removeText, replaceText } from './replace-text.ts';

/** What the system reports about a file or folder. Sizes in bytes, times in nanoseconds since 1970. */
export interface FileFacts {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  /** Blocks of 512 bytes: what a sparse file really occupies. */
  readonly blocks: bigint;
  readonly nlink: bigint;
  readonly mode: bigint;
  readonly uid: bigint;
  readonly gid: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  /** File systems that do not record the time of creation report another time of the file. */
  readonly birthtimeNs: bigint;
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

/** An open file that is read. */
export interface ReadableFile {
  read(buffer: Uint8Array, offset: number, length: number, position: number | null): Promise<{ bytesRead: number }>;
  stat(options: { bigint: true }): Promise<FileFacts>;
  close(): Promise<void>;
}

/** Opens a file for reading. */
export type OpenForReading = (path: string) => Promise<Omit<ReadableFile, 'stat'>>;

/** An open file. */
export interface OpenFile extends ReadableFile {
  write(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position?: number | null,
  ): Promise<{ bytesWritten: number }>;
  /** Writes the whole text or throws. */
  writeFile(text: string): Promise<void>;
  truncate(length: number): Promise<void>;
  chmod(mode: number): Promise<void>;
  chown(uid: number, gid: number): Promise<void>;
  /** Returns when the bytes are on the disk. */
  datasync(): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Small texts that are read and replaced as a whole: records, journals, settings. */
export interface TextFiles {
  /** Undefined when the file does not exist. */
  readText(path: string): Promise<string | undefined>;
  /** Replaces the file in one step (a reader sees the old text or the new one); creates its folder. */
  replaceText(path: string, text: string): Promise<void>;
  /** Names in a folder; empty when the folder does not exist. */
  list(folder: string): Promise<string[]>;
  /** Removes a file durably; succeeds when the file does not exist. */
  remove(path: string): Promise<void>;
}

/** Names and arguments are those of `node:fs/promises`, and so are the failures: an error with an errno in `code`. */
export interface Disk extends TextFiles {
  /** Follows symbolic links. */
  stat(path: string, options: { bigint: true }): Promise<FileFacts>;
  /** Does not follow symbolic links. */
  lstat(path: string, options: { bigint: true }): Promise<FileFacts>;
  realpath(path: string): Promise<string>;
  readlink(path: string): Promise<string>;
  /** `mode` is a sum of `R_OK`, `W_OK`, `X_OK` of `node:fs`. */
  access(path: string, mode?: number): Promise<void>;
  readdir(folder: string): Promise<string[]>;
  readFile(path: string, encoding: 'utf8'): Promise<string>;
  writeFile(path: string, content: string | Uint8Array, options: { flag: 'wx' | 'r+' | 'w' }): Promise<void>;
  /** Flags as a word (`r`, `r+`, `wx`) or as those of open(2). */
  open(path: string, flags: string | number, mode?: number): Promise<OpenFile>;
  /** Returns the first folder that had to be created, if any. */
  mkdir(folder: string, options: { recursive: true; mode?: number }): Promise<string | undefined>;
  /** `mode` is `SHARE_BYTES` or `SHARE_OR_COPY`. */
  copyFile(from: string, to: string, mode: number): Promise<void>;
  link(from: string, to: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Succeeds when the path does not exist. */
  rm(path: string, options: { force: true; recursive?: boolean }): Promise<void>;
  chmod(path: string, mode: number): Promise<void>;
  utimes(path: string, accessed: Date, modified: Date): Promise<void>;
  /** Makes what was written to a file, or to the names in a folder, survive a power cut. */
  sync(path: string): Promise<void>;
  /** Bytes that this user may still write, and all bytes, of the file system that holds the path. */
  space(path: string): Promise<{ readonly free: number; readonly total: number }>;
}

/** Two files share their bytes from then on (copy-on-write), or it fails; never over an existing file. */
export const SHARE_BYTES = fs.constants.COPYFILE_FICLONE_FORCE | fs.constants.COPYFILE_EXCL;
/** The same where the file system can, and a copy elsewhere. */
export const SHARE_OR_COPY = fs.constants.COPYFILE_FICLONE | fs.constants.COPYFILE_EXCL;

export const realDisk: Disk = {
  stat: (path) => fs.stat(path, { bigint: true }),
  lstat: (path) => fs.lstat(path, { bigint: true }),
  realpath: (path) => fs.realpath(path),
  readlink: (path) => fs.readlink(path),
  access: fs.access,
  readdir: (folder) => fs.readdir(folder),
  readFile: (path) => fs.readFile(path, 'utf8'),
  writeFile: fs.writeFile,
  open: fs.open,
  mkdir: fs.mkdir,
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
  readText: (path) => readTextIfPresent(realDisk, path),
  replaceText: (path, text) => replaceText(path, text, realDisk),
  list: (folder) => listIfPresent(realDisk, folder),
  remove: (path) => removeText(path, realDisk),
};

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
