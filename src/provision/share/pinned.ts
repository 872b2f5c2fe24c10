import type { Digest } from '../../core/digest.ts';
import type { Work } from '../../core/progress.ts';
import type { Suite } from '../../smoke/schema.ts';
import type { AppContext } from '../context.ts';
import type { InstallPlan } from '../plan/plan.ts';
import type { InstallRequest } from '../plan/request.ts';

/** What was written down of an install before: a lock file that is to be obeyed, or what a published model came with. */
export interface Pinned {
  /** What the user asked for, with the rest as it was written down. */
  readonly request: InstallRequest;
  /** Of what was written down: for the record. */
  readonly digest: Digest;
  /** Its own smoke suite. */
  readonly suite?: Suite;
  /** The plan as it was written down. Throws `lock-differs` where that cannot be, before anything is changed or fetched. */
  settle(planned: InstallPlan, suite: () => Promise<Suite | undefined>): Work<InstallPlan>;
}

export interface PinnedFlags {
  readonly frozen: boolean;
  readonly lock?: string | undefined;
}

/** Undefined for an install that decides for itself. Throws what reading the lock file or the registry throws. */
export async function openPinned(
  asked: InstallRequest,
  flags: PinnedFlags,
  app: AppContext,
): Promise<Pinned | undefined> {
  if (flags.frozen) {
    const { requireMatch, openFrozen } = await import('./lock.ts');
    const frozen = await openFrozen(flags.lock, asked, app);
    const { request, digest } = frozen;
    const settle: Pinned['settle'] = async function* (planned, suite) {
      return yield* requireMatch(frozen, planned, await suite(), app);
    };
    return { request, digest, settle };
  }
  const { openPublished } = await import('./published.ts');
  const published = await openPublished(asked, app);
  if (published === undefined) return undefined;
  const { complete, ...known } = published;
  return {
    ...known,
    // biome-ignore lint/correctness/useYield: it has nothing to tell
    async *settle(planned) {
      return complete(planned);
    },
  };
}
