import { createInterface } from 'node:readline/promises';
import type { Licence } from '../../catalog/schema.ts';
import { printable, type Terminal } from '../../cli/terminal.ts';
import { digestOf } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import { type Locker, withLock } from '../../disk/lock.ts';
import { hasAccepted, type Registry, recordAcceptance } from '../../registry/index.ts';

export interface LicenceOptions {
  /** `--accept-license`. */
  readonly accepted: boolean;
  readonly terminal: Terminal;
  readonly user: string;
  readonly registry: Registry;
  readonly locker: Locker;
  readonly signal: AbortSignal;
}

/** Shows a licence that must be accepted and has not been; records the acceptance. Throws `licence-not-accepted`. */
export async function acceptLicence(licence: Licence, options: LicenceOptions): Promise<void> {
  if (!licence.acceptanceRequired) return;
  const textDigest = digestOf(licence.text);
  if (await hasAccepted(options.registry, { licence: licence.id, textDigest })) return;
  const how = options.accepted ? 'flag' : 'prompt';
  if (!options.accepted && !(await ask(licence, options))) throw notAccepted(licence);
  const acceptance = {
    licence: licence.id,
    textDigest,
    acceptedAt: new Date().toISOString(),
    how,
    user: options.user,
  } as const;
  await withLock(options.locker, 'licences', options.signal, () => recordAcceptance(options.registry, acceptance));
}

async function ask(licence: Licence, { terminal, signal }: LicenceOptions): Promise<boolean> {
  const { stdin } = process;
  if (!terminal.interactive || stdin.isTTY !== true) return false;
  terminal.stderr.write(`\n${printable(licence.title)}\n${licence.url}\n\n${printable(licence.text)}\n\n`);
  if (licence.prohibitedUseUrl) terminal.stderr.write(`Prohibited uses: ${licence.prohibitedUseUrl}\n\n`);
  const prompt = createInterface({ input: stdin, output: terminal.stderr });
  try {
    const answer = await prompt.question('Do you accept this licence? [y/N] ', { signal });
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    prompt.close();
  }
}

function notAccepted(licence: Licence): ProvisionError {
  return new ProvisionError('licence-not-accepted', `the licence of this model is not accepted: ${licence.title}`, {
    suggestions: [`Read it at ${licence.url}, then accept it once for this host with --accept-license.`],
  });
}
