/** The file system for the cache of fetched files. */
import {
  chmod,
  constants,
  copyFile,
  lstat,
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  stat,
  statfs,
  unlink,
} from 'node:fs/promises';
import { errnoOf } from '../core/errors.ts';
import type { CacheDisk } from '../sources/cache/effects.ts';
import type { SourceFiles } from '../sources/effects.ts';

export const sourceFiles: SourceFiles = {
  stat: (path) => stat(path, { bigint: true }),
  readdir: (path) => readdir(path),
  open: (path, flags) => open(path, flags),
};

export const cacheDisk: CacheDisk = {
  ...sourceFiles,
  lstat: (path) => lstat(path, { bigint: true }),
  realpath: (path) => realpath(path),
  mkdir: (path, options) => mkdir(path, options),
  chmod,
  rename,
  unlink,
  copyFile: (from, to) => copyFile(from, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL),
  sync,
  freeBytes,
};

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some network file systems cannot sync a folder, and say so.
    if (!['EINVAL', 'ENOTSUP', 'EISDIR', 'EPERM'].includes(errnoOf(error) ?? '')) throw error;
  } finally {
    await handle.close();
  }
}

async function freeBytes(path: string): Promise<number | undefined> {
  try {
    const { bavail, bsize, blocks } = await statfs(path);
    // File systems without a size of their own say 0 of 0.
    return blocks === 0 ? undefined : bavail * bsize;
  } catch {
    return undefined;
  }
}
