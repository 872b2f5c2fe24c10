/** Runs that journals describe: those that are alive, and those that were interrupted. */
import { ProvisionError } from '../../../core/errors.ts';
import { type Journal, listJournals, readRecords } from '../../../registry/index.ts';
import type { RuntimeIdentity } from '../../../runtimes/contract.ts';
import { sameModel } from '../../../runtimes/names.ts';
import { isIn, isLocked } from '../../install/open-run.ts';
import { findModel } from '../../install/versions.ts';
import { lockName, stagingNameOf } from '../../plan/names.ts';
import type { Candidate, Findings, GcEffects } from './candidates.ts';
import { diskUseOf } from './candidates.ts';

export type Where = Pick<RuntimeIdentity, 'kind' | 'endpoint'>;

/** Runs in one runtime. */
export interface Runs {
  /** Names of those that are alive. */
  readonly inProgress: readonly string[];
  /** Names of the runtime that journals speak of, of dead runs and live ones: none of them is a leftover. */
  readonly referencedNames: readonly string[];
}

type Asking = Pick<GcEffects, 'registry' | 'nonWaitingLocker'>;

/** What runs there are in a runtime at this moment. */
export async function listRuns(where: Where, effects: Asking, signal: AbortSignal): Promise<Runs> {
  const alive: string[] = [];
  const spokenFor: string[] = [];
  for (const { journal } of await listJournals(effects.registry)) {
    if (journal === undefined || !isIn(journal, where)) continue;
    spokenFor.push(...namesIn(journal));
    if (await isLocked(effects.nonWaitingLocker, lockName(journal.runtime, journal.name), signal))
      alive.push(journal.name);
  }
  return { inProgress: alive, referencedNames: spokenFor };
}

/** Why nothing may be taken from a runtime now; undefined when no run is at work in it. */
export async function describeRunsInProgress(
  where: Where,
  effects: Asking,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { inProgress: alive } = await listRuns(where, effects, signal);
  return alive.length === 0 ? undefined : `a run on ${alive.join(', ')} is in progress`;
}

export function includesModel(names: readonly string[], name: string): boolean {
  return names.some((each) => sameModel(each, name));
}

/** Every name that a journal speaks of. */
function namesIn(journal: Journal): string[] {
  const { name } = journal;
  if (journal.operation === 'remove') return [name, ...journal.drop];
  const { undo, staged, after } = journal;
  const restored = undo.restores.flatMap((each) => [each.name, ...(each.from === undefined ? [] : [each.from])]);
  const kept = after?.record.previous?.keptAs;
  return [
    name,
    stagingNameOf(name),
    ...restored,
    ...undo.drop,
    ...(staged === undefined ? [] : [staged.name]),
    ...(after?.drop ?? []),
    ...(kept === undefined ? [] : [kept]),
  ];
}

/** Journals of dead runs of which nothing is left in the runtime; those that have work left are reported. */
export async function findJournals(effects: GcEffects, signal: AbortSignal): Promise<Findings> {
  const candidates: Candidate[] = [];
  const notes: string[] = [];
  for (const { path, journal } of await listJournals(effects.registry)) {
    if (journal === undefined) notes.push(`${path} cannot be read; the next run on its name resolves it.`);
    else if (!isIn(journal, effects.identity))
      notes.push(
        `${path} belongs to ${journal.name} in ${journal.runtime.kind} at ${journal.runtime.endpoint}; it was not checked.`,
      );
    else if (await isLocked(effects.nonWaitingLocker, lockName(journal.runtime, journal.name), signal))
      notes.push(`A run on ${journal.name} is in progress; what belongs to it was kept.`);
    else if (await isUnfinished(journal, effects, signal))
      notes.push(`The ${journal.operation} of ${journal.name} was interrupted; the next run on it completes it.`);
    else candidates.push(await journalCandidate(path, journal, effects));
  }
  return { candidates, notes };
}

async function journalCandidate(path: string, journal: Journal, effects: GcEffects): Promise<Candidate> {
  const { name, operation } = journal;
  return {
    kind: 'journal',
    path,
    name,
    reason: `of an interrupted ${operation} that left nothing behind`,
    takes: await diskUseOf(effects.disk, path),
    async remove(signal) {
      const held = await effects.nonWaitingLocker
        .acquire(lockName(journal.runtime, name), signal)
        .catch((error: unknown) => {
          if (error instanceof ProvisionError && error.code === 'busy') return undefined;
          throw error;
        });
      if (held === undefined) return 'a run on this name is in progress';
      try {
        const now = (await listJournals(effects.registry)).find((each) => each.path === path)?.journal;
        if (now !== undefined && (await isUnfinished(now, effects, signal)))
          return 'the next run on its name completes it';
        await effects.disk.rm(path, { force: true });
        return undefined;
      } finally {
        await held.release();
      }
    },
  };
}

/** Is there a name in the runtime, or a record, for the next run to bring to a definite state? */
async function isUnfinished(journal: Journal, { runtime, registry }: GcEffects, signal: AbortSignal): Promise<boolean> {
  const { records, broken } = await readRecords(registry);
  if (broken.length > 0) return true;
  if (records.some((record) => isIn(record, journal.runtime) && sameModel(record.name, journal.name))) return true;
  for (const name of new Set(namesIn(journal))) if ((await findModel(runtime, name, signal)) !== undefined) return true;
  return false;
}
