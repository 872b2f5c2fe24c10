import { errnoOf, messageOf, ProvisionError } from '../../core/errors.ts';
import type { LocalFile } from '../../sources/contract.ts';

export function notReadable(file: LocalFile, cause: unknown): ProvisionError {
  if (cause instanceof ProvisionError) return cause;
  if (errnoOf(cause) === 'ENOENT') {
    return new ProvisionError('file-not-found', `${file.path} is not there.`, {
      cause,
      suggestions: ['Check the path.'],
    });
  }
  return new ProvisionError('file-access', `${file.path} cannot be read: ${messageOf(cause)}`, {
    cause,
    suggestions: ['Check the permissions of the file and of its folder.'],
  });
}

export function becameShorter({ path }: LocalFile): ProvisionError {
  return new ProvisionError('truncated-file', `${path} became shorter while it was read.`, {
    suggestions: ['Get the file again.'],
  });
}
