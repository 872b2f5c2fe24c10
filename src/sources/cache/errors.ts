import { dirname } from 'node:path';
import { errnoOf, ProvisionError } from '../../core/errors.ts';
import { formatBytes } from '../../core/units.ts';
import { diskError, isDenied } from '../../disk/errors.ts';

const FREE = 'Free some space, for example with: gemma-provision cache prune --apply';
const ELSEWHERE = 'Or move the cache: set GEMMA_PROVISION_HOME (or XDG_CACHE_HOME) to another folder.';

/** For what the file system refused in our cache. Errors with a code of ours pass as they are. */
export function cacheError(path: string, action: string, cause: unknown): unknown {
  // Without an errno it is a bug, or an abort that must keep its reason.
  if (errnoOf(cause) === undefined) return cause;
  return diskError(action, path, cause, { full: [FREE, ELSEWHERE], otherwise: adviceFor(path, cause) });
}

function adviceFor(path: string, cause: unknown): string[] {
  if (errnoOf(cause) === 'EXDEV') return ['Keep the folders blobs and partial of the cache on one file system.'];
  if (!isDenied(cause)) return [ELSEWHERE];
  return [`Check who owns the folder, it must be this user: ls -ld ${JSON.stringify(dirname(path))}`, ELSEWHERE];
}

/** Before the first byte: what is needed, what there is, and where. */
export function notEnoughSpace(folder: string, fileName: string, needBytes: number, haveBytes: number): ProvisionError {
  const sizes = `need ${formatBytes(needBytes)}, have ${formatBytes(haveBytes)}`;
  return new ProvisionError('disk-full', `There is not enough space in ${folder} for ${fileName}: ${sizes}.`, {
    suggestions: [FREE, ELSEWHERE],
  });
}

/** For a folder of the cache that points outside it. */
export function pointsOutside(path: string, target: string): ProvisionError {
  return new ProvisionError('file-access', `${path} points outside the cache, to ${target}.`, {
    suggestions: ['Remove that symbolic link. The cache folder as a whole may be one.'],
  });
}
