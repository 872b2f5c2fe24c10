import { createHash } from 'node:crypto';
import type { Digest } from '../../../core/digest.ts';
import { messageOf, ProvisionError } from '../../../core/errors.ts';
import type { Work } from '../../../core/progress.ts';
import { MIB } from '../../../core/units.ts';
import { NO_DIGEST_CACHE } from '../../../disk/digest-cache.ts';
import type { OpenFile } from '../../../disk/disk.ts';
import { type HashFile, requireDigest } from '../../../disk/hash.ts';
import { readChunks } from '../../../disk/read-chunks.ts';
import type { LocalFile } from '../../../sources/contract.ts';
import { blobFile, temporaryIn } from '../folder/files.ts';
import { giveToServer, type ProvenFolder } from '../folder/probe.ts';
import { becameShorter, notReadable } from '../readable.ts';
import { type FolderWrite, folderError, isUnsupported, TransferUnavailable } from './folder-write.ts';

/** Some ten times a second on a fast disk. */
const REPORT_EVERY = 32 * MIB;
/** What is written goes to the disk meanwhile: the one wait at the end is then short. */
const SYNC_EVERY = 64 * MIB;

/**
 * Copies the file among the server's blobs: hashed on the way (but for a file of our cache), on the disk before it gets its name, complete or not
 * at all. Returns the bytes copied. Throws `digest-mismatch`, `file-not-found`, `file-access`, `truncated-file`,
 * `disk-full`.
 */
export async function* writeCopy(put: FolderWrite): Work<number> {
  const { folder, digest, signal } = put;
  const { disk, blobs } = folder;
  const temporary = temporaryIn(blobs);
  try {
    const target = await disk.open(temporary, 'wx', folder.mode);
    try {
      yield* copyInto(target, put);
      await giveToServer(target, folder);
      await target.datasync();
    } finally {
      await target.close();
    }
    signal.throwIfAborted();
    await disk.rename(temporary, blobFile(blobs, digest));
    return put.file.sizeBytes;
  } catch (thrown) {
    if (isUnsupported(thrown)) throw new TransferUnavailable(`copying failed: ${messageOf(thrown)}`, { cause: thrown });
    throw folderError(folder, thrown);
  } finally {
    await disk.rm(temporary, { force: true }).catch(() => undefined);
  }
}

async function* copyInto(target: OpenFile, { folder, file, digest, signal }: FolderWrite): Work<void> {
  const source = await folder.ours.open(file.path, 'r').catch((cause: unknown) => {
    throw notReadable(file, cause);
  });
  const sync = syncMeanwhile(target);
  try {
    // A file of our cache was checked when it was downloaded, and is never edited.
    const hash = file.immutable === true && file.digest !== undefined ? undefined : createHash('sha256');
    const total = file.sizeBytes;
    let done = 0;
    let reported = 0;
    yield { type: 'bytes', id: 'copy', done, total };
    for await (const piece of readChunks(source, file.path, signal)) {
      const written = writeAll(target, piece);
      // Hashing takes this thread, writing another.
      hash?.update(piece);
      await written;
      done += piece.length;
      sync.after(piece.length);
      if (done - reported < REPORT_EVERY) continue;
      reported = done;
      yield { type: 'bytes', id: 'copy', done, total };
    }
    await sync.ended();
    if (done < total) throw becameShorter(file);
    if (hash !== undefined) requireDigest({ ...file, digest }, `sha256:${hash.digest('hex')}`);
    yield { type: 'bytes', id: 'copy', done, total };
  } finally {
    // Whoever stops early closes the file next: not under a sync that is still running.
    await sync.ended().catch(() => undefined);
    await source.close();
  }
}

interface Syncing {
  /** Counts what was written. */
  after(bytes: number): void;
  /** Waits for what has begun. Throws what it threw. */
  ended(): Promise<void>;
}

function syncMeanwhile(target: OpenFile): Syncing {
  let running: Promise<void> | undefined;
  let failed: { readonly thrown: unknown } | undefined;
  let written = 0;
  return {
    after(bytes) {
      written += bytes;
      if (running !== undefined || written < SYNC_EVERY) return;
      written = 0;
      running = target
        .datasync()
        .catch((thrown: unknown) => {
          failed = { thrown };
        })
        .finally(() => {
          running = undefined;
        });
    },
    async ended() {
      await running;
      if (failed !== undefined) throw failed.thrown;
    },
  };
}

async function writeAll(target: OpenFile, piece: Uint8Array): Promise<void> {
  let written = 0;
  while (written < piece.length) written += (await target.write(piece, written, piece.length - written)).bytesWritten;
}

/**
 * Puts the bytes of a file in the place of a blob that is not what its name says: a server takes a blob that is there for
 * good, and reads none that it is sent. Written beside it, hashed on the way, renamed over it; a server that has the model
 * loaded goes on with the old file. Throws `digest-mismatch`, `truncated-file`, `source-not-found`, `file-access`,
 * `disk-full`; the blob is as before then.
 */
export async function* replaceBlob(
  folder: ProvenFolder,
  { ref, path, sizeBytes, digest }: LocalFile & { readonly digest: Digest },
  hash: HashFile,
  signal: AbortSignal,
): Work<void> {
  try {
    // Without what else is known of the file: nothing of it is believed.
    yield* writeCopy({
      folder,
      file: { ref, path, sizeBytes, digest },
      digest,
      hash,
      digests: NO_DIGEST_CACHE,
      signal,
    });
  } catch (thrown) {
    if (!(thrown instanceof TransferUnavailable)) throw thrown;
    throw new ProvisionError('file-access', `${folder.path} cannot be written to: ${thrown.message}`, {
      cause: thrown,
      suggestions: ["Check the permissions of the server's models folder (OLLAMA_MODELS)."],
    });
  }
}

/** Removes a blob, if it is there, so that the server takes the next one that it is sent. Throws `file-access`. */
export async function dropBlob(folder: ProvenFolder, digest: Digest): Promise<void> {
  try {
    await folder.disk.rm(blobFile(folder.blobs, digest), { force: true });
  } catch (thrown) {
    throw folderError(folder, thrown);
  }
}
