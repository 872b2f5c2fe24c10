import { formatDuration } from '../../core/units.ts';
import type { BaselineReport } from '../../registry/index.ts';
import type { CheckResult, SmokeResult } from '../../smoke/schema.ts';
import { paint, type Terminal } from '../terminal.ts';
import { table } from './table.ts';

/** One line a check, failed ones with what the model said. Failures of one kind are one line, with their number. */
export function smokeText(result: SmokeResult, terminal: Pick<Terminal, 'color'>): string {
  const groups = Map.groupBy(result.checks, groupOf);
  const rows = [...groups.values()].flatMap(([check, ...alike]) =>
    check === undefined
      ? []
      : [[markOf(check, terminal), check.id, check.level, formatDuration(check.ms), detailOf(check, alike)]],
  );
  const speed = result.tokensPerSecond === undefined ? '' : `, ${result.tokensPerSecond.toFixed(1)} tok/s`;
  const verdict = `${countsText(result)} (suite ${result.suite}${speed})`;
  return `${table(['', 'CHECK', 'LEVEL', 'TIME', 'DETAIL'], rows, [3])}\n\n${verdict}`;
}

/** `11 passed, 1 failed, 2 advisory failed, 1 skipped`. */
export function countsText({ passed, failed, advisoryFailed, skipped }: SmokeResult): string {
  const advisory = advisoryFailed ? `, ${advisoryFailed} advisory failed` : '';
  return `${passed} passed, ${failed} failed${advisory}${skipped ? `, ${skipped} skipped` : ''}`;
}

/** Passed checks stand alone. */
function groupOf({ id, passed, advisory, skipped, cause, detail }: CheckResult): string {
  return passed ? id : JSON.stringify([advisory, skipped === undefined, skipped ?? cause ?? detail]);
}

const NAMED = 4;

function detailOf(check: CheckResult, alike: readonly CheckResult[]): string {
  const isNote = !check.passed && check.advisory && check.skipped === undefined;
  const detail = isNote ? `advisory: ${check.detail}` : check.detail;
  if (alike.length === 0) return detail;
  const names = alike.slice(0, NAMED).map(({ id }) => id);
  const more = alike.length > NAMED ? ', …' : '';
  return `${detail} (the same in ${alike.length} more: ${names.join(', ')}${more})`;
}

function markOf({ passed, advisory, skipped }: CheckResult, terminal: Pick<Terminal, 'color'>): string {
  if (skipped !== undefined) return paint(terminal, 'dim', '–');
  if (passed) return paint(terminal, 'green', '✓');
  return advisory ? paint(terminal, 'yellow', '!') : paint(terminal, 'red', '✗');
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
