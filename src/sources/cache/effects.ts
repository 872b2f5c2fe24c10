import type { Work } from '../../core/progress.ts';

/**
 * Runs work while it holds a lock between processes. Throws `busy` when a living holder keeps the lock for longer than
 * the implementation waits; whoever calls may try again.
 */
export type Exclusive = <Result>(
  name: string,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Work<Result>,
) => Work<Result>;
