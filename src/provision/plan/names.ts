/** Names that this tool derives from a model's name: of the model under test, and of the lock. */
import { digestOf } from '../../core/digest.ts';
import { slug } from '../../core/slug.ts';
import type { RuntimeIdentity } from '../../runtimes/contract.ts';
import { parseModelName } from '../../runtimes/names.ts';

/** Names of models under test; they never outlive a run, and the next run of the same name sweeps what a crash left. */
export const STAGING_PREFIX = 'gemma-provision-staging:';

/** A staging name that depends on the final name alone, so that a crashed run's remains are found again. */
export function stagingNameOf(name: string): string {
  // The hash keeps apart names that the readable part makes alike.
  const hash = digestOf(parseModelName(name).canonical).slice(7, 15);
  return `${STAGING_PREFIX}${slug(name, 60)}-${hash}`;
}

/** True for names of models under test. */
export function isStagingName(name: string): boolean {
  return name.startsWith(STAGING_PREFIX);
}

/** One install or removal of a name at a time; other names go on beside it. */
export function lockName(runtime: Pick<RuntimeIdentity, 'kind' | 'endpoint'>, name: string): string {
  return `${runtime.kind} ${runtime.endpoint} ${parseModelName(name).canonical}`;
}
