import { dirname } from 'node:path';
import { errnoOf, messageOf, ProvisionError } from '../../core/errors.ts';
import { formatBytes } from '../../core/units.ts';

const ELSEWHERE = 'Or put the cache elsewhere: set GEMMA_PROVISION_HOME (or XDG_CACHE_HOME) to another folder.';

/** For what the file system refused in our cache. Errors with a code of ours pass as they are. */
export function cacheFault(path: string, doing: string, cause: unknown): unknown {
  if (cause instanceof ProvisionError) return cause;
  const errno = errnoOf(cause);
  // Not of the file system: a bug, or an abort that must keep its reason.
  if (errno === undefined) return cause;
  if (errno === 'ENOSPC' || errno === 'EDQUOT') {
    const why = errno === 'EDQUOT' ? 'this user’s quota is used up' : 'the disk is full';
    return new ProvisionError('disk-full', `Cannot ${doing} ${path}: ${why}.`, {
      cause,
      suggestions: ['Free some room, for example with: gemma-provision cache prune', ELSEWHERE],
    });
  }
  return new ProvisionError('file-access', `Cannot ${doing} ${path}: ${wordOf(errno, cause)}.`, {
    cause,
    suggestions: suggestionsFor(errno, path),
  });
}

function wordOf(errno: string, cause: unknown): string {
  if (errno === 'EACCES' || errno === 'EPERM') return 'permission denied';
  if (errno === 'EROFS') return 'the file system is read-only';
  if (errno === 'EXDEV') return 'it is on another file system than the rest of the cache';
  return messageOf(cause);
}

function suggestionsFor(errno: string, path: string): string[] {
  if (errno === 'EXDEV') return ['Keep the folders blobs and partial of the cache on one file system.'];
  if (errno === 'EACCES' || errno === 'EPERM')
    return [`Check who owns the folder, it must be this user: ls -ld ${JSON.stringify(dirname(path))}`, ELSEWHERE];
  return [ELSEWHERE];
}

/** Before the first byte: what is needed, what there is, and where. */
export function tooSmall(folder: string, fileName: string, needBytes: number, haveBytes: number): ProvisionError {
  const sizes = `need ${formatBytes(needBytes)}, have ${formatBytes(haveBytes)}`;
  return new ProvisionError('disk-full', `${folder} has too little room for ${fileName}: ${sizes}.`, {
    suggestions: ['Free some room, for example with: gemma-provision cache prune', ELSEWHERE],
  });
}

/** For a folder of the cache that leads out of it. */
export function leadsOut(path: string, target: string): ProvisionError {
  return new ProvisionError('file-access', `${path} leads out of the cache, to ${target}.`, {
    suggestions: ['Remove that symbolic link. The cache folder as a whole may be one.'],
  });
}
