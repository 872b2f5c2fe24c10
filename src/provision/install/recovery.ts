/** An interrupted run is brought to a definite state before anything else happens to its name. */
import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import type { Locker } from '../../disk/lock.ts';
import { workUnderLock } from '../../disk/lock.ts';
import type { ChangeJournal, RemoveJournal } from '../../registry/index.ts';
import type { StoredModel } from '../../runtimes/contract.ts';
import { sameModel } from '../../runtimes/names.ts';
import type { InstallPlan } from '../plan/contract.ts';
import { lockName, stagingNameOf } from '../plan/names.ts';
import type { ChangeEffects, RecoveryEffects } from './effects.ts';
import { JournalWriter, newJournal, recordAndClean, removeUnneeded, rollBack } from './journal.ts';
import { installKey, stagedNameOf } from './stage.ts';
import { BROKEN, findModel, isSurelySame, leftAlone, removeIfOurs, sameModelIdentity } from './versions.ts';

/** A whole, untested model that an interrupted install left; its journal stays until it is taken up or discarded. */
export type InterruptedInstall = ChangeJournal & { readonly staged: NonNullable<ChangeJournal['staged']> };

/**
 * Takes the lock of a name, recovers what a crashed run left, then works. Every command that changes a name goes through
 * here. Throws `busy`, and `bad-record` for a journal of a newer version.
 */
export function workOnName<Result>(
  name: string,
  effects: RecoveryEffects & { readonly locker: Locker },
  signal: AbortSignal,
  work: (signal: AbortSignal) => Work<Result> | Promise<Result>,
): Work<Result> {
  return workUnderLock(effects.locker, lockName(effects.runtime, name), signal, async function* (held) {
    effects.checkpoint?.('lock');
    yield* recover(name, effects, held);
    const task = work(held);
    return task instanceof Promise ? await task : yield* task;
  });
}

/** Brings an interrupted run on a name to a definite state, and reports which. Call it under the lock of the name. */
export async function* recover(name: string, effects: RecoveryEffects, signal: AbortSignal): Work<void> {
  const left = yield* recoverForInstall(name, effects, signal);
  if (left !== undefined) yield* resolveInterrupted(left, effects, signal);
}

/**
 * As `recover`, for an install: what is staged whole and untested is not thrown away but returned, since the same install
 * may go on with it.
 */
export async function* recoverForInstall(
  name: string,
  effects: RecoveryEffects,
  signal: AbortSignal,
): Work<InterruptedInstall | undefined> {
  const found = await effects.journals.find(name);
  if (found === undefined) return undefined;
  if ('savedAs' in found) yield* dropStaging(name, found.savedAs, effects, signal);
  else if (found.journal.operation === 'remove') yield* finishInterruptedRemoval(found.journal, effects, signal);
  else {
    const { staged, after, operation } = found.journal;
    if (operation === 'install' && staged !== undefined && after === undefined) return { ...found.journal, staged };
    yield* resolveInterrupted(found.journal, effects, signal);
  }
  return undefined;
}

/** It is unknown what the run did, so only what has no other use is removed. */
async function* dropStaging(
  name: string,
  savedAs: string,
  { runtime }: Pick<RecoveryEffects, 'runtime'>,
  signal: AbortSignal,
): Work<void> {
  await runtime.remove(stagingNameOf(name), signal);
  yield {
    type: 'warning',
    message: `an earlier run on ${name} was interrupted and its journal cannot be read; the journal was saved as ${savedAs}`,
  };
}

/** Completes the run when the name has the new model or nothing older is available; otherwise rolls it back. */
export async function* resolveInterrupted(
  journal: ChangeJournal,
  effects: RecoveryEffects,
  signal: AbortSignal,
): Work<void> {
  const { name, operation, step, after } = journal;
  const summary = `the last ${operation} of ${name} was interrupted (step ${step})`;
  if (after !== undefined && (await nameHas(name, after.held, effects, signal))) {
    yield* recordAndClean(journal, after, effects, signal);
    yield { type: 'warning', message: `${summary}; the new model had passed its tests and is now recorded` };
    return;
  }
  try {
    yield* rollBack(journal, effects, signal);
    yield { type: 'warning', message: `${summary} and was rolled back` };
  } catch (error) {
    if (!(error instanceof ProvisionError) || error.code !== 'needs-repair') throw error;
    yield* promoteInterrupted(journal, error, summary, effects, signal);
  }
}

/** The old model is gone: the new one replaces it if it was tested; otherwise the user has to repair the name. */
async function* promoteInterrupted(
  journal: ChangeJournal,
  { message, suggestions }: ProvisionError,
  summary: string,
  effects: RecoveryEffects,
  signal: AbortSignal,
): Work<void> {
  const { name, staged, after, undo } = journal;
  if (after !== undefined && staged !== undefined && (await nameHas(staged.name, after.held, effects, signal))) {
    await effects.runtime.copy(staged.name, name, signal);
    if (await nameHas(name, after.held, effects, signal)) {
      yield* recordAndClean(journal, after, effects, signal);
      yield {
        type: 'warning',
        message: `${summary}; ${message}, so the new model, which had passed its tests, replaced it`,
      };
      return;
    }
  }
  yield* removeUnneeded(journal, undo.drop, effects, signal);
  yield { type: 'warning', message: [`${summary}; ${message}.`, ...suggestions].join(' ') };
}

async function nameHas(
  name: string,
  held: Parameters<typeof sameModelIdentity>[0],
  { runtime }: Pick<RecoveryEffects, 'runtime'>,
  signal: AbortSignal,
): Promise<boolean> {
  const now = await findModel(runtime, name, signal);
  return now !== undefined && now !== BROKEN && sameModelIdentity(now, held);
}

async function* finishInterruptedRemoval(
  journal: RemoveJournal,
  effects: RecoveryEffects,
  signal: AbortSignal,
): Work<void> {
  yield* finishRemoval(journal, effects, signal);
  yield { type: 'warning', message: `the removal of ${journal.name} was interrupted and is now complete` };
}

/**
 * Removes a model, its earlier versions and its record. The runtime first: the next run can fix a record without a
 * model, but nothing finds a model without a record. What the runtime has under a name and nobody recorded stays.
 */
export async function* finishRemoval(
  { name, had, drop }: RemoveJournal,
  { runtime, records, journals, checkpoint }: RecoveryEffects,
  signal: AbortSignal,
): Work<void> {
  const now = had === undefined ? undefined : await findModel(runtime, name, signal);
  if (now === BROKEN || (now !== undefined && had !== undefined && isSurelySame(now, had)))
    await runtime.remove(name, signal);
  else if (now !== undefined) yield leftAlone(name);
  checkpoint?.('remove');
  for (const other of drop)
    if (!(await removeIfOurs(other, { owner: name, made: [] }, runtime, signal))) yield leftAlone(other);
  await records.drop(name);
  checkpoint?.('forget');
  await journals.drop(name);
  checkpoint?.('end');
}

/**
 * The journal that an install starts with. Where an interrupted install made exactly what is wanted now, and the runtime
 * still has it, it continues with that; any other interrupted install is rolled back.
 */
export async function* resumeOrDiscard(
  interrupted: InterruptedInstall | undefined,
  plan: InstallPlan,
  effects: ChangeEffects,
  signal: AbortSignal,
): Work<{ readonly journalWriter: JournalWriter; readonly staged: StoredModel | undefined }> {
  if (interrupted === undefined) return { journalWriter: startJournal(plan, effects), staged: undefined };
  const { wanted, staged } = interrupted;
  const isSame = wanted === installKey(plan) && sameModel(staged.name, stagedNameOf(plan));
  const found = isSame ? await findModel(effects.runtime, staged.name, signal) : undefined;
  if (found === undefined || found === BROKEN || !sameModelIdentity(found, staged.held)) {
    yield* resolveInterrupted(interrupted, effects, signal);
    return { journalWriter: startJournal(plan, effects), staged: undefined };
  }
  yield {
    type: 'warning',
    message: `the last install of ${plan.name} was interrupted; continuing with the staged model`,
  };
  return { journalWriter: new JournalWriter(interrupted, effects), staged: found };
}

function startJournal(plan: InstallPlan, effects: ChangeEffects): JournalWriter {
  return new JournalWriter(newJournal('install', plan.name, effects), effects);
}
