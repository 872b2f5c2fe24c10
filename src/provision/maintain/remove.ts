import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import { type RemoveJournal, readRecords } from '../../registry/index.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import type { Runtime, StoredModel } from '../../runtimes/contract.ts';
import { parseModelName } from '../../runtimes/names.ts';
import { type RuntimeFlags, runtimeOf } from '../../runtimes/registry.ts';
import type { AppContext } from '../context.ts';
import type { ChangeEffects } from '../install/effects.ts';
import { refuseForeignModel } from '../install/record.ts';
import { finishRemoval, workOnName } from '../install/recovery.ts';
import type { RemoveReport } from '../install/schema.ts';
import { BROKEN, findModel, identityOf } from '../install/versions.ts';
import { notInstalled, openForChange } from './records.ts';

export interface RemoveEffects extends Omit<ChangeEffects, 'clock' | 'reconnect'> {
  /** Names of all records, for nearest matches. */
  readonly knownNames: readonly string[];
}

export interface RemoveOptions extends RuntimeFlags {
  /** Also when the model was changed since it was installed. */
  readonly force?: boolean | undefined;
}

/** The `remove` command. Throws what {@link removeModel} throws. */
export async function remove(app: AppContext, name: string, options: RemoveOptions): Promise<Work<RemoveReport>> {
  const { effects, registry } = await openForChange(app, name, options);
  const { records } = await readRecords(registry);
  const knownNames = records.map((record) => record.name);
  return removeModel(parseModelName(name).text, options.force === true, { ...effects, knownNames }, app.options.signal);
}

/**
 * Takes a model of ours away again, with the version that was kept for a rollback. Throws `foreign-model` for one that we
 * did not install, or that was changed since (unless forced), and `record-not-found` when it does not exist.
 */
export function removeModel(
  name: string,
  force: boolean,
  effects: RemoveEffects,
  signal: AbortSignal,
): Work<RemoveReport> {
  return workOnName(name, effects, signal, (held) => removeUnderLock(name, force, effects, held));
}

async function* removeUnderLock(
  name: string,
  force: boolean,
  effects: RemoveEffects,
  signal: AbortSignal,
): Work<RemoveReport> {
  const record = await effects.records.find(name);
  const present = await findModel(effects.runtime, name, signal);
  if (record === undefined)
    throw present ? notInstalledByUs(name, effects.runtime) : notInstalled(name, effects.knownNames);
  if (!force)
    refuseForeignModel(name, effects.runtime.kind, record, present, [
      'Inspect it first, or use --force to remove it anyway.',
    ]);
  const journal = removeJournal(record, present, effects);
  await effects.journals.put(journal);
  effects.checkpoint?.('plan');
  // Never rolled back: from here on, the next run that takes the lock of the name continues it.
  yield* finishRemoval(journal, effects, signal);
  return removeReport(record, present !== undefined);
}

function removeJournal(
  { name, previous }: InstallRecord,
  present: StoredModel | typeof BROKEN | undefined,
  { runtime: { kind, endpoint }, now, toolVersion }: RemoveEffects,
): RemoveJournal {
  return {
    schemaVersion: 1,
    operation: 'remove',
    name,
    runtime: { kind, endpoint },
    startedAt: now().toISOString(),
    toolVersion,
    ...(present !== undefined && { had: present === BROKEN ? {} : identityOf(present) }),
    drop: previous?.keptAs === undefined ? [] : [previous.keptAs],
  };
}

function removeReport({ name, runtime, previous }: InstallRecord, removedFromRuntime: boolean): RemoveReport {
  const { model, quant, keptAs } = previous ?? {};
  const kept = model !== undefined && quant !== undefined && keptAs !== undefined;
  return { name, runtime, removedFromRuntime, ...(kept && { previous: { model, quant, keptAs } }) };
}

function notInstalledByUs(name: string, { kind }: Runtime): ProvisionError {
  const command = runtimeOf(kind).removeCommand?.(name);
  return new ProvisionError('foreign-model', `${name} was not installed by this tool, so it is not removed`, {
    suggestions: [
      command === undefined ? 'Run gemma-provision list to see installed models.' : `Remove it yourself: ${command}`,
    ],
  });
}
