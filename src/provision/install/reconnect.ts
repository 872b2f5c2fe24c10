import { setTimeout as sleep } from 'node:timers/promises';
import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import type { Runtime } from '../../runtimes/contract.ts';

/** How long taking back may take after a signal, in milliseconds: the process has 2 s to end. */
const AFTER_SIGNAL_MS = 1500;
/** And after a failure, when nobody waits for the process to go. */
const AFTER_FAILURE_MS = 20_000;

/** A fresh signal for taking back: the run's own may be aborted. */
export function rollbackSignal(run: AbortSignal): AbortSignal {
  return AbortSignal.timeout(run.aborted ? AFTER_SIGNAL_MS : AFTER_FAILURE_MS);
}

/** Faults after which a runtime may come back by itself: somebody watches over it, or restarts it. */
const GONE: ReadonlySet<string> = new Set(['runtime-died', 'runtime-unreachable']);

export function isGone(error: unknown): boolean {
  return error instanceof ProvisionError && GONE.has(error.code);
}

/** How long a runtime that went away is waited for, and how often it is asked meanwhile. Milliseconds. */
export interface Reconnect {
  readonly windowMs: number;
  readonly pauseMs: number;
}

export const RECONNECT: Reconnect = { windowMs: 10_000, pauseMs: 250 };

/** Waits for a runtime that went away; false when it does not answer within the window. Throws only when aborted. */
export async function waitForRuntime(
  runtime: Pick<Runtime, 'find'>,
  name: string,
  signal: AbortSignal,
  { windowMs, pauseMs }: Reconnect = RECONNECT,
): Promise<boolean> {
  const until = performance.now() + windowMs;
  for (;;) {
    const answered = await runtime.find(name, signal).then(
      () => true,
      (error: unknown) => !isGone(error),
    );
    signal.throwIfAborted();
    if (answered || performance.now() >= until) return answered;
    await sleep(pauseMs, undefined, { signal });
  }
}

/** Does work once more when the runtime went away under it and came back, as somebody who watches over it may see to. */
export async function* retryAfterReconnect<Result>(
  { runtime, reconnect }: { readonly runtime: Runtime; readonly reconnect?: Reconnect },
  name: string,
  signal: AbortSignal,
  work: () => Work<Result> | Promise<Result>,
): Work<Result> {
  try {
    return yield* asWork(work());
  } catch (error) {
    if (signal.aborted || !isGone(error)) throw error;
    yield { type: 'warning', message: `${runtime.kind} at ${runtime.endpoint} went away; it is waited for` };
    if (!(await waitForRuntime(runtime, name, signal, reconnect))) throw error;
    yield { type: 'warning', message: `${runtime.kind} is back; what was being done is done once more` };
    return yield* asWork(work());
  }
}

async function* asWork<Result>(work: Work<Result> | Promise<Result>): Work<Result> {
  return work instanceof Promise ? await work : yield* work;
}
