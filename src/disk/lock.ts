import type { Work } from '../core/progress.ts';

export interface HeldLock {
  /** Aborts when the lock was lost (this process slept too long and another took over). */
  readonly lost: AbortSignal;
  /** Releases the lock; a second call does nothing. */
  release(): Promise<void>;
}

/** Mutual exclusion between processes that share a folder, also from several machines. */
export interface Locker {
  /** Waits for the lock as long as the implementation allows. Throws `busy` naming the holder; an abort throws its reason. */
  acquire(name: string, signal: AbortSignal): Promise<HeldLock>;
}

/** Runs `task` while holding the lock `name`; its signal also aborts when the lock is lost. Throws `busy`. */
export async function withLock<Result>(
  locker: Locker,
  name: string,
  signal: AbortSignal,
  task: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const held = await locker.acquire(name, signal);
  try {
    return await task(AbortSignal.any([signal, held.lost]));
  } finally {
    await held.release();
  }
}

/** The same for long work. Throws `busy`. */
export async function* workUnderLock<Result>(
  locker: Locker,
  name: string,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Work<Result>,
): Work<Result> {
  const held = await locker.acquire(name, signal);
  try {
    return yield* work(AbortSignal.any([signal, held.lost]));
  } finally {
    await held.release();
  }
}
