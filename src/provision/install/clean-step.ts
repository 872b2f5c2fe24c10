import type { ProgressEvent } from '../../core/progress.ts';
import type { ChangeEffects } from './effects.ts';
import type { Steps } from './steps.ts';
import { clean } from './undo.ts';

/** The change is recorded: what will not go now is a warning, not a failure, and its journal stays for the next run. */
export async function* cleanStep(
  name: string,
  drop: readonly string[],
  steps: Steps,
  effects: ChangeEffects,
  signal: AbortSignal,
): AsyncGenerator<ProgressEvent, void, undefined> {
  try {
    yield* steps.run('clean', async () => ({ result: await clean(name, drop, effects, signal) }));
  } catch {
    const what = drop.length === 0 ? 'its journal' : drop.join(', ');
    yield { type: 'warning', message: `${what} could not be removed; the next run on ${name} does it` };
  }
}
