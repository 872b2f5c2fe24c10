/** Bundles on disk: read at any place, written beside their name and renamed when they are whole. */

import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import type { Digest } from '../../core/digest.ts';
import { errnoOf, ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import { formatBytes, MIB } from '../../core/units.ts';
import { type FileFacts, realDisk } from '../../disk/disk.ts';
import { diskError } from '../../disk/errors.ts';
import { sweepTemporaries, temporaryBeside } from '../../disk/replace-text.ts';
import type { RandomAccess } from '../../package/tar.ts';

export type OpenBundleFile = RandomAccess & { close(): Promise<void> };

/** Opens a file for reading at any place. Throws `file-not-found`, `bad-usage`, `file-access`. */
export async function openRandomAccess(path: string): Promise<OpenBundleFile> {
  // Before it is opened: opening a pipe waits for a writer.
  requireFile(path, await guardRead(path, realDisk.stat(path, { bigint: true })));
  const handle = await guardRead(path, realDisk.open(path, 'r'));
  try {
    const facts = await handle.stat({ bigint: true });
    requireFile(path, facts);
    return {
      name: path,
      size: Number(facts.size),
      read: async (buffer, position) =>
        (await guardRead(path, handle.read(buffer, 0, buffer.length, position))).bytesRead,
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function requireFile(path: string, facts: FileFacts): void {
  if (facts.isFile()) return;
  const what = facts.isDirectory() ? 'is a folder, not a file' : 'is not a file';
  throw new ProvisionError('bad-usage', `${path} ${what}.`, { suggestions: ['Name the bundle file itself.'] });
}

/** What was written. */
export interface WrittenFile {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/**
 * Writes a file in one step: a reader sees the old one or the whole new one. Its folder must exist. Progress under `id`.
 * Throws `disk-full`, `file-access`, and what `chunks` throws.
 */
export async function* writeAtomically(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  { id, total }: { readonly id: string; readonly total: number },
  signal: AbortSignal,
): Work<WrittenFile> {
  const temporary = temporaryBeside(path);
  const handle = await guardWrite(path, total, realDisk.open(temporary, 'wx'));
  const hash = createHash('sha256');
  try {
    // A killed run may have left as much as is needed now.
    await sweepTemporaries(dirname(path), (await handle.stat({ bigint: true })).mtimeNs, realDisk);
    let done = 0;
    let reported = 0;
    for await (const chunk of chunks) {
      signal.throwIfAborted();
      hash.update(chunk);
      await guardWrite(path, total, handle.writeFile(chunk));
      done += chunk.length;
      if (done - reported < 32 * MIB) continue;
      reported = done;
      yield { type: 'bytes', id, done, total };
    }
    await guardWrite(path, total, handle.sync());
    await handle.close();
    await guardWrite(path, total, realDisk.rename(temporary, path));
    // The rename must survive a power cut. Not every system can open a folder.
    await realDisk.sync(dirname(path)).catch(() => undefined);
    yield { type: 'bytes', id, done, total };
    return { digest: `sha256:${hash.digest('hex')}`, sizeBytes: done };
  } catch (error) {
    await handle.close().catch(() => undefined);
    await realDisk.rm(temporary, { force: true });
    throw error;
  }
}

async function guardWrite<Result>(path: string, total: number, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (cause) {
    const full = [`Free ${formatBytes(total)} there, or write to another disk.`];
    throw diskError('write', path, cause, { full });
  }
}

async function guardRead<Result>(path: string, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (cause) {
    if (errnoOf(cause) !== 'ENOENT') throw diskError('read', path, cause);
    throw new ProvisionError('file-not-found', `The file ${path} does not exist.`, { cause });
  }
}
