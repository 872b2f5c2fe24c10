import { errnoOf } from '../../core/errors.ts';
import type { Disk } from '../../disk/disk.ts';
import { diskError } from '../../disk/errors.ts';

/** Undefined when there is no such file. */
export async function sizeOf(files: Disk, path: string): Promise<number | undefined> {
  try {
    return Number((await files.stat(path, { bigint: true })).size);
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return undefined;
    throw diskError('read', path, cause);
  }
}
