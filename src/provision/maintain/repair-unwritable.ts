/**
 * A corrupt blob in a folder that this user may read and not write to. The runtime takes a blob that is there for good, so
 * only it can make room for the right bytes: Ollama removes a blob with the last model that uses it (seen on 0.10.0,
 * 0.24.0 and 0.33.0-rc2).
 */
import type { InstallRecord } from '../../registry/schema.ts';
import { sameModel } from '../../runtimes/names.ts';
import type { LocalFile } from '../../sources/contract.ts';
import type { RepairEffects, RepairPlace } from './repair-effects.ts';
import type { Problem } from './verify-schema.ts';

/** How to get rid of corrupt blobs without writing to their folder. */
export interface WayRound {
  /** Names of ours that have to go for it. */
  readonly names: readonly string[];
  /** Why that cannot be done, as what the user can do instead; empty when it can. */
  readonly suggestions: readonly string[];
}

/** `file`: what the model is to be made again from. Undefined where nothing stands in the way, or the folder can be written to. */
export function wayRound(
  { name, previous }: InstallRecord,
  corrupt: readonly Problem[],
  file: Pick<LocalFile, 'path'>,
  { store, contents }: RepairPlace,
): WayRound | undefined {
  if (store !== undefined || corrupt.length === 0 || 'refused' in contents) return undefined;
  const users = [...new Set(corrupt.flatMap(({ models = [] }) => models))];
  const ours = [name, ...(previous?.keptAs === undefined ? [] : [previous.keptAs])];
  const isOurs = (user: string) => ours.some((each) => sameModel(each, user));
  const others = users.filter((user) => !isOurs(user));
  const who = `Repair as the user who may write to ${contents.folder}.`;
  if (others.length > 0) {
    const rest = `Or remove the other models that use the blob, and repair again: ollama rm ${others.join(' ')}`;
    return { names: [], suggestions: [who, rest] };
  }
  // It would go with the names.
  if (contents.blobs.some(({ path }) => path === file.path))
    return { names: [], suggestions: [who, `Or copy ${file.path} to where the model came from, and repair again.`] };
  return { names: users, suggestions: [] };
}

/** Removes the names, and with them the blobs that only they use; the record stops promising a version that goes. Returns it. */
export async function removeNames(
  record: InstallRecord,
  names: readonly string[],
  { runtime, records }: Pick<RepairEffects, 'runtime' | 'records'>,
  signal: AbortSignal,
): Promise<InstallRecord> {
  const now = withoutKept(record, names);
  if (now !== record) await records.put(now);
  for (const each of names) await runtime.remove(each, signal);
  return now;
}

function withoutKept(record: InstallRecord, names: readonly string[]): InstallRecord {
  if (record.previous === undefined) return record;
  const { keptAs, ...body } = record.previous;
  const goes = keptAs !== undefined && names.some((each) => sameModel(each, keptAs));
  return goes ? { ...record, previous: body } : record;
}
