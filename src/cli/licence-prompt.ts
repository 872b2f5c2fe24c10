import type { Licence } from '../catalog/schema.ts';
import { ask } from './ask.ts';
import type { Terminal } from './terminal.ts';

/** Shows a licence and asks whether the user accepts it. Without a terminal nothing can be asked, so the answer is no. */
export async function confirmLicence(licence: Licence, terminal: Terminal, signal: AbortSignal): Promise<boolean> {
  const { stdin, stderr } = process;
  if (!terminal.interactive || stdin.isTTY !== true) return false;
  terminal.err.text(`\n${licence.title}\n${licence.url}\n\n${licence.text}\n\n`);
  if (licence.prohibitedUseUrl) terminal.err.text(`Prohibited uses: ${licence.prohibitedUseUrl}\n\n`);
  const answer = await ask({ input: stdin, output: stderr }, 'Do you accept this licence? [y/N] ', signal);
  if (answer === undefined) terminal.err.text('\n');
  return /^y(es)?$/i.test(answer?.trim() ?? '');
}
