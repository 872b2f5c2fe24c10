import type { Failure } from '../../core/failure.ts';
import { paint, type Terminal } from '../terminal.ts';

/** `Error: what` / `  caused by: …` / `  → what next`. */
export function failureText(failure: Failure, terminal: Terminal): string {
  const lines = [`${paint(terminal, 'red', 'Error:')} ${failure.message}`];
  for (const cause of failure.causes) {
    if (!failure.message.includes(cause)) lines.push(paint(terminal, 'dim', `  caused by: ${cause}`));
  }
  for (const suggestion of failure.suggestions) lines.push(`  → ${suggestion}`);
  return lines.join('\n');
}
