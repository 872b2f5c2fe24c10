import type { ProgressEvent, Work } from '../../core/progress.ts';
import type { ChangeEffects } from './effects.ts';
import { removeUnneeded } from './journal.ts';
import type { Step, StepId } from './schema.ts';

const TITLES: Readonly<Record<StepId, string>> = {
  fetch: 'Download the file',
  verify: 'Verify the file',
  pull: 'Pull from the library',
  store: 'Create under a staging name',
  smoke: 'Smoke test',
  prove: 'Verify the prompt',
  promote: 'Rename to the final name',
  record: 'Write the record',
  clean: 'Clean up',
};

/** What one step did, besides its result. */
export interface StepOutcome<Result> {
  readonly result: Result;
  readonly bytes?: number;
  readonly detail?: string;
}

/** Times the steps and reports them as events; the list goes into the report. */
export class Steps {
  readonly #now: () => number;
  readonly list: Step[] = [];

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Runs one step: long work that reports its progress, or a promise without progress. */
  async *run<Result>(id: StepId, step: Work<StepOutcome<Result>> | (() => Promise<StepOutcome<Result>>)): Work<Result> {
    const startedAt = this.#now();
    const title = TITLES[id];
    yield { type: 'phase', id, title, status: 'started' };
    try {
      const { result, bytes = 0, detail } = typeof step === 'function' ? await step() : yield* step;
      this.list.push({ id, status: 'done', ms: this.#now() - startedAt, bytes });
      yield { type: 'phase', id, title, status: 'done', ...(detail !== undefined && { detail }) };
      return result;
    } catch (error) {
      this.list.push({ id, status: 'failed', ms: this.#now() - startedAt, bytes: 0 });
      yield { type: 'phase', id, title, status: 'failed' };
      throw error;
    }
  }

  *skip(id: StepId, detail: string): Generator<ProgressEvent, void, undefined> {
    this.list.push({ id, status: 'skipped', ms: 0, bytes: 0 });
    yield { type: 'phase', id, title: TITLES[id], status: 'skipped', detail };
  }
}

/** The change is recorded already, so what cannot be removed now is a warning; its journal stays for the next run. */
export async function* cleanStep(
  journal: Parameters<typeof removeUnneeded>[0],
  drop: readonly string[],
  steps: Steps,
  effects: ChangeEffects,
  signal: AbortSignal,
): AsyncGenerator<ProgressEvent, void, undefined> {
  try {
    yield* steps.run(
      'clean',
      (async function* () {
        return { result: yield* removeUnneeded(journal, drop, effects, signal) };
      })(),
    );
  } catch {
    const what = drop.length === 0 ? 'its journal' : drop.join(', ');
    yield { type: 'warning', message: `${what} could not be removed; the next run on ${journal.name} will remove it` };
  }
}
