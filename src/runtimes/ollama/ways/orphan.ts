import { join } from 'node:path';
import type { Digest } from '../../../core/digest.ts';
import { errnoOf, ProvisionError } from '../../../core/errors.ts';
import type { Disk } from '../../../disk/disk.ts';
import { digestGot } from '../blobs.ts';
import { blobFile } from '../folder/files.ts';
import type { ProvenFolder } from '../folder/probe.ts';

/**
 * After an upload under a wrong digest the server keeps the bytes under the right one, where nobody asks for them.
 * Removes them if the folder is known and they are new and in no manifest; else says that they are there. Returns what to
 * throw.
 */
export async function withoutOrphan(
  thrown: unknown,
  startedAt: Date,
  folder: ProvenFolder | undefined,
): Promise<unknown> {
  if (!(thrown instanceof ProvisionError) || thrown.code !== 'digest-mismatch') return thrown;
  const orphan = digestGot(thrown.cause);
  if (orphan === undefined) return thrown;
  if (folder !== undefined && (await removeOrphan(folder, orphan, startedAt))) return thrown;
  const told = `The server keeps what it was sent as ${orphan} until it is started again.`;
  return new ProvisionError(thrown.code, `${thrown.message} ${told}`, {
    cause: thrown.cause,
    suggestions: thrown.suggestions,
  });
}

/** File systems take their times from a clock that ticks slower than ours, and so lags behind it. Milliseconds. */
const CLOCK_LAG_MS = 100;

/** True when the blob is gone, or was somebody's before. */
async function removeOrphan(folder: ProvenFolder, orphan: Digest, startedAt: Date): Promise<boolean> {
  const { files, blobs } = folder;
  const path = blobFile(blobs, orphan);
  try {
    const { birthtimeNs } = await files.lstat(path, { bigint: true });
    if (birthtimeNs < BigInt(startedAt.getTime() - CLOCK_LAG_MS) * 1_000_000n) return true;
    if (await isNamed(folder, orphan)) return true;
    await files.rm(path, { force: true });
    return true;
  } catch {
    return false;
  }
}

/** `host/namespace/model/tag`. */
const MANIFEST_DEPTH = 4;

/** Is a blob in any manifest? Throws where one cannot be read. */
async function isNamed({ path, files }: ProvenFolder, digest: Digest): Promise<boolean> {
  let level = [join(path, 'manifests')];
  for (let depth = 0; depth < MANIFEST_DEPTH; depth += 1) {
    const next: string[] = [];
    for (const folder of level) {
      next.push(...(await namesIn(files, folder)).map((name) => join(folder, name)));
    }
    level = next;
  }
  for (const manifest of level) if ((await files.readFile(manifest, 'utf8')).includes(digest)) return true;
  return false;
}

/** A new server has no manifests, and some systems put files of their own among the folders. */
async function namesIn(files: Disk, folder: string): Promise<string[]> {
  try {
    return await files.readdir(folder);
  } catch (thrown) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(thrown) ?? '')) return [];
    throw thrown;
  }
}
