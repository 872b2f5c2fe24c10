import * as z from 'zod';
import { formatDuration } from '../core/units.ts';
import { describeDifference } from './difference.ts';
import type { CheckResult, SmokeResult } from './schema.ts';

/**
 * `failed`: passed before and fails now. `skipped`: was run before and could not be run now. `vanished`: the suite no
 * longer has it. `answer-changed`: another answer at temperature 0, good by its judges both times. `slower`: fewer
 * tokens per second. `slower-start`: a longer cold start.
 */
export const RegressionKind = z.enum(['failed', 'skipped', 'vanished', 'answer-changed', 'slower', 'slower-start']);
export type RegressionKind = z.infer<typeof RegressionKind>;

export const Regression = z.strictObject({
  kind: RegressionKind,
  /** Id of the check; absent for the suite as a whole. */
  check: z.string().optional(),
  /** `worse` is a loss; `told` (reported only) may not be one: an advisory check, another good answer, a speed within what a busy host explains. */
  weight: z.enum(['worse', 'told']),
  message: z.string(),
});
export type Regression = z.infer<typeof Regression>;

/**
 * Below these shares of the speed before, a model is called slower. Decode speed on a quiet host varies by a few
 * percent from run to run, beside one other busy process by a quarter or a third: below 70 % is reported. A GPU that is no longer
 * used, or a model that no longer fits into its memory, costs far more than half: below 50 % is worse.
 */
const REPORTED_SPEED = 0.7;
const WORSE_SPEED = 0.5;
/** A cold start reads the file, from the disk or from the page cache: twice as long means little, four times is reported. */
const SLOW_START = 4;
/** Below a second more, a cold start is noise. */
const START_NOISE_MS = 1000;

/** Characters of an answer that are compared, and worth being kept for that. */
const COMPARED = 2000;

/** The part of an answer that `compareWithBaseline` looks at. */
export function comparedPart(answer: string): string {
  return answer.slice(0, COMPARED);
}

/**
 * What is worse `now` than `before`, worst first; improvements are not reported. For a model that no longer loads, only that is reported.
 * Pure.
 */
export function compareWithBaseline(now: SmokeResult, before: SmokeResult): Regression[] {
  const after = new Map(now.checks.map((check) => [check.id, check]));
  const blocker = now.checks.find(({ level, passed, advisory }) => level === 'loads' && !passed && !advisory);
  const comparable = before.checks.filter(({ id }) => blocker === undefined || id === blocker.id);
  const found = [
    ...comparable.flatMap((check) => compareCheck(check, after.get(check.id))),
    ...compareSpeed(undefined, now.tokensPerSecond, before.tokensPerSecond),
  ];
  return found.toSorted((a, b) => Number(a.weight === 'told') - Number(b.weight === 'told'));
}

function compareCheck(before: CheckResult, now: CheckResult | undefined): Regression[] {
  const { id: check } = before;
  // What did not pass before cannot have got worse.
  if (!before.passed) return [];
  if (now === undefined) return [{ kind: 'vanished', check, weight: 'told', message: 'is no longer in the suite' }];
  const weight = before.advisory ? 'told' : 'worse';
  if (now.skipped !== undefined)
    return [{ kind: 'skipped', check, weight, message: `is no longer run: ${now.skipped}` }];
  if (!now.passed)
    return [
      { kind: 'failed', check, weight: now.advisory ? 'told' : 'worse', message: `passed before, now: ${now.detail}` },
    ];
  return [...compareAnswer(now, before), ...comparePace(now, before)];
}

function compareAnswer(now: CheckResult, before: CheckResult): Regression[] {
  const difference = describeDifference(comparedPart(now.answer), comparedPart(before.answer));
  if (difference === undefined) return [];
  const message = `gives a different answer at temperature 0: ${difference}`;
  return [{ kind: 'answer-changed', check: now.id, weight: 'told', message }];
}

function comparePace({ id, pace: now }: CheckResult, { pace: before }: CheckResult): Regression[] {
  const speed = compareSpeed(id, now?.warm.tokensPerSecond, before?.warm.tokensPerSecond);
  const [cold, coldBefore] = [now?.cold?.firstTokenMs, before?.cold?.firstTokenMs];
  if (cold === undefined || coldBefore === undefined) return speed;
  if (cold < coldBefore * SLOW_START || cold - coldBefore < START_NOISE_MS) return speed;
  const message = `the first token of a cold start took ${formatDuration(coldBefore)} before, now ${formatDuration(cold)}`;
  return [...speed, { kind: 'slower-start', check: id, weight: 'told', message }];
}

function compareSpeed(check: string | undefined, now: number | undefined, before: number | undefined): Regression[] {
  if (now === undefined || before === undefined || now >= before * REPORTED_SPEED) return [];
  const percent = Math.round((now / before) * 100);
  const message = `${now.toFixed(1)} tokens per second, ${percent} % of the ${before.toFixed(1)} before`;
  const weight = now < before * WORSE_SPEED ? 'worse' : 'told';
  return [{ kind: 'slower', ...(check !== undefined && { check }), weight, message }];
}
