import { messageOf, ProvisionError } from '../core/errors.ts';
import { formatDuration } from '../core/units.ts';
import type { Check } from './check.ts';
import { type Finding, warning } from './check.ts';
import { CHECKS } from './checks/all.ts';
import type { DoctorEffects } from './effects.ts';
import type { CheckResult, DoctorReport } from './schema.ts';
import { resolveSettings } from './settings.ts';
import { type DoctorView, openView } from './view.ts';

/** Time of each check, in milliseconds; they run side by side, so it bounds all of them. */
const LIMIT_MS = 8_000;

interface Options {
  readonly checks?: readonly Check[];
  readonly limitMs?: number;
  /** For the first request to the server, which many checks wait for. */
  readonly versionMs?: number;
}

/**
 * Runs every check side by side and returns the results in the order of the list. A check that throws or takes too
 * long becomes a warning with the reason. Throws only when `signal` aborts.
 */
export async function runDoctor(
  effects: DoctorEffects,
  signal: AbortSignal,
  options: Options = {},
): Promise<DoctorReport> {
  const { checks = CHECKS, limitMs = LIMIT_MS } = options;
  // Whatever is still running when the report is ready (a server that never answers) must not outlive it.
  const done = new AbortController();
  const all = AbortSignal.any([signal, done.signal]);
  try {
    const view = openView(effects, all, options.versionMs);
    const results = await Promise.all(checks.map((check) => resultOf(check, view, all, limitMs)));
    signal.throwIfAborted();
    return { checks: results, settings: resolveSettings(effects.configuration) };
  } finally {
    done.abort();
  }
}

async function resultOf(check: Check, view: DoctorView, signal: AbortSignal, limitMs: number): Promise<CheckResult> {
  const { id, title } = check;
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), limitMs);
  try {
    const own = AbortSignal.any([signal, late.signal]);
    return { id, title, ...(await Promise.race([check.run(view, own), aborted(own)])) };
  } catch (error) {
    return { id, title, ...failed(error, late.signal.aborted, limitMs) };
  } finally {
    clearTimeout(timer);
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

function failed(error: unknown, late: boolean, limitMs: number): Finding {
  if (late) {
    return warning(
      `No answer within ${formatDuration(limitMs)}.`,
      'Find what is slow (the server, a network disk, or this machine), then run doctor again.',
    );
  }
  const suggestions = error instanceof ProvisionError ? error.suggestions.join('\n') : '';
  return warning(`Could not be checked: ${messageOf(error)}`, suggestions || 'Fix this, then run doctor again.');
}
