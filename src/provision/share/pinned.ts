import type { AppContext } from '../context.ts';
import type { Pinned } from '../install/install-model.ts';
import type { InstallRequest } from '../plan/request.ts';

export interface PinnedFlags {
  readonly frozen: boolean;
  readonly lock?: string | undefined;
}

/** Undefined for an install that decides for itself. Throws what reading the lock file or the registry throws. */
export async function openPinned(
  app: AppContext,
  asked: InstallRequest,
  flags: PinnedFlags,
): Promise<Pinned | undefined> {
  if (flags.frozen) {
    const { requireMatch, openFrozen } = await import('./lock.ts');
    const frozen = await openFrozen(flags.lock, asked, app);
    const { request, digest } = frozen;
    const apply: Pinned['apply'] = async function* (planned, suite) {
      return yield* requireMatch(frozen, planned, await suite(), app);
    };
    return { request, digest, apply };
  }
  if (!asked.from?.startsWith('oci:')) return undefined;
  const { openPublished } = await import('./published.ts');
  const published = await openPublished(asked, app);
  if (published === undefined) return undefined;
  const { complete, ...known } = published;
  return {
    ...known,
    // biome-ignore lint/correctness/useYield: it has no progress to report
    async *apply(planned) {
      return complete(planned);
    },
  };
}
