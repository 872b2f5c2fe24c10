import { isDeepStrictEqual } from 'node:util';
import { messageOf, ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import type { ChangeJournal } from '../../registry/index.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import { cameBack, isGone, takingBackSignal } from './clean-up.ts';
import type { ChangeEffects } from './effects.ts';
import { clean, takeBack } from './undo.ts';

type Changes = Partial<Pick<ChangeJournal, 'step' | 'undo' | 'wanted' | 'staged' | 'after'>>;

/** The journal of one run: what it says is on disk before the step that it speaks of. */
export class Ledger {
  #journal: ChangeJournal;
  readonly #effects: ChangeEffects;

  constructor(start: ChangeJournal, effects: ChangeEffects) {
    this.#journal = start;
    this.#effects = effects;
  }

  get journal(): ChangeJournal {
    return this.#journal;
  }

  async write(changes: Changes): Promise<void> {
    this.#journal = { ...this.#journal, ...changes };
    await this.#effects.journals.put(this.#journal);
  }
}

/** The first entry of a run: nothing is made yet. */
export function startOf(
  operation: ChangeJournal['operation'],
  name: string,
  { runtime: { kind, endpoint }, now, toolVersion }: ChangeEffects,
): ChangeJournal {
  return {
    schemaVersion: 1,
    operation,
    name,
    runtime: { kind, endpoint },
    startedAt: now().toISOString(),
    toolVersion,
    step: 'plan',
    undo: { restores: [], drop: [] },
  };
}

/** Runs the steps of a change. Whatever ends them early is taken back; what cannot be now, the next run takes back. */
export async function* takenBackOnFailure<Result>(
  ledger: Ledger,
  effects: ChangeEffects,
  signal: AbortSignal,
  work: Work<Result>,
): Work<Result> {
  let open = true;
  try {
    const result = yield* work;
    open = false;
    return result;
  } catch (error) {
    open = false;
    throw await undo(ledger.journal, effects, signal, error);
  } finally {
    // A consumer that gives up returns the generator instead of throwing into it.
    if (open) await undo(ledger.journal, effects, signal, undefined);
  }
}

/** Takes a change back; returns what is to be thrown. */
async function undo(
  journal: ChangeJournal,
  effects: ChangeEffects,
  signal: AbortSignal,
  error: unknown,
): Promise<unknown> {
  const { name, step, after } = journal;
  if (step === 'clean') return error;
  const by = takingBackSignal(signal);
  try {
    if (after !== undefined && step === 'record' && (await isRecorded(after.record, effects)))
      await clean(name, after.drop, effects, by);
    else await takenBack(journal, effects, by, step === 'promote' && !signal.aborted);
    return error;
  } catch (failed) {
    // Staging and kept names are in the journal, which stays: the next run on this name brings it to its end.
    if (signal.aborted || isGone(failed) || after === undefined) return error;
    return notGivenBack(name, error, failed);
  }
}

/** A write can fail after the file is in place. */
async function isRecorded(record: InstallRecord, { records }: ChangeEffects): Promise<boolean> {
  return isDeepStrictEqual(await records.find(record.name), record);
}

async function takenBack(
  journal: ChangeJournal,
  effects: ChangeEffects,
  signal: AbortSignal,
  waits: boolean,
): Promise<void> {
  try {
    await takeBack(journal, effects, signal);
  } catch (failed) {
    if (!waits || !isGone(failed)) throw failed;
    if (!(await cameBack(effects.runtime, journal.name, signal, effects.reconnect))) throw failed;
    await takeBack(journal, effects, signal);
  }
}

function notGivenBack(name: string, error: unknown, failed: unknown): ProvisionError {
  return new ProvisionError(
    'needs-repair',
    `${messageOf(error)} And ${name} could not be given back what it held: ${messageOf(failed)}`,
    {
      cause: error,
      suggestions: [
        "Make room on the disk of the runtime's models folder.",
        `Then put it right: gemma-provision repair ${name}`,
      ],
    },
  );
}
