import { randomUUID } from 'node:crypto';
import { access, constants, readdir, readFile, readlink, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DoctorFiles } from '../doctor/effects.ts';

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
