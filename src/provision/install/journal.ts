import { isDeepStrictEqual } from 'node:util';
import { messageOf, ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import type { ChangeJournal, Restore } from '../../registry/index.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import type { Runtime } from '../../runtimes/contract.ts';
import type { ChangeEffects, RecoveryEffects } from './effects.ts';
import { isGone, rollbackSignal, waitForRuntime } from './reconnect.ts';
import { BROKEN, findModel, sameModelIdentity } from './versions.ts';

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
    throw await rollBackFailed(journalWriter.journal, effects, signal, error);
  } finally {
    // A consumer that gives up returns the generator instead of throwing into it.
    if (open) await rollBackFailed(journalWriter.journal, effects, signal, undefined);
  }
}

/** Takes a change back; returns what is to be thrown. */
async function rollBackFailed(
  journal: ChangeJournal,
  effects: ChangeEffects,
  signal: AbortSignal,
  error: unknown,
): Promise<unknown> {
  const { name, step, after } = journal;
  if (step === 'clean') return error;
  const by = rollbackSignal(signal);
  try {
    if (after !== undefined && step === 'record' && (await isRecorded(after.record, effects)))
      await removeUnneeded(name, after.drop, effects, by);
    else await rollBackReconnecting(journal, effects, by, step === 'promote' && !signal.aborted);
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

async function rollBackReconnecting(
  journal: ChangeJournal,
  effects: ChangeEffects,
  signal: AbortSignal,
  waits: boolean,
): Promise<void> {
  try {
    await rollBack(journal, effects, signal);
  } catch (failed) {
    if (!waits || !isGone(failed)) throw failed;
    if (!(await waitForRuntime(effects.runtime, journal.name, signal, effects.reconnect))) throw failed;
    await rollBack(journal, effects, signal);
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

/** Restores every name and removes what the run made. If the runtime throws, the journal is kept. */
export async function rollBack(
  journal: ChangeJournal,
  { runtime, journals }: Pick<RecoveryEffects, 'runtime' | 'journals'>,
  signal: AbortSignal,
): Promise<void> {
  const { restores, drop } = journal.undo;
  for (const restore of restores) await restoreName(restore, drop, runtime, signal);
  for (const name of drop) await runtime.remove(name, signal);
  await journals.drop(journal.name);
}

async function restoreName(
  restore: Restore,
  drop: readonly string[],
  runtime: Runtime,
  signal: AbortSignal,
): Promise<void> {
  const { name, was, from } = restore;
  const now = await findModel(runtime, name, signal);
  if (was === undefined) {
    if (now !== undefined) await runtime.remove(name, signal);
    return;
  }
  if (now !== undefined && now !== BROKEN && sameModelIdentity(now, was)) return;
  const good = from === undefined ? undefined : await findModel(runtime, from, signal);
  if (from === undefined || good === undefined || good === BROKEN || !sameModelIdentity(good, was))
    throw notRestored(restore);
  try {
    await runtime.copy(from, name, signal);
  } catch {
    // A full disk has room again once the new model is gone.
    for (const other of drop) if (other !== from) await runtime.remove(other, signal);
    await runtime.copy(from, name, signal);
  }
  const after = await findModel(runtime, name, signal);
  if (after === undefined || after === BROKEN || !sameModelIdentity(after, was)) throw notRestored(restore);
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
export async function recordAndClean(
  { name }: Pick<ChangeJournal, 'name'>,
  { record, drop }: NonNullable<ChangeJournal['after']>,
  effects: RecoveryEffects,
  signal: AbortSignal,
): Promise<void> {
  await effects.records.put(record);
  effects.checkpoint?.('record');
  await removeUnneeded(name, drop, effects, signal);
}

/** The last step of a change: what is not needed any more goes, then the journal. */
export async function removeUnneeded(
  name: string,
  drop: readonly string[],
  { runtime, journals, checkpoint }: Pick<RecoveryEffects, 'runtime' | 'journals' | 'checkpoint'>,
  signal: AbortSignal,
): Promise<void> {
  for (const other of drop) await runtime.remove(other, signal);
  checkpoint?.('clean');
  await journals.drop(name);
  checkpoint?.('end');
}
