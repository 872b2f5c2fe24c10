/**
 * One server may serve several users and machines that run this tool, each with records and journals of its own: a name
 * that nobody here speaks of may be theirs.
 */

import { formatDuration } from '../../../core/units.ts';
import { fileUsage } from '../../../disk/disk.ts';
import { sameModel } from '../../../runtimes/names.ts';
import { BROKEN, heldOf, keptNameOf, look } from '../../install/held.ts';
import type { GcEffects } from './effects.ts';

/** A run takes hours at most: what is older was left by one that is dead, whoever's it was. Milliseconds. */
export const NAME_GRACE_MS = 24 * 3_600_000;

type Asking = Pick<GcEffects, 'folder' | 'files' | 'now' | 'runtime'>;

/** Why a name may belong to a run of somebody else; undefined when it is too old for that. Only we use the embedded runtime. */
export async function mayBeAtWork(name: string, { folder, files, now }: Asking): Promise<string | undefined> {
  if (folder === undefined) return undefined;
  const unseen = 'its age cannot be seen from here, and another user or machine may be at work with it';
  if ('refused' in folder) return unseen;
  const manifest = (await folder.read()).manifests.find((each) => sameModel(each.name, name));
  const facts = manifest && (await fileUsage(files, manifest.path));
  if (facts === undefined) return unseen;
  const ageMs = now().getTime() - Math.max(facts.modifiedMs, facts.changedMs);
  if (ageMs >= NAME_GRACE_MS) return undefined;
  return `it was made within the last ${formatDuration(NAME_GRACE_MS)}, and another user or machine may be at work with it`;
}

/** Whose earlier version a kept name is, among models without a record here; undefined when it is nobody's. */
export async function keptForOthers(
  name: string,
  ours: readonly string[],
  { runtime }: Pick<Asking, 'runtime'>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const found = await look(runtime, name, signal);
  if (found === undefined || found === BROKEN) return undefined;
  const names = (await runtime.names?.(signal)) ?? [];
  // Its name is made of the model's and of what it holds.
  const owner = names.find((each) => sameModel(keptNameOf(each, heldOf(found)), name));
  return owner === undefined || ours.some((each) => sameModel(each, owner)) ? undefined : owner;
}
