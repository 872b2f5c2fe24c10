/** From a tested candidate to the model that answers, with its record and the version before it kept. */
import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import type { ChangeJournal, Held } from '../../registry/index.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import type { StoredModel } from '../../runtimes/contract.ts';
import { sameModel } from '../../runtimes/names.ts';
import type { ChangeEffects } from './effects.ts';
import type { JournalWriter } from './journal.ts';
import { retryAfterReconnect } from './reconnect.ts';
import { isOurs } from './record.ts';
import type { Steps } from './steps.ts';
import {
  BROKEN,
  findModel,
  identityOf,
  type Previous,
  previousNameOf,
  previousOf,
  sameModelIdentity,
} from './versions.ts';

export interface Promotion {
  /** The name that answers in the end. */
  readonly name: string;
  /** `temporaryNames`: names that only the way to it needed. */
  readonly candidate: {
    readonly name: string;
    readonly stored: StoredModel;
    readonly temporaryNames: readonly string[];
  };
  /** Our record under the name, before this run. */
  readonly before: InstallRecord | undefined;
  /** What the runtime had under the name when the run began. */
  readonly present: StoredModel | undefined;
  /** Keep what is replaced for a rollback. */
  readonly keep: boolean;
  recordWith(previous: Previous | undefined): InstallRecord;
}

interface Around {
  readonly steps: Steps;
  readonly journalWriter: JournalWriter;
  readonly effects: ChangeEffects;
  readonly signal: AbortSignal;
}

/** Gives the candidate its name and writes the record. Call it in `takenBackOnFailure`. */
export async function* promoteAndRecord(promotion: Promotion, around: Around): Work<InstallRecord> {
  const { steps, journalWriter, effects } = around;
  const change = await planPromotion(promotion, around);
  await journalWriter.write({ step: 'promote', undo: change.undo, after: change.after });
  effects.checkpoint?.('ready');
  yield* steps.run('promote', giveName(promotion, change, around));
  const { record } = change.after;
  await journalWriter.write({ step: 'record' });
  yield* steps.run('record', async () => ({ result: await effects.records.put(record) }));
  effects.checkpoint?.('record');
  await journalWriter.write({ step: 'clean' }).catch(() => undefined);
  return record;
}

interface Change {
  /** To be made of what answers now; undefined when there is nothing, or when it is kept already. */
  readonly copyTo: string | undefined;
  readonly undo: ChangeJournal['undo'];
  readonly after: NonNullable<ChangeJournal['after']>;
}

/** Decides what is kept, what goes, and what a failure gives back. */
async function planPromotion(promotion: Promotion, { journalWriter, effects, signal }: Around): Promise<Change> {
  const { name, candidate, before, present, keep } = promotion;
  const { restores, drop } = journalWriter.journal.undo;
  const inPlace = restores.find((restore) => sameModel(restore.name, name));
  const was = inPlace === undefined ? await identityUnder(name, effects, signal) : inPlace.was;
  if (inPlace === undefined && was !== undefined && (present === undefined || !sameModelIdentity(was, present)))
    throw changedMeanwhile(name);
  const isOther = was !== undefined && !isSameVersion(was, candidate.stored);
  const backup = isOther ? previousNameOf(name, was) : undefined;
  const keptAs = keep && before !== undefined && was !== undefined && isOurs(before, was) ? backup : undefined;
  const isMade = backup !== undefined && sameOrAbsent(was, await identityUnder(backup, effects, signal));
  const isSame = before !== undefined && isSameVersion(before.stored, candidate.stored);
  const earlier = before?.previous?.keptAs;
  const isEarlierThere = earlier !== undefined && (await identityUnder(earlier, effects, signal)) !== undefined;
  const replacing = { keep, isSame, isEarlierThere, ...(keptAs !== undefined && { keptAs }) };
  const previous = previousOf(before, replacing);
  const record = promotion.recordWith(previous);
  const unused = [...candidate.temporaryNames, backup, earlier];
  const needless = unused.filter((each) => each !== undefined && each !== previous?.keptAs && !sameModel(each, name));
  const restore = { name, ...(was !== undefined && { was, from: backup ?? candidate.name }) };
  return {
    copyTo: isMade ? undefined : backup,
    undo: {
      restores: inPlace === undefined ? [...restores, restore] : restores,
      drop: isMade || backup === undefined ? drop : [...new Set([...drop, backup])],
    },
    after: { held: identityOf(candidate.stored), record, drop: [...new Set(needless)].filter(isText) },
  };
}

function changedMeanwhile(name: string): ProvisionError {
  return new ProvisionError(
    'foreign-model',
    `${name} was given another model while this run was working; it was left alone`,
    {
      suggestions: ['Run the same command again under another name with --name, or with --force.'],
    },
  );
}

function isText(name: string | undefined): name is string {
  return name !== undefined;
}

async function identityUnder(name: string, { runtime }: ChangeEffects, signal: AbortSignal): Promise<Held | undefined> {
  const found = await findModel(runtime, name, signal);
  return found === undefined || found === BROKEN ? undefined : identityOf(found);
}

function sameOrAbsent(was: Held | undefined, kept: Held | undefined): boolean {
  return was !== undefined && kept !== undefined && sameModelIdentity(was, kept);
}

/** The whole entry is the same, by digests that both sides report. */
function isSameVersion(a: Held, b: Held): boolean {
  return a.entryDigest !== undefined && a.entryDigest === b.entryDigest;
}

async function* giveName(
  { name, candidate }: Promotion,
  { copyTo }: Change,
  { effects, signal }: Around,
): Work<{ result: undefined }> {
  const { runtime, checkpoint } = effects;
  yield* retryAfterReconnect(effects, candidate.name, signal, async () => {
    if (copyTo !== undefined) await runtime.copy(name, copyTo, signal);
    checkpoint?.('backup');
    if (!sameModel(candidate.name, name)) await runtime.copy(candidate.name, name, signal);
    const stored = await findModel(runtime, name, signal);
    if (stored === undefined || stored === BROKEN || !sameModelIdentity(stored, candidate.stored))
      throw promotionFailed(name);
  });
  checkpoint?.('promote');
  return { result: undefined };
}

function promotionFailed(name: string): ProvisionError {
  return new ProvisionError('needs-repair', `${name} does not refer to the model that was just tested`, {
    suggestions: [
      'Run the same install again: it restores the name.',
      'Check whether the disk of the server is full: that can damage names.',
    ],
  });
}
