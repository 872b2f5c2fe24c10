import { join, posix, win32 } from 'node:path';
import { errnoOf, messageOf } from '../core/errors.ts';
import { formatBytes, MIB } from '../core/units.ts';
import { mayWrite, tryWrite } from '../disk/disk.ts';
import { type Finding, ok, problem, warning } from './check.ts';
import type { DoctorEffects } from './effects.ts';
import type { DoctorView } from './view.ts';

type Where = Pick<DoctorEffects, 'platform' | 'disk'>;

/** The system's error codes for a folder that this user may not read. */
export const HIDDEN: readonly string[] = ['EACCES', 'EPERM'];

export interface Place {
  /** The folder itself, or its nearest parent that exists. */
  readonly path: string;
  /** False for a parent: the folder will be made. */
  readonly exact: boolean;
}

/** Throws an Error for a file in place of a folder, and the system's error for a path that cannot be read. */
export async function nearestFolder({ platform, disk }: Where, wanted: string): Promise<Place> {
  const { dirname } = platform === 'win32' ? win32 : posix;
  for (let path = wanted; ; path = dirname(path)) {
    try {
      if ((await disk.stat(path, { bigint: true })).isDirectory()) return { path, exact: path === wanted };
      throw new Error(`${path} is not a folder`);
    } catch (error) {
      const absent = ['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '');
      if (!absent || dirname(path) === path) throw error;
    }
  }
}

/** Free bytes where a folder is or will be. */
export async function freeAt(where: Where, wanted: string): Promise<number> {
  const { path } = await nearestFolder(where, wanted);
  const { free } = await where.disk.space(path);
  if (Number.isFinite(free) && free >= 0) return free;
  throw new Error(`the reported free space of ${path} is not valid: ${free}`);
}

/** A record, a lock and a cache entry are a few KiB each. */
const NOTHING_FITS = MIB;
const NEARLY_FULL = 100 * MIB;

/** Whether this user can write to one of our folders, and to its subfolders that a run as another user may have left. */
export async function ownFolder(view: DoctorView, folder: string, below: readonly string[] = []): Promise<Finding> {
  const refused = await refusal(view, folder);
  if (refused !== undefined) return refused;
  for (const name of below) {
    const path = join(folder, name);
    const there = await view.disk.stat(path, { bigint: true }).catch(() => undefined);
    const why = there === undefined ? undefined : await refusal(view, path);
    if (why !== undefined) return why;
  }
  const { path } = await nearestFolder(view, folder);
  // /proc and its like report 0 of 0: no file can be stored there.
  if ((await view.disk.space(path)).total === 0)
    return warning(`The file system of ${folder} reports no size.`, `If it stores no files: ${ANOTHER_FOLDER}`);
  const free = await freeAt(view, folder);
  const summary = `${folder}, ${formatBytes(free)} free`;
  if (free < NOTHING_FITS) return problem(`The disk is full: ${summary}.`, 'Free some space there.');
  if (free < NEARLY_FULL) return warning(`The disk is nearly full: ${summary}.`, 'Free some space there.');
  return ok(`${summary}.`);
}

async function refusal(view: DoctorView, folder: string): Promise<Finding | undefined> {
  let exact = true;
  try {
    const place = await nearestFolder(view, folder);
    ({ exact } = place);
    await (exact ? tryWrite(view.disk, place.path) : mayWrite(view.disk, place.path));
    return undefined;
  } catch (error) {
    return problem(`${folder} cannot be written: ${reasonOf(error)}.`, remedyFor(error, { path: folder, exact }));
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota of this user is exhausted',
};

/** The system's reason in words. */
export function reasonOf(error: unknown): string {
  return REASONS[errnoOf(error) ?? ''] ?? messageOf(error);
}

const ANOTHER_FOLDER = 'Set GEMMA_PROVISION_HOME to another folder.';

function remedyFor(error: unknown, { path, exact }: Place): string {
  const errno = errnoOf(error);
  if (errno === 'ENOSPC' || errno === 'EDQUOT')
    return 'Free some space there, or set GEMMA_PROVISION_HOME to another folder.';
  if (errno === 'EACCES' || errno === 'EPERM') {
    if (exact)
      return `Give the folder to this user (a run with sudo may have created it): sudo chown -R "$USER" ${path}`;
    return `Create it for this user: sudo install -d -o "$USER" ${path}. Or set GEMMA_PROVISION_HOME to another folder.`;
  }
  return ANOTHER_FOLDER;
}
