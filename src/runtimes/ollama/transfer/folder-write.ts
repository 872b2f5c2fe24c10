import type { Digest } from '../../../core/digest.ts';
import { errnoOf, messageOf, ProvisionError } from '../../../core/errors.ts';
import type { Work } from '../../../core/progress.ts';
import type { DigestCache } from '../../../disk/digest-cache.ts';
import { accessCode } from '../../../disk/errors.ts';
import type { HashFile } from '../../../disk/hash.ts';
import type { LocalFile } from '../../../sources/contract.ts';
import type { ProvenFolder } from '../folder/probe.ts';

/** What putting a file into the server's models folder needs. */
export interface FolderWrite {
  readonly folder: ProvenFolder;
  readonly file: LocalFile;
  readonly digest: Digest;
  readonly hash: HashFile;
  /** What `hash` remembers. */
  readonly digests: DigestCache;
  readonly signal: AbortSignal;
}

/** A method that looked possible and is not: the next one is tried. */
export class TransferUnavailable extends Error {
  override readonly name = 'TransferUnavailable';
}

const CLOSED: ReadonlySet<string> = new Set([
  'EXDEV',
  'EPERM',
  'EACCES',
  'EMLINK',
  'ENOTSUP',
  'EOPNOTSUPP',
  'EINVAL',
  'ENOTTY',
  'ENOSYS',
  'EROFS',
]);

/** Failures that concern a file system or its permissions, not the file. */
export function isUnsupported(thrown: unknown): boolean {
  return CLOSED.has(errnoOf(thrown) ?? '');
}

/**
 * Makes sure that a file is what its digest says, where no server will look at the bytes. A file of our cache was
 * checked when it was downloaded, and is never edited.
 */
export async function* verifyDigest({ file, hash, signal }: Pick<FolderWrite, 'file' | 'hash' | 'signal'>): Work<void> {
  if (file.immutable === true && file.digest !== undefined) return;
  yield* hash(file, 'hash', signal);
}

/** A write into the models folder that the disk refused. Errors that have a meaning already come back as they are. */
export function folderError({ path }: Pick<ProvenFolder, 'path'>, thrown: unknown): unknown {
  if (thrown instanceof ProvisionError || thrown instanceof TransferUnavailable) return thrown;
  const errno = errnoOf(thrown);
  if (errno === undefined) return thrown;
  if (errno === 'ENOSPC' || errno === 'EDQUOT') {
    return new ProvisionError('disk-full', `The disk of the server's models folder is full: ${path}.`, {
      cause: thrown,
      suggestions: ["Free space on the disk of the server's models folder (OLLAMA_MODELS)."],
    });
  }
  return new ProvisionError(accessCode(thrown), `${path} cannot be written to: ${messageOf(thrown)}`, {
    cause: thrown,
    suggestions: ['Check the disk of the folder, and its permissions.', 'Or upload the bytes instead: --via upload.'],
  });
}
