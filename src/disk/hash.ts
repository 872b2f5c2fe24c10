import { createHash } from 'node:crypto';
import type { Digest } from '../core/digest.ts';
import { ProvisionError } from '../core/errors.ts';
import type { Work } from '../core/progress.ts';
import { formatBytes, MIB } from '../core/units.ts';
import { type DigestCache, stampOf } from './digest-cache.ts';
import type { Disk, FileFacts, ReadableFile } from './disk.ts';
import { digestMismatch, sourceError } from './errors.ts';
import { readChunks } from './read-chunks.ts';

/** A file on this machine, with the digest that it should have where that is known. */
export interface HashableFile {
  readonly ref: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly digest?: Digest;
}

/** Reads a file once and returns its digest; yields byte progress under `id`. */
export type HashFile = (file: HashableFile, id: string, signal: AbortSignal) => Work<Digest>;

/** Progress is reported once per this many bytes: some ten times a second on a fast disk. */
export const PROGRESS_STEP_BYTES = 32 * MIB;

/**
 * Builds the streaming SHA-256. Memory is constant (two buffers of 4 MiB: one is read while the other is hashed).
 * Remembers what it found in `cache`, and asks it first. When the file comes with a digest, the result is checked
 * against it. Throws `digest-mismatch`, `truncated-file` (changed or cut while being read), `file-access`,
 * `source-not-found`; an abort throws the signal's reason.
 */
export function createHasher(disk: Disk, cache: DigestCache): HashFile {
  return async function* hashFile(file, id, signal) {
    const handle = await openForReading(disk, file);
    try {
      const before = await handle.stat({ bigint: true });
      const known = await cache.find(file.path, before);
      const digest = known ?? (yield* readAndHash(handle, file, before, id, signal));
      if (known === undefined) await cache.remember(file.path, before, digest);
      requireDigest(file, digest);
      return digest;
    } finally {
      await handle.close();
    }
  };
}

/** Throws `digest-mismatch` when the file was said to have another digest than it has. */
export function requireDigest(file: HashableFile, got: Digest): void {
  if (file.digest === undefined || file.digest === got) return;
  throw digestMismatch(file.path, { wanted: file.digest, got }, [
    'Download the file again and compare its SHA-256 with the one that its publisher states.',
    'To use another file, pass its own digest with --digest, or omit the digest.',
  ]);
}

async function openForReading(disk: Disk, file: HashableFile): Promise<ReadableFile> {
  try {
    return await disk.open(file.path, 'r');
  } catch (cause) {
    throw sourceError(file.path, cause);
  }
}

async function* readAndHash(
  handle: ReadableFile,
  file: HashableFile,
  before: FileFacts,
  id: string,
  signal: AbortSignal,
): Work<Digest> {
  const total = Number(before.size);
  const hash = createHash('sha256');
  yield { type: 'bytes', id, done: 0, total };
  let reported = 0;
  let done = 0;
  for await (const chunk of readChunks(handle, file.path, signal)) {
    hash.update(chunk);
    done += chunk.length;
    if (done - reported < PROGRESS_STEP_BYTES) continue;
    reported = done;
    yield { type: 'bytes', id, done, total };
  }
  requireUnchanged(file.path, before, await handle.stat({ bigint: true }));
  yield { type: 'bytes', id, done: total, total };
  return `sha256:${hash.digest('hex')}`;
}

/** Throws `truncated-file` when the file was written to between two looks at it. */
export function requireUnchanged(path: string, before: FileFacts, after: FileFacts): void {
  if (stampOf(after) === stampOf(before)) return;
  const sizes = `${formatBytes(Number(before.size))} before, ${formatBytes(Number(after.size))} after`;
  throw new ProvisionError('truncated-file', `${path} changed while it was being read (${sizes}).`, {
    suggestions: ['Wait until the download or copy that writes it has ended, then run the command again.'],
  });
}
