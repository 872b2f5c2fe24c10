import type { Work } from '../../core/progress.ts';
import type { AppContext } from '../context.ts';
import { type InstallFlags, installModel, type Pinned } from '../install/install-model.ts';
import type { Consent } from '../install/licence.ts';
import type { InstallReport } from '../install/schema.ts';
import type { InstallRequest } from '../plan/contract.ts';

interface PinnedFlags {
  readonly frozen: boolean;
  readonly lock?: string | undefined;
}

/** The `install` command: as the user asked, or as a lock file or a published model says. Throws what its parts throw. */
export async function* installRequested(
  app: AppContext,
  asked: InstallRequest,
  flags: InstallFlags & PinnedFlags,
  consent: Consent,
): Work<InstallReport> {
  const pinned = await openPinned(app, asked, flags);
  return yield* installModel(app, pinned?.request ?? asked, flags, consent, pinned);
}

/** Undefined for an install that decides for itself. Throws what reading the lock file or the registry throws. */
async function openPinned(app: AppContext, asked: InstallRequest, flags: PinnedFlags): Promise<Pinned | undefined> {
  if (flags.frozen) {
    const { requireMatch, openFrozen } = await import('./lock.ts');
    const frozen = await openFrozen(app, flags.lock, asked);
    const { request, digest } = frozen;
    const apply: Pinned['apply'] = async function* (planned, suite) {
      return yield* requireMatch(app, frozen, planned, await suite());
    };
    return { request, digest, apply };
  }
  if (!asked.from?.startsWith('oci:')) return undefined;
  const { openPublished } = await import('./published.ts');
  const published = await openPublished(app, asked);
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
