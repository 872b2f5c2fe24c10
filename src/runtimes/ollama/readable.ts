import { errnoOf, ProvisionError } from '../../core/errors.ts';
import { diskError } from '../../disk/errors.ts';
import type { LocalFile } from '../../sources/contract.ts';

export function notReadable(file: LocalFile, cause: unknown): ProvisionError {
  if (cause instanceof ProvisionError) return cause;
  if (errnoOf(cause) === 'ENOENT') {
    return new ProvisionError('file-not-found', `There is no file at ${file.path}.`, {
      cause,
      suggestions: ['Check the path.'],
    });
  }
  return diskError('read', file.path, cause);
}

export function becameShorter({ path }: LocalFile): ProvisionError {
  return new ProvisionError('truncated-file', `${path} became shorter while it was read.`, {
    suggestions: ['Get the file again.'],
  });
}
