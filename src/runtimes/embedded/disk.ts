import { errnoOf, ProvisionError } from '../../core/errors.ts';
import type { Disk } from '../../disk/disk.ts';

/** Undefined when there is no such file. */
export async function sizeOf(files: Disk, path: string): Promise<number | undefined> {
  try {
    return Number((await files.stat(path, { bigint: true })).size);
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return undefined;
    throw diskFault(path, cause);
  }
}

/** A write that the disk refused: full, or closed to this user. */
export function diskFault(path: string, cause: unknown): ProvisionError {
  const errno = errnoOf(cause);
  if (errno === 'ENOSPC' || errno === 'EDQUOT')
    return new ProvisionError('disk-full', `The disk is full: ${path} cannot be written.`, {
      cause,
      suggestions: ['Free some space, or move our data with GEMMA_PROVISION_HOME.'],
    });
  return new ProvisionError('file-access', `${path} cannot be used: ${errno ?? String(cause)}.`, {
    cause,
    suggestions: ['Check that this user may read and write there.'],
  });
}
