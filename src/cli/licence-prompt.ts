import { createInterface } from 'node:readline/promises';
import type { Licence } from '../catalog/schema.ts';
import type { Terminal } from './terminal.ts';

/** Shows a licence and asks whether the user accepts it. Without a terminal nothing can be asked, so the answer is no. */
export async function confirmLicence(licence: Licence, terminal: Terminal, signal: AbortSignal): Promise<boolean> {
  const { stdin, stderr } = process;
  if (!terminal.interactive || stdin.isTTY !== true) return false;
  terminal.err.text(`\n${licence.title}\n${licence.url}\n\n${licence.text}\n\n`);
  if (licence.prohibitedUseUrl) terminal.err.text(`Prohibited uses: ${licence.prohibitedUseUrl}\n\n`);
  const prompt = createInterface({ input: stdin, output: stderr });
  try {
    const answer = await prompt.question('Do you accept this licence? [y/N] ', { signal });
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    prompt.close();
  }
}
