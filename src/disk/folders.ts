/** Folders of this tool: made one level at a time, for this user alone. */

import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { errnoOf } from '../core/errors.ts';
import type { Disk } from './port.ts';

/** No other user learns what is installed, and from where. */
export const PRIVATE_FOLDER = 0o700;
export const PRIVATE_FILE = 0o600;
const OTHERS = 0o077n;

/**
 * Makes a folder and those above it; returns the first that had to be made. Node's own `recursive` never returns below a
 * folder such as /proc, which reports a new folder in it as absent: Node takes that for a missing parent, for ever.
 */
export async function makeFolders(folder: string, mode?: number): Promise<string | undefined> {
  const missing: string[] = [];
  let at = resolve(folder);
  while (!(await isFolder(at))) {
    missing.push(at);
    at = dirname(at);
  }
  for (const path of missing.toReversed()) await makeFolder(path, mode);
  return missing.at(-1);
}

/** False for what does not exist. Throws ENOTDIR for what is not a folder. */
async function isFolder(path: string): Promise<boolean> {
  const facts = await stat(path).catch((cause: unknown) => {
    if (errnoOf(cause) === 'ENOENT') return undefined;
    throw cause;
  });
  if (facts === undefined) return false;
  if (facts.isDirectory()) return true;
  throw Object.assign(new Error(`ENOTDIR: not a directory, mkdir '${path}'`), { code: 'ENOTDIR' });
}

async function makeFolder(path: string, mode: number | undefined): Promise<void> {
  try {
    await mkdir(path, mode);
  } catch (cause) {
    const errno = errnoOf(cause);
    // The folder above is there: its file system does not take any.
    if (errno === 'ENOENT')
      throw Object.assign(new Error(`no folder can be made in ${dirname(path)}`), { code: errno, cause });
    // Another process was faster.
    if (errno !== 'EEXIST' || !(await isFolder(path))) throw cause;
  }
}

/** Makes a folder of ours, or takes the rights of others on it away. Returns the first that had to be made, if any. */
export async function makePrivateFolder(disk: Disk, folder: string): Promise<string | undefined> {
  const made = await disk.mkdir(folder, { recursive: true, mode: PRIVATE_FOLDER });
  if (made === undefined) await tighten(disk, folder);
  return made;
}

/** Takes the rights of others on a folder of this user away; false where they had none. */
export async function tighten(disk: Disk, folder: string): Promise<boolean> {
  const uid = process.getuid?.();
  const facts = await disk.stat(folder, { bigint: true }).catch(() => undefined);
  if (uid === undefined || !facts?.isDirectory()) return false;
  if (facts.uid !== BigInt(uid) || (facts.mode & OTHERS) === 0n) return false;
  // Where the file system has no modes, the folder is as private as it can be.
  return disk.chmod(folder, PRIVATE_FOLDER).then(
    () => true,
    () => false,
  );
}
