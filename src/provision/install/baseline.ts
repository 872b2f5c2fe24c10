import { messageOf } from '../../core/errors.ts';
import type { ProgressEvent, Work } from '../../core/progress.ts';
import { type Locker, withLock } from '../../disk/lock.ts';
import {
  type BaselineReport,
  type BaselineRun,
  compareRuns,
  findBaseline,
  keepBaseline,
  type RecordKey,
  type Registry,
} from '../../registry/index.ts';

export interface BaselineParts {
  readonly registry: Registry;
  readonly locker: Locker;
  readonly signal: AbortSignal;
}

/**
 * Compares a run with the last good one of the same suite on the same model, then takes its place if nothing failed.
 * Undefined when there is nothing to compare with. What cannot be read or written is a warning: the smoke test itself
 * was run and its result stands.
 */
export async function* compareWithBaseline(
  key: RecordKey,
  run: BaselineRun,
  parts: BaselineParts,
): Work<BaselineReport | undefined> {
  const { run: before, problem } = await findBaseline(parts.registry, key, run.suite.id);
  if (problem !== undefined) yield { type: 'warning', message: problem.message };
  yield* kept(key, run, parts);
  return before === undefined ? undefined : compareRuns(run, before);
}

/** Remembers a good run for later comparisons. */
export async function* kept(
  key: RecordKey,
  run: BaselineRun,
  { registry, locker, signal }: BaselineParts,
): AsyncGenerator<ProgressEvent, void, undefined> {
  const { kind, endpoint } = key.runtime;
  try {
    await withLock(locker, `${kind} ${endpoint} ${key.name} baselines`, signal, () => keepBaseline(registry, key, run));
  } catch (error) {
    signal.throwIfAborted();
    yield { type: 'warning', message: `this run was not saved for later comparisons: ${messageOf(error)}` };
  }
}
