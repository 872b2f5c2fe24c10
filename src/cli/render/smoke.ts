import { formatDuration } from '../../core/units.ts';
import type { BaselineReport } from '../../registry/index.ts';
import type { CheckResult, SmokeResult } from '../../smoke/schema.ts';
import { paint, type Terminal } from '../terminal.ts';
import { table } from './table.ts';

/** One line a check, failed ones with what the model said. */
export function smokeText(result: SmokeResult, terminal: Terminal): string {
  const rows = result.checks.map((check) => [
    markOf(check, terminal),
    check.id,
    check.level,
    formatDuration(check.ms),
    check.detail,
  ]);
  const speed = result.tokensPerSecond === undefined ? '' : `, ${result.tokensPerSecond.toFixed(1)} tok/s`;
  const skipped = result.skipped ? `, ${result.skipped} skipped` : '';
  const verdict = `${result.passed} passed, ${result.failed} failed${skipped} (suite ${result.suite}${speed})`;
  return `${table(['', 'CHECK', 'LEVEL', 'TIME', 'DETAIL'], rows, [3])}\n\n${verdict}`;
}

function markOf({ passed, advisory, skipped }: CheckResult, terminal: Terminal): string {
  if (skipped !== undefined) return paint(terminal, 'dim', '–');
  return passed ? paint(terminal, 'green', '✓') : paint(terminal, advisory ? 'yellow' : 'red', '✗');
}

/** What got worse since the last good run, and what else is different since. */
export function baselineText({ at, changes, regressions }: BaselineReport, terminal: Terminal): string {
  const since = `Since the last good run of ${at}`;
  if (regressions.length === 0) return `${since}, nothing got worse.`;
  const lines = regressions.map(({ weight, check, message }) => {
    // Never ✗: what got worse is reported and does not decide the exit code.
    const mark = paint(terminal, weight === 'worse' ? 'red' : 'yellow', '!');
    return `${mark} ${check === undefined ? '' : `${check}: `}${message}`;
  });
  const why = changes.length === 0 ? [] : [`  Changes since then: ${changes.join('; ')}.`];
  return [`${since}:`, ...lines, ...why].join('\n');
}
