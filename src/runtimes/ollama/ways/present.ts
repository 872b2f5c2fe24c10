import type { Digest } from '../../../core/digest.ts';
import { errnoOf } from '../../../core/errors.ts';
import { hasBlob } from '../blobs.ts';
import type { Connection } from '../client.ts';
import { blobFile } from '../folder/files.ts';
import type { ProvenFolder } from '../folder/probe.ts';

/**
 * Does the server have these bytes? It tells only that the file exists; where its folder is known, a file of another
 * size does not count.
 */
export async function isPresent(
  connection: Connection,
  digest: Digest,
  sizeBytes: number,
  folder: ProvenFolder | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  if (!(await hasBlob(connection, digest, signal))) return false;
  return folder === undefined || (await isWhole(folder, digest, sizeBytes));
}

async function isWhole({ files, blobs }: ProvenFolder, digest: Digest, sizeBytes: number): Promise<boolean> {
  try {
    return (await files.stat(blobFile(blobs, digest), { bigint: true })).size === BigInt(sizeBytes);
  } catch (thrown) {
    // What cannot be looked at is believed to the server.
    return errnoOf(thrown) !== 'ENOENT';
  }
}
