import type { Work } from '../../core/progress.ts';

/** Short work that has nothing to tell. */
// biome-ignore lint/correctness/useYield: it has nothing to tell
export async function* quiet<Result>(task: () => Promise<Result>): Work<Result> {
  return await task();
}
