import type { ProgressEvent, Work } from '../../core/progress.ts';

/** Often enough for a smooth bar, seldom enough to cost nothing. Milliseconds. */
const TICK_MS = 100;

/** Yields the state of running work each tick until the work ends, and once after; returns or throws as the work does. */
export async function* reportProgress<Result>(work: Promise<Result>, state: () => ProgressEvent): Work<Result> {
  let over = false;
  const ending = work.finally(() => {
    over = true;
  });
  ending.catch(() => {});
  yield state();
  while (!over) {
    await tick(ending);
    if (!over) yield state();
  }
  const result = await ending;
  yield state();
  return result;
}

/** Waits one tick, or shorter if the work ends. Leaves no timer behind that would keep the process running. */
async function tick(ending: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const pause = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, TICK_MS);
  });
  const end = ending.then(
    () => {},
    () => {},
  );
  await Promise.race([pause, end]);
  clearTimeout(timer);
}
