import { posix, win32 } from 'node:path';
import { errnoOf } from '../core/errors.ts';
import type { DoctorEffects } from './effects.ts';

type Where = Pick<DoctorEffects, 'platform' | 'files'>;

/** The system's words for a folder that this user may not look into. */
export const HIDDEN: readonly string[] = ['EACCES', 'EPERM'];

export interface Place {
  /** The folder itself, or its nearest parent that is there. */
  readonly path: string;
  /** False for a parent: the folder will be made. */
  readonly exact: boolean;
}

/** Throws an Error for a file where a folder should be, and what the system says of a path that cannot be looked at. */
export async function nearestFolder({ platform, files }: Where, wanted: string): Promise<Place> {
  const { dirname } = platform === 'win32' ? win32 : posix;
  for (let path = wanted; ; path = dirname(path)) {
    try {
      if ((await files.stat(path)).directory) return { path, exact: path === wanted };
      throw new Error(`${path} is no folder`);
    } catch (error) {
      const absent = ['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '');
      if (!absent || dirname(path) === path) throw error;
    }
  }
}

/** Free bytes where a folder is or will be. */
export async function freeAt(where: Where, wanted: string): Promise<number> {
  const { path } = await nearestFolder(where, wanted);
  const { free } = await where.files.space(path);
  if (Number.isFinite(free) && free >= 0) return free;
  throw new Error(`the free space of ${path} makes no sense: ${free}`);
}
