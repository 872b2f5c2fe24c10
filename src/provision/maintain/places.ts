/** What of a runtime's folder can be read and written from here. */
import { join } from 'node:path';
import type { Digest } from '../../core/digest.ts';
import { NO_DIGEST_CACHE } from '../../disk/digest-cache.ts';
import { createHasher, type HashFile } from '../../disk/hash.ts';
import type { OpenRuntime } from '../../runtimes/contract.ts';
import type { AppContext } from '../context.ts';
import type { WritableModelFolder } from './repair-blobs.ts';

/** Reads every time: what it is asked about may have changed meanwhile. */
export function createUncachedHasher({ disk }: AppContext): HashFile {
  return createHasher(disk, NO_DIGEST_CACHE);
}

/** Reads the folder again at each call. */
export async function openModelFolder(
  app: AppContext,
  { runtime, readFolder }: OpenRuntime,
): Promise<WritableModelFolder> {
  return { runtime, ...(await readFolder(app.options.signal)) };
}

/** Every runtime names a blob by its digest. */
export function blobPath(folder: string, digest: Digest): string {
  return join(folder, digest.replace(':', '-'));
}
