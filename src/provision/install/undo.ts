/** Taking a change back by its journal, and bringing it to its end. Both may be done again at any time. */
import { ProvisionError } from '../../core/errors.ts';
import type { ChangeJournal, Restore } from '../../registry/index.ts';
import type { Runtime } from '../../runtimes/contract.ts';
import type { RecoveryEffects } from './effects.ts';
import { BROKEN, look, sameHeld } from './held.ts';

/** Gives every name back what it had, and removes what the run made. Throws what the runtime throws; then nothing of the journal is dropped. */
export async function takeBack(
  journal: ChangeJournal,
  { runtime, journals }: Pick<RecoveryEffects, 'runtime' | 'journals'>,
  signal: AbortSignal,
): Promise<void> {
  const { restores, drop } = journal.undo;
  for (const restore of restores) await giveBack(restore, drop, runtime, signal);
  for (const name of drop) await runtime.remove(name, signal);
  await journals.drop(journal.name);
}

async function giveBack(
  restore: Restore,
  drop: readonly string[],
  runtime: Runtime,
  signal: AbortSignal,
): Promise<void> {
  const { name, was, from } = restore;
  const now = await look(runtime, name, signal);
  if (was === undefined) {
    if (now !== undefined) await runtime.remove(name, signal);
    return;
  }
  if (now !== undefined && now !== BROKEN && sameHeld(now, was)) return;
  const good = from === undefined ? undefined : await look(runtime, from, signal);
  if (from === undefined || good === undefined || good === BROKEN || !sameHeld(good, was)) throw lost(restore);
  try {
    await runtime.copy(from, name, signal);
  } catch {
    // A full disk has room again once the new model is gone.
    for (const other of drop) if (other !== from) await runtime.remove(other, signal);
    await runtime.copy(from, name, signal);
  }
  const after = await look(runtime, name, signal);
  if (after === undefined || after === BROKEN || !sameHeld(after, was)) throw lost(restore);
}

function lost({ name }: Restore): ProvisionError {
  return new ProvisionError('needs-repair', `${name} could not be given back what it held`, {
    suggestions: [
      "Make room on the disk of the runtime's models folder, then run the command again.",
      `Or put it right from the cache: gemma-provision repair ${name}`,
    ],
  });
}

/** Writes the record of a model that has its name, then removes what only the way there needed. */
export async function finish(
  { name }: Pick<ChangeJournal, 'name'>,
  { record, drop }: NonNullable<ChangeJournal['after']>,
  effects: RecoveryEffects,
  signal: AbortSignal,
): Promise<void> {
  await effects.records.put(record);
  effects.checkpoint?.('record');
  await clean(name, drop, effects, signal);
}

/** The last step of a change: what is not needed any more goes, then the journal. */
export async function clean(
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
