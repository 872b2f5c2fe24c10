import { randomUUID } from 'node:crypto';
import { access, constants, readdir, readFile, readlink, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface FileFacts {
  readonly uid: number;
  /** Permission bits and type, as `stat` gives them. */
  readonly mode: number;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
  readonly directory: boolean;
}

/** The file system. Failures carry the system's error word in `code`. */
export interface DoctorFiles {
  readText(path: string): Promise<string>;
  /** Names in a folder. */
  list(path: string): Promise<readonly string[]>;
  readLink(path: string): Promise<string>;
  stat(path: string): Promise<FileFacts>;
  /** Bytes that an ordinary user may still write, and all bytes, of the file system that holds `path`. */
  space(path: string): Promise<{ readonly free: number; readonly total: number }>;
  /** Whether this user may write there, by what the system says without trying. */
  mayWrite(path: string): Promise<void>;
  /** Writes a small file into the folder and removes it: permissions do not tell of quotas and full disks. */
  tryWrite(folder: string): Promise<void>;
}

/** Larger than one block, so that a full disk is noticed. */
const PROBE_BYTES = 8192;

export const doctorFiles: DoctorFiles = {
  readText: (path) => readFile(path, 'utf8'),
  list: (path) => readdir(path),
  readLink: (path) => readlink(path),
  async stat(path) {
    const facts = await stat(path);
    return { uid: facts.uid, mode: facts.mode, modifiedMs: facts.mtimeMs, directory: facts.isDirectory() };
  },
  async space(path) {
    const { bsize, bavail, blocks } = await statfs(path);
    return { free: bavail * bsize, total: blocks * bsize };
  },
  mayWrite: (path) => access(path, constants.R_OK | constants.W_OK | constants.X_OK),
  async tryWrite(folder) {
    const path = join(folder, `.doctor-${randomUUID()}`);
    try {
      await writeFile(path, Buffer.alloc(PROBE_BYTES), { flag: 'wx' });
    } finally {
      await rm(path, { force: true });
    }
  },
};
