import { errnoOf, messageOf } from '../core/errors.ts';
import type { HardwareProbes, ProbeOptions } from './port.ts';

const DEFAULT_TIMEOUT_MS = 5000;

/** What a probe works with: the world, the plain facts, and where it writes down sources and doubts. */
export interface ProbeContext {
  readonly probes: HardwareProbes;
  readonly options: ProbeOptions;
  readonly timeoutMs: number;
  readonly sources: Record<string, string>;
  readonly warnings: string[];
}

export function createProbeContext(probes: HardwareProbes, options: ProbeOptions): ProbeContext {
  return { probes, options, timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS, sources: {}, warnings: [] };
}

export type Outcome<T> =
  | { readonly status: 'done'; readonly value: T }
  | { readonly status: 'failed'; readonly error: unknown }
  | { readonly status: 'timed-out' };

/** Runs one probe with the context's limit; never throws. What it started may still run, but it is not awaited. */
export async function runWithTimeout<T>(context: ProbeContext, work: () => Promise<T>): Promise<Outcome<T>> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<Outcome<T>>((resolve) => {
    timer = setTimeout(() => resolve({ status: 'timed-out' }), context.timeoutMs);
  });
  try {
    return await Promise.race([finished(work), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function finished<T>(work: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { status: 'done', value: await work() };
  } catch (error) {
    return { status: 'failed', error };
  }
}

/** As {@link runWithTimeout}; a probe that fails or hangs leaves a warning and undefined. */
export async function attempt<T>(context: ProbeContext, what: string, work: () => Promise<T>): Promise<T | undefined> {
  const outcome = await runWithTimeout(context, work);
  if (outcome.status === 'done') return outcome.value;
  context.warnings.push(failureText(context, what, outcome));
  return undefined;
}

export function failureText(context: ProbeContext, what: string, outcome: Outcome<unknown>): string {
  if (outcome.status === 'failed') return `${what} failed: ${firstLine(messageOf(outcome.error))}.`;
  return `${what} did not answer within ${context.timeoutMs} ms.`;
}

/** Text of a file, undefined when it cannot be read: for files that many hosts simply do not have. */
export async function readOptional(context: ProbeContext, path: string): Promise<string | undefined> {
  const outcome = await runWithTimeout(context, () => context.probes.readText(path));
  if (outcome.status === 'timed-out') context.warnings.push(failureText(context, `Reading ${path}`, outcome));
  return outcome.status === 'done' ? outcome.value : undefined;
}

/** True when a file or program is simply not there, which is not worth a warning. */
export function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM'].includes(errnoOf(error) ?? '');
}

function firstLine(text: string): string {
  const line = text.trim().split('\n', 1)[0] ?? '';
  return (line.length > 200 ? `${line.slice(0, 200)}…` : line).replace(/\.$/, '');
}
