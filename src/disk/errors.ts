import type { Digest } from '../core/digest.ts';
import { type ErrorCode, errnoOf, fileErrorCode, messageOf, ProvisionError } from '../core/errors.ts';

/** What to do next, where the caller knows better than this file. */
export interface DiskAdvice {
  /** When the disk is full. */
  readonly full?: readonly string[];
  /** In all other cases. */
  readonly otherwise?: readonly string[];
}

/** True where the disk or this user's share of it is used up. */
export function isDiskFull(cause: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(errnoOf(cause) ?? '');
}

/**
 * The one mapping from what the system refused to an error of ours: `disk-full`, `bad-path` or `file-access`. `action` completes
 * "Cannot … PATH": `read`, `create the folder`. An error that has a code of ours already passes as it is.
 */
export function diskError(action: string, path: string, cause: unknown, advice: DiskAdvice = {}): ProvisionError {
  if (cause instanceof ProvisionError) return cause;
  const full = isDiskFull(cause);
  const code = accessCode(cause);
  const suggestions = full
    ? (advice.full ?? ['Free some space there, or move our data with GEMMA_PROVISION_HOME.', 'Then try again.'])
    : code === 'bad-path'
      ? ['Check the path.']
      : (advice.otherwise ?? adviceFor(action, path, cause));
  return new ProvisionError(code, `Cannot ${action} ${path}: ${reasonOf(cause)}.`, { cause, suggestions });
}

/** `file-access` for whatever has no better name, a file that vanished included. */
export function accessCode(cause: unknown): ErrorCode {
  const code = fileErrorCode(cause);
  return code === undefined || code === 'file-not-found' ? 'file-access' : code;
}

export function isDenied(cause: unknown): boolean {
  return ['EACCES', 'EPERM'].includes(errnoOf(cause) ?? '');
}

function reasonOf(cause: unknown): string {
  const errno = errnoOf(cause);
  if (errno === 'ENOSPC') return 'the disk is full';
  if (errno === 'EDQUOT') return 'this user’s disk quota is used up';
  if (errno === 'EXDEV') return 'it is on another file system';
  if (errno === 'EROFS') return 'the file system is read-only';
  if (errno === 'ENOTDIR') return 'a part of its path is not a folder';
  if (errno === 'EISDIR') return 'it is a folder';
  return isDenied(cause) ? 'permission denied' : messageOf(cause);
}

function adviceFor(action: string, path: string, cause: unknown): string[] {
  if (action !== 'read') return ['Check that this user may write in that folder, and that its disk is healthy.'];
  if (isDenied(cause)) return [`Allow this user to read it, for example with: chmod u+r ${JSON.stringify(path)}`];
  return ['Check the disk or network mount that the file is on, then run the command again.'];
}

export function notFound(path: string, cause?: unknown): ProvisionError {
  return new ProvisionError('source-not-found', `There is no file at ${path}.`, {
    cause,
    suggestions: ['Check the path. A relative path counts from the current folder.'],
  });
}

/** For a source file that cannot be opened or inspected: `source-not-found` where it does not exist. */
export function sourceError(path: string, cause: unknown): ProvisionError {
  const errno = errnoOf(cause);
  return errno === 'ENOENT' || errno === 'ENOTDIR' ? notFound(path, cause) : diskError('read', path, cause);
}

/** For bytes that differ from what was asked for. `subject` is a path or a reference. */
export function digestMismatch(
  subject: string,
  digests: { readonly wanted: Digest | string; readonly got: Digest | string },
  suggestions: readonly string[],
): ProvisionError {
  const message = `${subject} does not have the expected digest.\n  wanted ${digests.wanted}\n  got    ${digests.got}`;
  return new ProvisionError('digest-mismatch', message, { suggestions });
}
