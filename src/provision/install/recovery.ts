/** An interrupted run is brought to a definite state before anything else happens to its name. */
import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import type { Locker } from '../../disk/lock.ts';
import { workUnderLock } from '../../disk/lock.ts';
import type { ChangeJournal, RemoveJournal } from '../../registry/index.ts';
import { lockName, stagingNameOf } from '../plan/plan.ts';
import type { RecoveryEffects } from './effects.ts';
import { recordAndClean, removeUnneeded, rollBack } from './journal.ts';
import { BROKEN, findModel, sameModelIdentity } from './versions.ts';

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

/** Brings an interrupted run on a name to a definite state, and tells which. Call it under the lock of the name. */
export async function* recover(name: string, effects: RecoveryEffects, signal: AbortSignal): Work<void> {
  const left = yield* recoverForInstall(name, effects, signal);
  if (left !== undefined) yield* settleInterrupted(left, effects, signal);
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
    yield* settleInterrupted(found.journal, effects, signal);
  }
  return undefined;
}

/** Nobody knows what the run was about: only what has no other use goes. */
async function* dropStaging(
  name: string,
  savedAs: string,
  { runtime }: Pick<RecoveryEffects, 'runtime'>,
  signal: AbortSignal,
): Work<void> {
  await runtime.remove(stagingNameOf(name), signal);
  yield {
    type: 'warning',
    message: `an earlier run on ${name} was interrupted and its journal cannot be read; it is kept as ${savedAs}`,
  };
}

/** Forward when the name has the new model, or nothing older can be had; else back. */
export async function* settleInterrupted(
  journal: ChangeJournal,
  effects: RecoveryEffects,
  signal: AbortSignal,
): Work<void> {
  const { name, operation, step, after } = journal;
  const told = `the last ${operation} of ${name} was interrupted (step ${step})`;
  if (after !== undefined && (await nameHas(name, after.held, effects, signal))) {
    await recordAndClean(journal, after, effects, signal);
    yield { type: 'warning', message: `${told}; the new model had passed and has its record now` };
    return;
  }
  try {
    await rollBack(journal, effects, signal);
    yield { type: 'warning', message: `${told} and was taken back` };
  } catch (error) {
    if (!(error instanceof ProvisionError) || error.code !== 'needs-repair') throw error;
    yield* promoteInterrupted(journal, error, told, effects, signal);
  }
}

/** The old model is gone: the new one takes its place if it was tested; else somebody has to repair the name. */
async function* promoteInterrupted(
  journal: ChangeJournal,
  { message, suggestions }: ProvisionError,
  told: string,
  effects: RecoveryEffects,
  signal: AbortSignal,
): Work<void> {
  const { name, staged, after, undo } = journal;
  if (after !== undefined && staged !== undefined && (await nameHas(staged.name, after.held, effects, signal))) {
    await effects.runtime.copy(staged.name, name, signal);
    if (await nameHas(name, after.held, effects, signal)) {
      await recordAndClean(journal, after, effects, signal);
      yield { type: 'warning', message: `${told}; ${message}, so the new model, which had passed, took its place` };
      return;
    }
  }
  await removeUnneeded(name, undo.drop, effects, signal);
  yield { type: 'warning', message: [`${told}; ${message}.`, ...suggestions].join(' ') };
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
  await finishRemoval(journal, effects, signal);
  yield { type: 'warning', message: `the removal of ${journal.name} was interrupted; it is finished now` };
}

/**
 * Removes a model, its earlier versions and its record. The runtime first: a record without a model is put right by the
 * next run, a model without a record is lost sight of. A name that somebody else gave another model since stays.
 */
export async function finishRemoval(
  { name, had, drop }: RemoveJournal,
  { runtime, records, journals, checkpoint }: RecoveryEffects,
  signal: AbortSignal,
): Promise<void> {
  const now = had === undefined ? undefined : await findModel(runtime, name, signal);
  if (now === BROKEN || (now !== undefined && had !== undefined && sameModelIdentity(now, had)))
    await runtime.remove(name, signal);
  checkpoint?.('remove');
  for (const other of drop) await runtime.remove(other, signal);
  await records.drop(name);
  checkpoint?.('forget');
  await journals.drop(name);
  checkpoint?.('end');
}
