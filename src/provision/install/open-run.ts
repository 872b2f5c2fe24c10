/** Is a run on a name under way, or was one interrupted? */

import { ProvisionError } from '../../core/errors.ts';
import type { Locker } from '../../disk/lock.ts';
import { listJournals, type Registry } from '../../registry/index.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import type { RuntimeIdentity } from '../../runtimes/contract.ts';
import { sameModel } from '../../runtimes/names.ts';
import { lockName } from '../plan/names.ts';

/** A run that a journal records: under way, or interrupted. */
export type OpenRun = 'at-work' | 'interrupted';

export interface RunEffects {
  readonly registry: Registry;
  /** Throws `busy` at once for a lock that is held. */
  readonly impatient: Locker;
}

/** The state of the run on a name, from its journal and lock; undefined where there is no journal. Takes the lock for a moment. */
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
  return (await isLocked(impatient, lockName(own.runtime, own.name), signal)) ? 'at-work' : 'interrupted';
}

/** Checks whether a lock is taken at this moment. `locker`: one that does not wait. */
export async function isLocked(locker: Locker, name: string, signal: AbortSignal): Promise<boolean> {
  try {
    await (await locker.acquire(name, signal)).release();
    return false;
  } catch (error) {
    if (error instanceof ProvisionError && error.code === 'busy') return true;
    throw error;
  }
}

type Endpoint = Pick<RuntimeIdentity, 'kind' | 'endpoint'>;

/** True for a record or journal of a runtime's endpoint. */
export function isIn({ runtime }: { readonly runtime: Endpoint }, { kind, endpoint }: Endpoint): boolean {
  return runtime.kind === kind && runtime.endpoint === endpoint;
}
