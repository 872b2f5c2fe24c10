/** `install` and `upgrade`, where what is installed may be decided already: by a lock file or by whoever published it. */

import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import { schemeOf } from '../../sources/reference.ts';
import type { AppContext } from '../context.ts';
import { type InstallFlags, installModel, type Pinned } from '../install/install-model.ts';
import type { Consent } from '../install/licence.ts';
import type { InstallReport, UpgradeReport } from '../install/schema.ts';
import { type UpgradeFlags, upgrade } from '../maintain/upgrade.ts';
import type { InstallRequest } from '../plan/contract.ts';

interface PinnedFlags {
  readonly frozen: boolean;
  readonly lock?: string | undefined;
  /** Public keys, instead of those of the configuration. */
  readonly key?: readonly string[] | undefined;
}

/** The `install` command: as the user asked, or as a lock file or a published model says. Throws what its parts throw. */
export async function* installRequested(
  app: AppContext,
  asked: InstallRequest,
  flags: InstallFlags & PinnedFlags,
  consent: Consent,
): Work<InstallReport> {
  const pinned = flags.frozen ? await openLocked(app, asked, flags) : await openNamed(app, asked, flags.key);
  return yield* installModel(app, pinned?.request ?? asked, flags, consent, pinned);
}

/** The `upgrade` command. Throws what its parts throw. */
export function upgradeInstalled(
  app: AppContext,
  name: string | undefined,
  flags: UpgradeFlags,
  consent: Consent,
): Work<UpgradeReport> {
  // The sampling of the record is the one that was published, not the user's own.
  const pin = ({ sampling: _sampling, ...request }: InstallRequest) => openNamed(app, request, undefined);
  return upgrade(app, name, { ...flags, pin }, consent);
}

/** What `--from` names; undefined for an install that decides for itself. */
async function openNamed(
  app: AppContext,
  asked: InstallRequest,
  keyFiles: readonly string[] | undefined,
): Promise<Pinned | undefined> {
  requireVerifiable(asked, keyFiles);
  if (asked.from === undefined || schemeOf(asked.from) !== 'oci') return undefined;
  const { openPublished } = await import('./published.ts');
  const published = await openPublished(app, asked, keyFiles);
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

/** A lock file pins every byte, so that keys of the configuration are not asked; one that is given is. */
async function openLocked(app: AppContext, asked: InstallRequest, flags: PinnedFlags): Promise<Pinned> {
  const { requireMatch, openFrozen } = await import('./lock.ts');
  const frozen = await openFrozen(app, flags.lock, asked);
  const { request, digest } = frozen;
  const signed = flags.key === undefined ? undefined : await openNamed(app, { ...request, force: true }, flags.key);
  const apply: Pinned['apply'] = async function* (planned, suite) {
    return yield* requireMatch(app, frozen, planned, await suite());
  };
  return { request, digest, apply, ...(signed?.signedBy !== undefined && { signedBy: signed.signedBy }) };
}

/** A key that would verify nothing must not look as if it did. */
function requireVerifiable({ from }: InstallRequest, keyFiles: readonly string[] | undefined): void {
  if (keyFiles === undefined || (from !== undefined && schemeOf(from) === 'oci')) return;
  throw new ProvisionError('bad-usage', '--key verifies published models only: --from oci:HOST/REPOSITORY:TAG', {
    suggestions: [
      'Omit --key, or use --digest to pin the file.',
      'For a bundle: gemma-provision bundle install FILE --key KEY',
    ],
  });
}
