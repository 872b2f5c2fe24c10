/** Bundles on disk: read at any place, written beside their name and renamed when they are whole. */

import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import type { Digest } from '../../core/digest.ts';
import { errnoOf, messageOf, ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import { formatBytes, MIB } from '../../core/units.ts';
import { type OpenFile, realDisk } from '../../disk/disk.ts';
import type { RandomAccess } from '../../package/tar.ts';

export type OpenBundleFile = RandomAccess & { close(): Promise<void> };

/** Opens a file for reading at any place. Throws `file-not-found`, `file-access`. */
export async function openRandomAccess(path: string): Promise<OpenBundleFile> {
  const handle = await realDisk.open(path, 'r').catch((cause: unknown) => {
    throw readError(path, cause);
  });
  try {
    const facts = await handle.stat({ bigint: true });
    if (!facts.isFile()) throw new ProvisionError('file-access', `${path} is not a file.`);
    return {
      name: path,
      size: Number(facts.size),
      async read(buffer, position) {
        try {
          return (await handle.read(buffer, 0, buffer.length, position)).bytesRead;
        } catch (cause) {
          throw readError(path, cause);
        }
      },
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** What was written. */
export interface WrittenFile {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/**
 * Writes a file in one step: a reader sees the old one or the whole new one. What a broken run left is overwritten by
 * the next. Progress under `id`. Throws `disk-full`, `file-access`, and what `chunks` throws.
 */
export async function* writeAtomically(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  { id, total }: { readonly id: string; readonly total: number },
  signal: AbortSignal,
): Work<WrittenFile> {
  const partial = `${path}.partial`;
  const handle = await openPartial(path, partial, total);
  const hash = createHash('sha256');
  try {
    let done = 0;
    let reported = 0;
    for await (const chunk of chunks) {
      signal.throwIfAborted();
      hash.update(chunk);
      await mapWriteError(path, total, handle.writeFile(chunk));
      done += chunk.length;
      if (done - reported < 32 * MIB) continue;
      reported = done;
      yield { type: 'bytes', id, done, total };
    }
    await mapWriteError(path, total, handle.sync());
    await handle.close();
    await mapWriteError(path, total, realDisk.rename(partial, path));
    // The rename must survive a power cut. Not every system can open a folder.
    await realDisk.sync(dirname(path)).catch(() => undefined);
    yield { type: 'bytes', id, done, total };
    return { digest: `sha256:${hash.digest('hex')}`, sizeBytes: done };
  } catch (error) {
    await handle.close().catch(() => undefined);
    await realDisk.rm(partial, { force: true });
    throw error;
  }
}

async function openPartial(path: string, partial: string, total: number): Promise<OpenFile> {
  await mapWriteError(path, total, realDisk.mkdir(dirname(path), { recursive: true }));
  // A link in its place would be written through.
  await mapWriteError(path, total, realDisk.rm(partial, { force: true }));
  return mapWriteError(path, total, realDisk.open(partial, 'wx', 0o644));
}

async function mapWriteError<Result>(path: string, total: number, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === 'ENOSPC' || errno === 'EDQUOT') {
      throw new ProvisionError(
        'disk-full',
        `${path} cannot be written: its disk does not have ${formatBytes(total)}.`,
        {
          cause,
          suggestions: ['Free some space there, or write to another disk.'],
        },
      );
    }
    throw new ProvisionError('file-access', `${path} cannot be written: ${messageOf(cause)}.`, { cause });
  }
}

function readError(path: string, cause: unknown): ProvisionError {
  if (errnoOf(cause) === 'ENOENT')
    return new ProvisionError('file-not-found', `The file ${path} does not exist.`, { cause });
  return new ProvisionError('file-access', `${path} cannot be read: ${messageOf(cause)}.`, { cause });
}
