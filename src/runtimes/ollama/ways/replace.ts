import type { Digest } from '../../../core/digest.ts';
import { ProvisionError } from '../../../core/errors.ts';
import type { Work } from '../../../core/progress.ts';
import type { HashFile } from '../../../disk/hash.ts';
import type { LocalFile } from '../../../sources/contract.ts';
import { blobFile } from '../folder/files.ts';
import type { ProvenFolder } from '../folder/probe.ts';
import { putCopy } from './copy.ts';
import { folderFault, WayClosed } from './put.ts';

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
    yield* putCopy({ folder, file: { ref, path, sizeBytes, digest }, digest, hash, signal });
  } catch (thrown) {
    if (!(thrown instanceof WayClosed)) throw thrown;
    throw new ProvisionError('file-access', `${folder.path} cannot be written to: ${thrown.message}`, {
      cause: thrown,
      suggestions: ["Check the permissions of the server's models folder (OLLAMA_MODELS)."],
    });
  }
}

/** Removes a blob, if it is there, so that the server takes the next one that it is sent. Throws `file-access`. */
export async function dropBlob(folder: ProvenFolder, digest: Digest): Promise<void> {
  try {
    await folder.files.rm(blobFile(folder.blobs, digest), { force: true });
  } catch (thrown) {
    throw folderFault(folder, thrown);
  }
}
