import { messageOf } from '../../../core/errors.ts';
import type { Work } from '../../../core/progress.ts';
import { SHARE_BYTES } from '../../../disk/disk.ts';
import { blobFile, temporaryIn } from '../folder/files.ts';
import { giveToServer } from '../folder/probe.ts';
import { folderFault, type Put, verified, WayClosed } from './put.ts';

/** Shares the file's bytes with a new blob, copy-on-write. Moves no byte. */
export async function* putReflink(put: Put): Work<number> {
  const { folder, file, digest } = put;
  const { files, blobs } = folder;
  const temporary = temporaryIn(blobs);
  try {
    await files.copyFile(file.path, temporary, SHARE_BYTES).catch((cause: unknown) => {
      throw new WayClosed(`no sharing of bytes: ${messageOf(cause)}`, { cause });
    });
    // Afterwards, so that a change between the two shows: a digest is only remembered for a file that nobody wrote to.
    yield* verified(put);
    const handle = await files.open(temporary, 'r');
    try {
      await giveToServer(handle, folder);
      // Windows syncs only what was opened for writing, and its file systems do so at the rename.
      if (folder.self !== undefined) await handle.datasync();
    } finally {
      await handle.close();
    }
    await files.rename(temporary, blobFile(blobs, digest));
    return 0;
  } catch (thrown) {
    throw folderFault(folder, thrown);
  } finally {
    await files.rm(temporary, { force: true }).catch(() => undefined);
  }
}
