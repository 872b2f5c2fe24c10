import { causesOf, messageOf, ProvisionError } from '../core/errors.ts';
import type { Work } from '../core/progress.ts';
import type { AnswerFinding, RunSuite } from './ask.ts';
import { causeOf, createLimiter, type Limiter, UNLIMITED } from './budget.ts';
import { runCheck } from './run-check.ts';
import { type Check, type CheckResult, Level, type SmokeResult } from './schema.ts';

/**
 * Runs the checks of a suite, level by level; within a budget those that count come before advisory ones. A model that does not load fails everything that counts, at once. Only an
 * abort throws (its reason), and a suite that had to be stopped (`bad-suite`): a runtime that dies or refuses is a
 * failed check with its message as the detail.
 */
export async function* runSuite(run: RunSuite): Work<SmokeResult> {
  const results: CheckResult[] = [];
  let blocked: string | undefined;
  const limiter = run.budget === undefined ? UNLIMITED : createLimiter(run.budget);
  for (const check of inOrder(run)) {
    const result = blocked === undefined ? await resultWithin(limiter, run, check) : notRun(check, blocked);
    results.push(result);
    limiter.observe(result);
    const { id, level, passed, detail, ms, skipped: why, advisory } = result;
    const marks = { ...(advisory && { advisory }), ...(why !== undefined && { skipped: true }) };
    yield { type: 'check', id, level, passed, detail, ms, ...marks };
    if (level === 'loads' && !passed && !result.advisory) blocked ??= id;
  }
  return summaryOf(run, results);
}

function summaryOf({ suite }: RunSuite, checks: CheckResult[]): SmokeResult {
  const advisoryFailed = checks.filter((each) => !each.passed && each.advisory && each.skipped === undefined).length;
  const speeds = checks.flatMap((result) => result.tokensPerSecond ?? []);
  return {
    suite: suite.id,
    passed: checks.filter((result) => result.passed).length,
    failed: checks.filter((result) => !result.passed && !result.advisory).length,
    ...(advisoryFailed > 0 && { advisoryFailed }),
    skipped: checks.filter((result) => result.skipped !== undefined).length,
    checks,
    ...(speeds.length > 0 && { tokensPerSecond: medianOf(speeds) }),
  };
}

function inOrder({ suite, budget }: RunSuite): Check[] {
  const rank = (check: Check): number => Level.options.indexOf(check.level);
  const last = ({ advisory = false }: Check): number => (budget !== undefined && advisory ? 1 : 0);
  return suite.checks.toSorted((a, b) => last(a) - last(b) || rank(a) - rank(b));
}

async function resultWithin(limiter: Limiter, run: RunSuite, check: Check): Promise<CheckResult> {
  const why = limiter.reasonToSkip(check);
  return why === undefined ? resultOfCheck(run, check) : { ...skipped(check, why), ms: 0 };
}

async function resultOfCheck(run: RunSuite, check: Check): Promise<CheckResult> {
  const started = performance.now();
  const ended = (): { ms: number } => ({ ms: performance.now() - started });
  try {
    const outcome = await runCheck(run, check);
    if ('skipped' in outcome) return { ...skipped(check, outcome.skipped), ...ended() };
    const { fault, answer, detail, measured } = outcome;
    return { ...verdict(check, fault), ...(fault === undefined && { detail }), answer, ...ended(), ...measured };
  } catch (error) {
    run.signal.throwIfAborted();
    if (error instanceof ProvisionError && error.code === 'bad-suite') throw error;
    const why = [messageOf(error), ...causesOf(error)].join(': ');
    return { ...verdict(check, hard(`no answer: ${why}`)), answer: '', ...ended() };
  }
}

/** Its own remedy would mislead: the blocker's counts. */
function notRun({ id, level, advisory = false }: Check, blocker: string): CheckResult {
  const detail = `not run: the check ${blocker} failed`;
  return { id, level, passed: false, advisory, detail, answer: '', ms: 0 };
}

function hard(message: string): AnswerFinding {
  return { message, advisory: false };
}

function skipped({ id, level }: Check, reason: string): Omit<CheckResult, 'ms'> {
  return { id, level, passed: false, advisory: true, skipped: reason, detail: `skipped: ${reason}`, answer: '' };
}

type Verdict = Pick<CheckResult, 'id' | 'level' | 'passed' | 'advisory' | 'detail' | 'cause'>;

function verdict({ id, level, advisory = false, remedy }: Check, fault: AnswerFinding | undefined): Verdict {
  if (fault === undefined) return { id, level, passed: true, advisory, detail: '' };
  const detail = remedy === undefined ? fault.message : `${fault.message.replace(/\.$/, '')}. ${remedy}`;
  return { id, level, passed: false, advisory: advisory || fault.advisory, detail, cause: causeOf(fault.message) };
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
