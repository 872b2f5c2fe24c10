import { setTimeout as sleep } from 'node:timers/promises';
import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import type { Runtime } from '../../runtimes/contract.ts';

/** How long taking back may take after a signal, in milliseconds: the process has 2 s to end. */
const AFTER_SIGNAL_MS = 1500;
/** And after a failure, when nothing waits for the process to exit. */
const AFTER_FAILURE_MS = 20_000;

/** A fresh signal for taking back: the run's own may be aborted. */
export function rollbackSignal(run: AbortSignal): AbortSignal {
  return AbortSignal.timeout(run.aborted ? AFTER_SIGNAL_MS : AFTER_FAILURE_MS);
}

/** Errors after which a runtime may come back by itself: a supervisor or a user restarts it. */
const GONE: ReadonlySet<string> = new Set(['runtime-died', 'runtime-unreachable']);

export function isGone(error: unknown): boolean {
  return error instanceof ProvisionError && GONE.has(error.code);
}

/** How long to wait for a runtime that stopped responding, and how often to poll it. Milliseconds. */
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

/** Retries work after the runtime stopped responding and came back, for example restarted by a supervisor. */
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
    yield { type: 'warning', message: `${runtime.kind} at ${runtime.endpoint} stopped responding; waiting for it` };
    if (!(await waitForRuntime(runtime, name, signal, reconnect))) throw error;
    yield { type: 'warning', message: `reconnected to ${runtime.kind}; retrying` };
    return yield* asWork(work());
  }
}

async function* asWork<Result>(work: Work<Result> | Promise<Result>): Work<Result> {
  return work instanceof Promise ? await work : yield* work;
}
