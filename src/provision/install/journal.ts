import { isDeepStrictEqual } from 'node:util';
import { messageOf, ProvisionError } from '../../core/errors.ts';
import { drive, type Work } from '../../core/progress.ts';
import type { ChangeJournal, Held, Restore } from '../../registry/index.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import type { Runtime } from '../../runtimes/contract.ts';
import type { ChangeEffects, RecoveryEffects } from './effects.ts';
import { isGone, rollbackSignal, waitForRuntime } from './reconnect.ts';
import {
  BROKEN,
  findModel,
  isSurelySame,
  leftAlone,
  mayBelongTo,
  removeIfOurs,
  sameModelIdentity,
} from './versions.ts';

type Changes = Partial<Pick<ChangeJournal, 'step' | 'undo' | 'wanted' | 'staged' | 'after'>>;

/** The journal of one run: what it says is on disk before the step that it speaks of. */
export class JournalWriter {
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
export function newJournal(
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

/** Runs the steps of a change. An error or an abort rolls the change back; if that is impossible now, the next run does it. */
export async function* rollBackOnFailure<Result>(
  journalWriter: JournalWriter,
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
    throw yield* rollBackFailed(journalWriter.journal, effects, signal, error);
  } finally {
    // A consumer that gives up returns the generator instead of throwing into it, and hears no warning any more.
    if (open) await drive(rollBackFailed(journalWriter.journal, effects, signal, undefined), () => undefined);
  }
}

/** Takes a change back; returns what is to be thrown. */
async function* rollBackFailed(
  journal: ChangeJournal,
  effects: ChangeEffects,
  signal: AbortSignal,
  error: unknown,
): Work<unknown> {
  const { name, step, after } = journal;
  if (step === 'clean') return error;
  const by = rollbackSignal(signal);
  try {
    if (after !== undefined && step === 'record' && (await isRecorded(after.record, effects)))
      yield* removeUnneeded(journal, after.drop, effects, by);
    else yield* rollBackReconnecting(journal, effects, by, step === 'promote' && !signal.aborted);
    return error;
  } catch (failed) {
    // Staging and kept names are in the journal, which stays: the next run on this name brings it to its end.
    if (signal.aborted || isGone(failed) || after === undefined) return error;
    return rollbackFailed(name, error, failed);
  }
}

/** A write can fail after the file is in place. */
async function isRecorded(record: InstallRecord, { records }: ChangeEffects): Promise<boolean> {
  return isDeepStrictEqual(await records.find(record.name), record);
}

async function* rollBackReconnecting(
  journal: ChangeJournal,
  effects: ChangeEffects,
  signal: AbortSignal,
  waits: boolean,
): Work<void> {
  try {
    yield* rollBack(journal, effects, signal);
  } catch (failed) {
    if (!waits || !isGone(failed)) throw failed;
    if (!(await waitForRuntime(effects.runtime, journal.name, signal, effects.reconnect))) throw failed;
    yield* rollBack(journal, effects, signal);
  }
}

function rollbackFailed(name: string, error: unknown, failed: unknown): ProvisionError {
  return new ProvisionError(
    'needs-repair',
    `${messageOf(error)} In addition, ${name} could not be restored: ${messageOf(failed)}`,
    {
      cause: error,
      suggestions: [
        "Free some space on the disk of the runtime's models folder.",
        `Then repair it: gemma-provision repair ${name}`,
      ],
    },
  );
}

/** Rolling a change back by its journal, and completing it. Both can be repeated at any time. */

/** What a run put under names: what it staged, and what passed its tests. */
function madeBy({ staged, after }: Pick<ChangeJournal, 'staged' | 'after'>): Held[] {
  return [staged?.held, after?.held].filter((held) => held !== undefined);
}

/**
 * Restores every name and removes what the run made. A name that has neither what it had before nor what the run put
 * there was changed by somebody else since: it is left alone and reported. If the runtime throws, the journal is kept.
 */
export async function* rollBack(
  journal: ChangeJournal,
  { runtime, journals }: Pick<RecoveryEffects, 'runtime' | 'journals'>,
  signal: AbortSignal,
): Work<void> {
  const { restores, drop } = journal.undo;
  const ours = { owner: journal.name, made: madeBy(journal) };
  for (const restore of restores)
    if (!(await restoreName(restore, { drop, ...ours }, runtime, signal))) yield leftAlone(restore.name);
  for (const name of drop) if (!(await removeIfOurs(name, ours, runtime, signal))) yield leftAlone(name);
  await journals.drop(journal.name);
}

interface Undo {
  readonly drop: readonly string[];
  readonly owner: string;
  readonly made: readonly Held[];
}

/** False: the name has a model that is not ours. */
async function restoreName(
  restore: Restore,
  { drop, owner, made }: Undo,
  runtime: Runtime,
  signal: AbortSignal,
): Promise<boolean> {
  const { name, was, from } = restore;
  if (!mayBelongTo(name, owner)) return false;
  const now = await findModel(runtime, name, signal);
  const isOurs = now === undefined || now === BROKEN || made.some((held) => isSurelySame(now, held));
  if (was === undefined) {
    if (now !== undefined && isOurs) await runtime.remove(name, signal);
    return isOurs;
  }
  if (now !== undefined && now !== BROKEN && sameModelIdentity(now, was)) return true;
  if (!isOurs) return false;
  const good = from === undefined ? undefined : await findModel(runtime, from, signal);
  if (from === undefined || good === undefined || good === BROKEN || !sameModelIdentity(good, was))
    throw notRestored(restore);
  try {
    await runtime.copy(from, name, signal);
  } catch {
    // A full disk has room again once the new model is gone.
    for (const other of drop) if (other !== from) await removeIfOurs(other, { owner, made }, runtime, signal);
    await runtime.copy(from, name, signal);
  }
  const after = await findModel(runtime, name, signal);
  if (after === undefined || after === BROKEN || !sameModelIdentity(after, was)) throw notRestored(restore);
  return true;
}

function notRestored({ name }: Restore): ProvisionError {
  return new ProvisionError('needs-repair', `${name} could not be restored to its previous model`, {
    suggestions: [
      "Free some space on the disk of the runtime's models folder, then run the command again.",
      `Or repair it from the cache: gemma-provision repair ${name}`,
    ],
  });
}

/** Writes the record of a model that has its name, then removes what only the way there needed. */
export async function* recordAndClean(
  journal: ChangeJournal,
  { record, drop }: NonNullable<ChangeJournal['after']>,
  effects: RecoveryEffects,
  signal: AbortSignal,
): Work<void> {
  await effects.records.put(record);
  effects.checkpoint?.('record');
  yield* removeUnneeded(journal, drop, effects, signal);
}

/** The last step of a change: what is not needed any more goes, then the journal. */
export async function* removeUnneeded(
  journal: Pick<ChangeJournal, 'name' | 'staged' | 'after'>,
  drop: readonly string[],
  { runtime, journals, checkpoint }: Pick<RecoveryEffects, 'runtime' | 'journals' | 'checkpoint'>,
  signal: AbortSignal,
): Work<void> {
  const ours = { owner: journal.name, made: madeBy(journal) };
  for (const other of drop) if (!(await removeIfOurs(other, ours, runtime, signal))) yield leftAlone(other);
  checkpoint?.('clean');
  await journals.drop(journal.name);
  checkpoint?.('end');
}
