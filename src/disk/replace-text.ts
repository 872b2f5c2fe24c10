/**
 * Replaces small text files so that a crash, a full disk or a power cut leaves the old text or the new one: written beside
 * the file, to the last byte (a full disk may take a part and report no error), synced, renamed, and the folder synced.
 */

import { randomUUID } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { errnoOf, messageOf, ProvisionError } from '../core/errors.ts';
import { diskError } from './errors.ts';
import { makePrivateFolder, PRIVATE_FILE } from './folders.ts';
import type { Disk, FileFacts, OpenFile } from './port.ts';

/** No other program uses this suffix, so every file with it is ours to remove. */
const TEMPORARY = '.gemma-provision.tmp';
/** A writer needs milliseconds; a file that waits for its renaming for an hour has none any more. */
const LEFT_NS = 3_600_000_000_000n;

/** Makes a state file or replaces its text, for this user alone; makes its folder. Throws `disk-full`, `file-access`. */
export async function replaceText(path: string, text: string, disk: Disk): Promise<void> {
  await replace(path, disk, async () => {
    const made = await makePrivateFolder(disk, dirname(path));
    await put(path, text, disk, undefined);
    return made;
  });
}

/**
 * Makes a file that the user named, or replaces its text; keeps its mode and owner, and follows a symbolic link. Throws
 * `disk-full` and `file-access`.
 */
export async function replaceOutput(path: string, text: string, disk: Disk): Promise<void> {
  await replace(path, disk, async () => {
    const made = await disk.mkdir(dirname(path), { recursive: true });
    await refuseForeignLink(path, disk);
    const target = await disk.realpath(path).catch(() => path);
    const before = await disk.stat(target, { bigint: true }).catch(() => undefined);
    await put(target, text, disk, before ?? 'new');
    return made;
  });
}

/** Root follows no link of another user, who could lead it to a file of root. */
async function refuseForeignLink(path: string, disk: Disk): Promise<void> {
  const facts = await disk.lstat(path, { bigint: true }).catch(() => undefined);
  if (process.getuid?.() !== 0 || !facts?.isSymbolicLink() || facts.uid === 0n) return;
  throw Object.assign(new Error(`EPERM: ${path} is a link of another user`), { code: 'EPERM' });
}

/** `write` returns the first folder that had to be made, if any. */
async function replace(path: string, disk: Disk, write: () => Promise<string | undefined>): Promise<void> {
  const made = await write().catch((cause: unknown) => Promise.reject(notWritten(path, cause)));
  await syncFolders(dirname(path), made, disk).catch((cause: unknown) => Promise.reject(notSynced(path, cause)));
}

/** Removes a file durably; succeeds when it does not exist. Throws `file-access`. */
export async function removeText(path: string, disk: Disk): Promise<void> {
  try {
    await disk.unlink(path);
    await syncFolder(dirname(path), disk);
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return;
    throw diskError('remove', path, cause);
  }
}

/** Whose owner and mode the file takes; `new`: those that the system gives it; undefined: it is private. */
type Like = FileFacts | 'new' | undefined;

async function put(target: string, text: string, disk: Disk, like: Like): Promise<void> {
  await putOnce(target, text, disk, like).catch((cause: unknown) => {
    // A process that was stopped for an hour finds its temporary file swept.
    if (errnoOf(cause) === 'ENOENT') return putOnce(target, text, disk, like);
    throw cause;
  });
}

async function putOnce(target: string, text: string, disk: Disk, like: Like): Promise<void> {
  const folder = dirname(target);
  const temporary = temporaryBeside(target);
  try {
    const writtenNs = await write(temporary, text, like, disk);
    await disk.rename(temporary, target);
    await sweepTemporaries(folder, writtenNs, disk);
  } catch (cause) {
    await disk.unlink(temporary).catch(() => undefined);
    throw cause;
  }
}

/** A name for what is written beside a file and renamed when it is whole. What a killed writer leaves is removed later. */
export function temporaryBeside(path: string): string {
  return join(dirname(path), `.${basename(path).slice(0, 120)}.${randomUUID()}${TEMPORARY}`);
}

/** When it was written, by the clock of its file system. */
async function write(path: string, text: string, like: Like, disk: Disk): Promise<bigint> {
  const handle = await disk.open(path, 'wx', like === undefined ? PRIVATE_FILE : undefined);
  try {
    if (like !== undefined && like !== 'new') await copyOwner(handle, like);
    await handle.writeFile(text);
    await handle.sync();
    return (await handle.stat({ bigint: true })).mtimeNs;
  } finally {
    await handle.close();
  }
}

/** Root keeps a user's file with that user. Other users cannot change owners, and need not. */
async function copyOwner(handle: OpenFile, { mode, uid, gid }: FileFacts): Promise<void> {
  await handle.chown(Number(uid), Number(gid)).catch(() => undefined);
  await handle.chmod(Number(mode) & 0o7777).catch(() => undefined);
}

/** Removes what killed writers left in a folder long ago. Both times are the file system's own, so no wrong clock of this machine counts. */
export async function sweepTemporaries(folder: string, nowNs: bigint, disk: Disk): Promise<void> {
  const names = await disk.readdir(folder).catch(() => []);
  for (const name of names.filter((each) => each.endsWith(TEMPORARY))) {
    const path = join(folder, name);
    const left = await disk.stat(path, { bigint: true }).catch(() => undefined);
    if (left !== undefined && nowNs - left.mtimeNs > LEFT_NS) await disk.unlink(path).catch(() => undefined);
  }
}

/** Of `folder`, and of those above it that were made for it: a power cut must not lose a new folder. */
async function syncFolders(folder: string, made: string | undefined, disk: Disk): Promise<void> {
  await syncFolder(folder, disk);
  if (made === undefined) return;
  for (let above = folder; above.length >= made.length && above !== dirname(above); above = dirname(above))
    await syncFolder(dirname(above), disk);
}

/** What network file systems answer that cannot sync a folder. */
const NO_FOLDER_SYNC: ReadonlySet<string> = new Set(['EINVAL', 'ENOTSUP', 'EISDIR', 'EPERM', 'EACCES']);

/** Without this a power cut may undo a rename. Windows has no such call, and needs none. */
async function syncFolder(folder: string, disk: Disk): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await disk.open(folder, 'r').catch((cause: unknown) => {
    // A folder that one may write in but not list.
    if (errnoOf(cause) === 'EACCES') return undefined;
    throw cause;
  });
  try {
    await handle?.sync();
  } catch (cause) {
    if (!NO_FOLDER_SYNC.has(errnoOf(cause) ?? '')) throw cause;
  } finally {
    await handle?.close();
  }
}

function notWritten(path: string, cause: unknown): ProvisionError {
  const error = diskError('write', path, cause);
  return new ProvisionError(error.code, `${error.message} The old content stays.`, {
    cause,
    suggestions: error.suggestions,
  });
}

function notSynced(path: string, cause: unknown): ProvisionError {
  return new ProvisionError(
    'file-access',
    `${path} is written, but its disk does not confirm it: ${messageOf(cause)}. A power cut may restore the old text.`,
    { cause, suggestions: ['Check the disk, then run the command again.'] },
  );
}
