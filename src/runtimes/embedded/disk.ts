import { errnoOf, ProvisionError } from '../../core/errors.ts';
import type { OpenFile, SourceFiles } from '../../sources/effects.ts';

export interface WritableFile extends OpenFile {
  write(buffer: Uint8Array, offset: number, length: number): Promise<{ bytesWritten: number }>;
  /** Returns when the bytes are on the disk. */
  datasync(): Promise<void>;
}

/** What the model store needs of the file system. `node:fs/promises` satisfies it as it is. */
export interface BlobFiles extends SourceFiles {
  open(path: string, flags: 'r' | 'wx'): Promise<WritableFile>;
  mkdir(path: string, options: { recursive: true }): Promise<unknown>;
  copyFile(from: string, to: string, mode: number): Promise<void>;
  link(from: string, to: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  rm(path: string, options: { force: true }): Promise<void>;
}

/** Undefined when there is no such file. */
export async function sizeOf(files: BlobFiles, path: string): Promise<number | undefined> {
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
