import { errnoOf, messageOf, ProvisionError } from '../core/errors.ts';

export function notFound(path: string, cause?: unknown): ProvisionError {
  return new ProvisionError('source-not-found', `There is no file at ${path}.`, {
    cause,
    suggestions: ['Check the path; a relative one counts from the folder you are in.'],
  });
}

/** For a file that is there and cannot be read, whatever the system says the reason is. */
export function fileAccess(path: string, cause: unknown): ProvisionError {
  const errno = errnoOf(cause);
  const denied = errno === 'EACCES' || errno === 'EPERM';
  const why = denied ? 'permission denied' : messageOf(cause);
  return new ProvisionError('file-access', `${path} cannot be read: ${why}.`, {
    cause,
    suggestions: denied
      ? [`Give this user the right to read it, for example with: chmod u+r ${JSON.stringify(path)}`]
      : ['Check the disk or network mount that the file is on, then run the command again.'],
  });
}
