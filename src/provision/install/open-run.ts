/** Is a run on a name under way, or was one interrupted? */

import type { Locker } from '../../disk/lock.ts';
import { listJournals, type Registry } from '../../registry/index.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import { sameModel } from '../../runtimes/names.ts';
import { isHeld, isIn } from '../maintain/gc/runs.ts';
import type { OpenRun } from '../maintain/verify.ts';
import { lockName } from '../plan/plan.ts';

export interface RunEffects {
  readonly registry: Registry;
  /** Throws `busy` at once for a lock that is held. */
  readonly impatient: Locker;
}

/** What the journal of a name and its lock tell; undefined where there is no journal. Takes the lock for a moment. */
export async function openRunOf(
  { name, runtime }: Pick<InstallRecord, 'name' | 'runtime'>,
  { registry, impatient }: RunEffects,
  signal: AbortSignal,
): Promise<OpenRun | undefined> {
  const journals = await listJournals(registry);
  const own = journals.find(
    ({ journal }) => journal && isIn(journal, runtime) && sameModel(journal.name, name),
  )?.journal;
  if (own === undefined) return undefined;
  return (await isHeld(impatient, lockName(own.runtime, own.name), signal)) ? 'at-work' : 'interrupted';
}
