import { join } from 'node:path';
import { Digest } from '../core/digest.ts';
import { errnoOf } from '../core/errors.ts';
import type { Disk, FileFacts } from '../disk/disk.ts';
import type { FolderBlob } from './contents.ts';

/** The plain files of a folder of blobs; what is no plain file goes to `links`. */
export async function readBlobs(disk: Disk, folder: string, links: string[]): Promise<FolderBlob[]> {
  const blobs: FolderBlob[] = [];
  for (const name of await namesIn(disk, folder)) {
    const path = join(folder, name);
    const facts = await factsOf(disk, path);
    if (facts === undefined || facts.isDirectory()) continue;
    if (!facts.isFile()) links.push(path);
    else blobs.push(blobOf(name, path, facts));
  }
  return blobs;
}

function blobOf(name: string, path: string, { size, mtimeNs }: FileFacts): FolderBlob {
  const digest = digestNamed(name);
  const modifiedMs = Number(mtimeNs / 1_000_000n);
  return { name, ...(digest !== undefined && { digest }), path, sizeBytes: Number(size), modifiedMs };
}

/** From `sha256-…`. */
function digestNamed(name: string): Digest | undefined {
  const parsed = Digest.safeParse(name.replace('-', ':'));
  // The schema has checked the form; its type says no more than text.
  return parsed.success ? parsed.data : undefined;
}

/** Sorted; empty for a folder that is not there. */
export async function namesIn(disk: Disk, folder: string): Promise<string[]> {
  return ((await unlessAbsent(disk.readdir(folder))) ?? []).sort();
}

export async function factsOf(disk: Disk, path: string): Promise<FileFacts | undefined> {
  return await unlessAbsent(disk.lstat(path, { bigint: true }));
}

/** Undefined for what is not there, or vanished meanwhile. */
export async function unlessAbsent<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return undefined;
    throw thrown;
  }
}
