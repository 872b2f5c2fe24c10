import type { Work } from '../../core/progress.ts';
import { cameBack, isGone } from './clean-up.ts';
import type { ChangeEffects } from './effects.ts';

/** Does work once more when the runtime went away under it and came back, as somebody who watches over it may see to. */
export async function* onceMore<Result>(
  { runtime, reconnect }: Pick<ChangeEffects, 'runtime' | 'reconnect'>,
  name: string,
  signal: AbortSignal,
  work: () => Work<Result> | Promise<Result>,
): Work<Result> {
  try {
    return yield* asWork(work());
  } catch (error) {
    if (signal.aborted || !isGone(error)) throw error;
    yield { type: 'warning', message: `${runtime.kind} at ${runtime.endpoint} went away; it is waited for` };
    if (!(await cameBack(runtime, name, signal, reconnect))) throw error;
    yield { type: 'warning', message: `${runtime.kind} is back; what was being done is done once more` };
    return yield* asWork(work());
  }
}

async function* asWork<Result>(work: Work<Result> | Promise<Result>): Work<Result> {
  return work instanceof Promise ? await work : yield* work;
}
