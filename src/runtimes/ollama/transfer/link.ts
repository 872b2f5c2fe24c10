import { messageOf } from '../../../core/errors.ts';
import type { Work } from '../../../core/progress.ts';
import { keepDigest } from '../../../disk/digest-cache.ts';
import { SHARE_BYTES } from '../../../disk/disk.ts';
import type { LocalFile } from '../../../sources/contract.ts';
import { reasonAgainstSharing } from '../../storable.ts';
import { blobFile, temporaryIn } from '../folder/files.ts';
import { giveToServer, type ProvenFolder } from '../folder/probe.ts';
import { type FolderWrite, folderError, isUnsupported, TransferUnavailable, verifyDigest } from './folder-write.ts';

const READ_BY_OWNER = 0o400n;

/** Why a file cannot be linked into the folder, as a whole sentence; undefined when it can. */
export async function reasonAgainstLink(file: LocalFile, folder: ProvenFolder): Promise<string | undefined> {
  if (folder.self === undefined) return file.immutable ? 'Read-only files are not linked on Windows.' : undefined;
  const facts = await folder.ours.lstat(file.path, { bigint: true }).catch(() => undefined);
  // A file that is still to be fetched will be ours.
  const uid = facts === undefined ? folder.self : Number(facts.uid);
  if (facts !== undefined && !facts.isFile()) return 'The file is a symbolic link.';
  // Servers since 0.21 set the times of a blob that they use, which only its owner and root may.
  if (folder.uid !== 0 && folder.uid !== uid) return "The file does not belong to the server's user.";
  if (facts !== undefined && (facts.mode & READ_BY_OWNER) === 0n) return "The server's user may not read the file.";
  return facts && reasonAgainstSharing(file, facts);
}

/** Gives the file a second name, among the server's blobs. Moves no byte. */
export async function* writeHardLink(put: FolderWrite): Work<number> {
  const { folder, file, digest, digests } = put;
  yield* verifyDigest(put);
  const { disk, blobs } = folder;
  const temporary = temporaryIn(blobs);
  const target = blobFile(blobs, digest);
  try {
    await keepDigest(file.path, { disk, digests }, async () => {
      await disk.link(file.path, temporary);
      // In one step, and over a blob that is not whole.
      await disk.rename(temporary, target);
    });
    // Of the same file, whose bytes have just been verified.
    await digests.remember(target, await disk.stat(target, { bigint: true }), digest);
    return 0;
  } catch (thrown) {
    if (isUnsupported(thrown)) throw new TransferUnavailable(`linking failed: ${messageOf(thrown)}`, { cause: thrown });
    throw folderError(folder, thrown);
  } finally {
    // Also when the rename did nothing: both names were the same file already.
    await disk.rm(temporary, { force: true }).catch(() => undefined);
  }
}

/** Shares the file's bytes with a new blob, copy-on-write. Moves no byte. */
export async function* writeClone(put: FolderWrite): Work<number> {
  const { folder, file, digest } = put;
  const { disk, blobs } = folder;
  const temporary = temporaryIn(blobs);
  try {
    await disk.copyFile(file.path, temporary, SHARE_BYTES).catch((cause: unknown) => {
      throw new TransferUnavailable(`cloning failed: ${messageOf(cause)}`, { cause });
    });
    // Afterwards, so that a change between the two shows: a digest is only remembered for a file that did not change.
    yield* verifyDigest(put);
    const handle = await disk.open(temporary, 'r');
    try {
      await giveToServer(handle, folder);
      // Windows syncs only what was opened for writing, and its file systems do so at the rename.
      if (folder.self !== undefined) await handle.datasync();
    } finally {
      await handle.close();
    }
    await disk.rename(temporary, blobFile(blobs, digest));
    return 0;
  } catch (thrown) {
    throw folderError(folder, thrown);
  } finally {
    await disk.rm(temporary, { force: true }).catch(() => undefined);
  }
}
