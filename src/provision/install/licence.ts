import { userInfo } from 'node:os';
import type { Licence } from '../../catalog/schema.ts';
import { digestOf } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import { withLock } from '../../disk/lock.ts';
import { hasAccepted, recordAcceptance } from '../../registry/index.ts';
import type { AppContext } from '../context.ts';

/** How the user accepts a licence. */
export interface Consent {
  /** `--accept-license`. */
  readonly accepted: boolean;
  /** Shows the licence and asks; false where the user cannot be asked. */
  confirm(licence: Licence): Promise<boolean>;
}

/** Asks for a licence that must be accepted and has not been; records the acceptance. Throws `licence-not-accepted`. */
export async function acceptLicence(app: AppContext, licence: Licence, consent: Consent): Promise<void> {
  if (!licence.acceptanceRequired) return;
  const textDigest = digestOf(licence.text);
  const registry = await app.registry();
  if (await hasAccepted(registry, { licence: licence.id, textDigest })) return;
  const how = consent.accepted ? 'flag' : 'prompt';
  if (!consent.accepted && !(await consent.confirm(licence))) throw notAccepted(licence);
  const acceptance = {
    licence: licence.id,
    textDigest,
    acceptedAt: new Date().toISOString(),
    how,
    user: userName(),
  } as const;
  await withLock(await app.locker(), 'licences', app.options.signal, () => recordAcceptance(registry, acceptance));
}

function notAccepted(licence: Licence): ProvisionError {
  return new ProvisionError(
    'licence-not-accepted',
    `the licence of this model has not been accepted: ${licence.title}`,
    {
      suggestions: [`Read it at ${licence.url}, then accept it once for this host with --accept-license.`],
    },
  );
}

/** The user of a container may have a number alone. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `#${process.getuid?.() ?? 'unknown'}`;
  }
}
