import type { Digest } from '../../core/digest.ts';
import { messageOf, ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import type { DigestCache } from '../../disk/digest-cache.ts';
import type { Disk } from '../../disk/disk.ts';
import type { HashFile } from '../../disk/hash.ts';
import { type Layout, regularFile, removeFile, requireInside } from './layout.ts';

export interface FindParts {
  readonly disk: Disk;
  readonly layout: Layout;
  readonly digests: DigestCache;
  readonly hash: HashFile;
}

/** A whole file of the cache whose bytes were read and have the digest of its name. */
export interface VerifiedBlob {
  readonly digest: Digest;
  readonly path: string;
  readonly sizeBytes: number;
}

/** What is at a digest's place: nothing, a good file, or one that does not match its name. */
export type BlobState =
  | { readonly kind: 'absent' }
  | { readonly kind: 'good'; readonly blob: VerifiedBlob }
  | { readonly kind: 'corrupt'; readonly path: string; readonly sizeBytes: number; readonly problem: string };

/**
 * Looks at a digest's place. Reads the file only where that was not done since it was last written, or with `again`.
 * A symbolic link counts as nothing. Throws `file-access`; an abort throws the signal's reason.
 */
export async function* verifyBlob(
  parts: FindParts,
  digest: Digest,
  signal: AbortSignal,
  again?: 'again',
): Work<BlobState> {
  const path = parts.layout.blobOf(digest);
  const facts = await regularFile(parts.disk, path);
  if (facts === undefined) return { kind: 'absent' };
  await requireInside(parts.disk, parts.layout);
  const blob = { digest, path, sizeBytes: Number(facts.size) };
  const known = again === undefined ? await parts.digests.find(path, facts) : undefined;
  if (known === digest) return { kind: 'good', blob };
  try {
    const got = yield* parts.hash({ ref: path, path, sizeBytes: blob.sizeBytes }, 'verify', signal);
    if (got === digest) return { kind: 'good', blob };
    return { kind: 'corrupt', path, sizeBytes: blob.sizeBytes, problem: `its bytes have the digest ${got}` };
  } catch (error) {
    if (error instanceof ProvisionError && error.code === 'source-not-found') return { kind: 'absent' };
    throw error;
  }
}

/** The verified file of a digest, if the cache has one. One that does not match its name is removed, with a warning. */
export async function* findBlob(parts: FindParts, digest: Digest, signal: AbortSignal): Work<VerifiedBlob | undefined> {
  const state = yield* verifyBlob(parts, digest, signal);
  if (state.kind === 'good') return state.blob;
  if (state.kind === 'absent') return undefined;
  const left = await removeFile(parts.disk, state.path).then(
    () => 'it was removed',
    (error: unknown) => `it could not be removed (${messageOf(error)})`,
  );
  yield { type: 'warning', message: `The cached file ${state.path} is corrupt: ${state.problem}; ${left}.` };
  return undefined;
}
