/** Replaces corrupt and missing blobs of a runtime, or makes room for them where this user may not write to its folder. */

import { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import type { HashFile } from '../../disk/hash.ts';
import type { Locker } from '../../disk/lock.ts';

import type { InstallRecord } from '../../registry/schema.ts';
import type { BlobStore } from '../../runtimes/contract.ts';
import { sameModel } from '../../runtimes/names.ts';
import type { LocalFile } from '../../sources/contract.ts';
import type { RecoveryEffects } from '../install/effects.ts';
import type { Problem } from './problems.ts';
import type { ModelFolder } from './verify-blobs.ts';

/** A runtime whose folder may be written to as well. */
export interface WritableModelFolder extends ModelFolder {
  readonly store?: BlobStore;
}

export interface RepairEffects extends RecoveryEffects {
  readonly locker: Locker;
  /** Replace a model that was changed since: with `--force`, and where only this tool makes models. */
  readonly replacesChanged: boolean;
  /** Reads every time: it remembers nothing. */
  readonly hash: HashFile;
  /** Looked at anew each time. */
  place(): Promise<WritableModelFolder>;
  /** Files of this machine that should have a digest, the likeliest first: nothing of them is proven. */
  copies(digest: Digest): Promise<readonly LocalFile[]>;
  /** Over the network, by the pinned reference, into our cache; undefined where that is not allowed or not possible. */
  fetch(source: InstallRecord['source']): Work<LocalFile | undefined>;
  /** Makes the model again under its name, from a file with the recorded bytes, and returns its new record. */
  again(record: InstallRecord, file: LocalFile): Work<InstallRecord>;
  /** What a broken record file can be rebuilt to; undefined when the runtime has no such model. */
  rebuild(name: string): Promise<InstallRecord | undefined>;
  /** Copies a broken record file beside itself; returns where to. */
  setAside(name: string): Promise<string>;
}

/** Faults of one copy, after which the next one is tried. */
const BAD_COPY: ReadonlySet<string> = new Set([
  'digest-mismatch',
  'truncated-file',
  'source-not-found',
  'file-not-found',
  'file-access',
  'bad-path',
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
    if (yield* tryReplace({ ...copy, digest }, store, signal))
      return `${path ?? digest} was replaced with the bytes of ${copy.path}`;
  }
  const sources = [record, record.previous].flatMap((each) => [each?.source, each?.projector?.source]);
  const source = sources.find((each) => each?.digest === digest);
  const fetched = source === undefined ? undefined : yield* effects.fetch(source);
  if (fetched === undefined) return undefined;
  if (!(yield* tryReplace({ ...fetched, digest }, store, signal))) return undefined;
  return `${path ?? digest} was downloaded again from ${source?.pinnedRef ?? fetched.ref}`;
}

async function* tryReplace(
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

/** How to get rid of corrupt blobs without writing to their folder. */
export interface Workaround {
  /** Names of ours that have to go for it. */
  readonly names: readonly string[];
  /** Why that cannot be done, as what the user can do instead; empty when it can. */
  readonly suggestions: readonly string[];
}

/** `file`: what the model is to be made again from. Undefined where nothing prevents it, or the folder can be written to. */
export function findWorkaround(
  { name, previous }: InstallRecord,
  corrupt: readonly Problem[],
  file: Pick<LocalFile, 'path'>,
  { store, contents }: WritableModelFolder,
): Workaround | undefined {
  if (store !== undefined || corrupt.length === 0 || 'refused' in contents) return undefined;
  const users = [...new Set(corrupt.flatMap(({ models = [] }) => models))];
  const ours = [name, ...(previous?.keptAs === undefined ? [] : [previous.keptAs])];
  const isOurs = (user: string) => ours.some((each) => sameModel(each, user));
  const others = users.filter((user) => !isOurs(user));
  const who = `Run repair as a user who can write to ${contents.folder}.`;
  if (others.length > 0) {
    const rest = `Or remove the other models that use the blob, then run repair again: ollama rm ${others.join(' ')}`;
    return { names: [], suggestions: [who, rest] };
  }
  // It would go with the names.
  if (contents.blobs.some(({ path }) => path === file.path))
    return {
      names: [],
      suggestions: [who, `Or copy ${file.path} to where the model came from, then run repair again.`],
    };
  return { names: users, suggestions: [] };
}

/** Removes the names, and with them the blobs that only they use; the record stops promising a version that goes. Returns it. */
export async function removeNames(
  record: InstallRecord,
  names: readonly string[],
  { runtime, records }: Pick<RepairEffects, 'runtime' | 'records'>,
  signal: AbortSignal,
): Promise<InstallRecord> {
  const now = forgetPrevious(record, names);
  if (now !== record) await records.put(now);
  for (const each of names) await runtime.remove(each, signal);
  return now;
}

function forgetPrevious(record: InstallRecord, names: readonly string[]): InstallRecord {
  if (record.previous === undefined) return record;
  const { keptAs, ...body } = record.previous;
  const goes = keptAs !== undefined && names.some((each) => sameModel(each, keptAs));
  return goes ? { ...record, previous: body } : record;
}
