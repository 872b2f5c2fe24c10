/** A blob that is corrupt or gone gets the bytes of a good copy. */
import { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import type { LocalFile } from '../../sources/contract.ts';
import type { BlobStore, RepairEffects } from './repair-effects.ts';
import type { Problem } from './verify-schema.ts';

/** Faults of one copy, after which the next one is tried. */
const BAD_COPY: ReadonlySet<string> = new Set([
  'digest-mismatch',
  'truncated-file',
  'source-not-found',
  'file-not-found',
  'file-access',
]);

/** Says what was done, or nothing where this problem is none of a blob or no copy is good. */
export async function* repairBlob(
  { kind, digest: text, path }: Problem,
  record: InstallRecord,
  effects: RepairEffects,
  signal: AbortSignal,
): Work<string | undefined> {
  if ((kind !== 'corrupt-blob' && kind !== 'missing-blob') || text === undefined) return undefined;
  const { store } = await effects.place();
  if (store === undefined) return undefined;
  const digest = Digest.parse(text);
  for (const copy of await effects.copies(digest)) {
    if (copy.path === path) continue;
    if (yield* replaced({ ...copy, digest }, store, signal))
      return `${path ?? digest} has the bytes of ${copy.path} now`;
  }
  const source = [record, record.previous].find((each) => each?.source.digest === digest)?.source;
  const fetched = source === undefined ? undefined : yield* effects.fetch(source);
  if (fetched === undefined) return undefined;
  if (!(yield* replaced({ ...fetched, digest }, store, signal))) return undefined;
  return `${path ?? digest} has the bytes of ${source?.pinnedRef ?? fetched.ref} now, fetched again`;
}

async function* replaced(
  file: LocalFile & { readonly digest: Digest },
  store: BlobStore,
  signal: AbortSignal,
): Work<boolean> {
  try {
    yield* store.replace(file, signal);
    return true;
  } catch (error) {
    if (signal.aborted || !(error instanceof ProvisionError) || !BAD_COPY.has(error.code)) throw error;
    return false;
  }
}
