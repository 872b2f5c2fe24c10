import { digestOf } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { ProgressEvent, Work } from '../../core/progress.ts';
import { formatBytes } from '../../core/units.ts';
import { workUnderLock } from '../../disk/lock.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import type { StoredModel } from '../../runtimes/contract.ts';
import { sameModel } from '../../runtimes/names.ts';
import type { RemoteFile } from '../../sources/contract.ts';
import { type InstallPlan, lockName } from '../plan/plan.ts';
import { type Candidate, installKey, prepareFile, prepareLibrary } from './candidate.ts';
import type { ChangeEffects, TransactionEffects, TransactionOptions } from './effects.ts';
import { JournalWriter, newJournal, rollBackOnFailure } from './journal.ts';
import { promoteAndRecord } from './promote.ts';
import { isProven, isUpToDate, recordOf, type Tested } from './record.ts';
import { type InterruptedInstall, recoverForInstall, resolveInterrupted } from './recovery.ts';
import { isFetched, planReport } from './report.ts';
import type { InstallReport } from './schema.ts';
import { cleanStep, type StepOutcome, Steps } from './steps.ts';
import { testCandidate } from './test-model.ts';
import { BROKEN, findModel, sameModelIdentity } from './versions.ts';

/**
 * The transaction: plan → lock → fetch → verify → stage → prove → promote → record → clean, every step in the journal
 * before it is done. Until `promote` the final name is not touched, so a failure before it leaves the model that answered
 * before; from then on the next run on the name brings what was interrupted to its end.
 */

/** One run of the transaction: what its steps share. */
interface Run {
  readonly plan: InstallPlan;
  readonly options: TransactionOptions;
  readonly effects: TransactionEffects;
  readonly signal: AbortSignal;
  readonly steps: Steps;
  /** Our record under the final name, before this run. */
  readonly before: InstallRecord | undefined;
}

/**
 * Carries out a plan. Throws what its steps throw; nothing of a failed run stays in the runtime or the records, and what
 * cannot be rolled back at once (the runtime is gone, the time after a signal is short) the next run on the name rolls back.
 */
export async function* install(
  plan: InstallPlan,
  options: TransactionOptions,
  effects: TransactionEffects,
  signal: AbortSignal,
): Work<InstallReport> {
  for (const message of plan.warnings) yield { type: 'warning', message };
  return yield* workUnderLock(effects.locker, lockName(plan.runtime, plan.name), signal, async function* (held) {
    effects.checkpoint?.('lock');
    const leftover = yield* recoverForInstall(plan.name, effects, held);
    const steps = new Steps(effects.clock);
    const before = await effects.records.find(plan.name, options.force ? 'replace' : undefined);
    return yield* installLocked({ plan, options, effects, signal: held, steps, before }, leftover);
  });
}

async function* installLocked(start: Run, leftover: InterruptedInstall | undefined): Work<InstallReport> {
  const { options, effects, signal, steps, before } = start;
  const found = await findModel(effects.runtime, start.plan.name, signal);
  if (!options.force) rejectForeignName(start, found);
  // One that cannot be read holds nothing worth keeping, and is written anew.
  const present = found === BROKEN ? undefined : found;
  const plan = yield* verifySource(start);
  const digest = plan.source.kind === 'file' ? plan.source.file.digest : undefined;
  if (!options.force && isUpToDate(plan, { digest, options }, before, present)) {
    if (leftover !== undefined) yield* resolveInterrupted(leftover, effects, signal);
    return yield* reportInPlace(plan, before, steps, ['store', 'smoke', 'prove', 'promote', 'record']);
  }
  return yield* changeUnderJournal({ ...start, plan }, leftover);
}

/** The part that changes something; if it ends early, it is rolled back. */
async function* changeUnderJournal(run: Run, leftover: InterruptedInstall | undefined): Work<InstallReport> {
  const { plan, effects, signal, options } = run;
  const { journalWriter, made } = yield* resumeOrDiscard(leftover, plan, effects, signal);
  if (made === undefined) {
    yield* rejectObstacles(plan, options.force);
    await journalWriter.write({ step: 'plan' });
  }
  effects.checkpoint?.('plan');
  return yield* rollBackOnFailure(journalWriter, effects, signal, stageTestPromote(run, journalWriter, made));
}

async function* stageTestPromote(
  start: Run,
  journalWriter: JournalWriter,
  made: StoredModel | undefined,
): Work<InstallReport> {
  const { effects, signal, steps, options, before } = start;
  const { plan, bytes } = yield* fetch(start, journalWriter, made);
  const run = { ...start, plan };
  const prepare = plan.source.kind === 'file' ? prepareFile : prepareLibrary;
  const candidate = yield* prepare({ plan, steps, effects, journalWriter, signal, made });
  if (!options.force && candidate.unchanged && before !== undefined && isProven(before, options)) {
    await journalWriter.write({ step: 'clean' });
    const needless = candidate.temporaryNames.filter((name) => name !== before.previous?.keptAs);
    yield* cleanStep(plan.name, needless, steps, effects, signal);
    return yield* reportInPlace(plan, before, steps, ['smoke', 'prove', 'promote', 'record']);
  }
  await journalWriter.write({ step: 'prove' });
  const tested = yield* testCandidate(candidate, run);
  const record = yield* promoteAndRecord(await promotionOf(candidate, tested, run), {
    steps,
    journalWriter,
    effects,
    signal,
  });
  yield* cleanStep(plan.name, journalWriter.journal.after?.drop ?? [], steps, effects, signal);
  const bytesMoved = bytes + candidate.bytesMoved;
  return report(plan, steps, { changed: true, bytesMoved, record, tested, way: candidate.way });
}

/** Brings a file on a web server into our cache, unless it goes straight into the runtime or is staged already. */
async function* fetch(
  { plan, effects, signal, steps }: Run,
  journalWriter: JournalWriter,
  made: StoredModel | undefined,
): Work<{ plan: InstallPlan; bytes: number }> {
  if (!isFetched(plan) || made !== undefined) {
    effects.checkpoint?.('fetch');
    effects.checkpoint?.('verify');
    return { plan, bytes: 0 };
  }
  await journalWriter.write({ step: 'fetch' });
  const result = yield* fetchIntoCache(plan, steps, effects, signal);
  effects.checkpoint?.('fetch');
  effects.checkpoint?.('verify');
  return result;
}

async function promotionOf(candidate: Candidate, tested: Tested, { plan, options, effects, before }: Run) {
  const promoted = { ...candidate.stored, name: plan.name };
  const { licence } = plan.family;
  const acceptedAt = await effects.acceptedAt?.(licence.id, digestOf(licence.text));
  const { suite, lock, keep = true } = options;
  const { way } = candidate;
  return {
    name: plan.name,
    candidate,
    before,
    keep,
    recordWith: (previous: Parameters<typeof recordOf>[0]['previous']) =>
      recordOf({ plan, promoted, way, tested, suite, acceptedAt, previous, lock, effects }),
  };
}

/** Too little memory or disk stops an install that would move bytes; force turns that into warnings. */
function* rejectObstacles({ obstacles }: InstallPlan, force: boolean): Generator<ProgressEvent, void, undefined> {
  const [first] = obstacles;
  if (first !== undefined && !force) throw first;
  for (const { message } of obstacles) yield { type: 'warning', message: `forced: ${message}` };
}

/** A name that exists in the runtime but in no record of ours belongs to another user. */
function rejectForeignName({ plan, before }: Run, present: StoredModel | typeof BROKEN | undefined): void {
  if (present === undefined || before !== undefined) return;
  // A pull of a library name that is there already is what that name is for.
  if (plan.source.kind === 'library' && sameModel(plan.source.libraryName, plan.name)) return;
  throw new ProvisionError(
    'foreign-model',
    `${plan.name} exists in ${plan.runtime.kind} and was not installed by this tool`,
    {
      suggestions: [
        'Install under another name with --name.',
        'Or replace it with --force: the model that currently uses this name will be lost.',
      ],
    },
  );
}

/** Makes sure that the source's digest is known before anything is stored. */
async function* verifySource({ plan, effects, signal, steps }: Run): Work<InstallPlan> {
  if (plan.source.kind === 'library' || isFetched(plan)) return plan;
  const { source } = plan;
  const { file } = source;
  if (file.kind === 'remote' || file.digest !== undefined) {
    yield* steps.skip('verify', `${(file.digest ?? '').slice(0, 19)}… known, verified during the transfer`);
    return plan;
  }
  const digest = yield* steps.run('verify', hashStep(file, effects, signal));
  return { ...plan, source: { ...source, file: { ...file, digest } } };
}

async function* hashStep(
  file: Parameters<TransactionEffects['hash']>[0],
  effects: TransactionEffects,
  signal: AbortSignal,
) {
  const result = yield* effects.hash(file, 'verify', signal);
  return { result, bytes: file.sizeBytes, detail: result };
}

function* reportInPlace(
  plan: InstallPlan,
  record: InstallRecord,
  steps: Steps,
  skipped: readonly ('store' | 'smoke' | 'prove' | 'promote' | 'record')[],
): Generator<ProgressEvent, InstallReport, undefined> {
  for (const id of skipped) yield* steps.skip(id, 'already in place');
  return report(plan, steps, { changed: false, bytesMoved: 0, record, tested: {}, way: undefined });
}

interface Outcome {
  readonly changed: boolean;
  readonly bytesMoved: number;
  readonly record: InstallRecord;
  readonly tested: Tested;
  readonly way: Candidate['way'];
}

function report(plan: InstallPlan, steps: Steps, outcome: Outcome): InstallReport {
  const { changed, bytesMoved, record, tested, way } = outcome;
  const smoke = tested.smoke ?? (changed ? undefined : record.smoke);
  const { way: planned, why, ...common } = planReport(plan);
  return {
    ...common,
    dryRun: false,
    changed,
    steps: steps.list,
    bytesMoved,
    record,
    source: record.source,
    ...(way !== undefined && { way, ...(way === planned && why !== undefined && { why }) }),
    ...(smoke !== undefined && { smoke }),
    ...(tested.prompt !== undefined && { prompt: tested.prompt }),
    ...(record.previous !== undefined && { previous: record.previous }),
  };
}

/** Brings the file of a plan into our cache; the plan is then one for a file of this machine. */
export async function* fetchIntoCache(
  plan: InstallPlan,
  steps: Steps,
  effects: TransactionEffects,
  signal: AbortSignal,
): Work<{ plan: InstallPlan; bytes: number }> {
  const { source } = plan;
  if (source.kind !== 'file' || source.file.kind !== 'remote') return { plan, bytes: 0 };
  return yield* steps.run('fetch', download(plan, source, source.file, effects, signal));
}

async function* download(
  plan: InstallPlan,
  source: Extract<InstallPlan['source'], { kind: 'file' }>,
  file: RemoteFile,
  effects: TransactionEffects,
  signal: AbortSignal,
): Work<StepOutcome<{ plan: InstallPlan; bytes: number }>> {
  const { bytesMoved: bytes, ...local } = yield* effects.fetch(file, signal);
  const fetchedFile = { ...namesOf(file), ...local, kind: 'file' as const };
  const detail = bytes === 0 ? 'in the cache, verified' : `${formatBytes(bytes)}, verified`;
  return { result: { plan: { ...plan, source: { ...source, file: fetchedFile } }, bytes }, bytes, detail };
}

/** What the record says about a file beyond its bytes, where the cache does not. */
function namesOf({ ref, pinnedRef, fileName, provenance }: RemoteFile) {
  return { ref, pinnedRef, fileName, ...(provenance !== undefined && { provenance }) };
}

/**
 * The journal that an install starts with. Where an interrupted install made exactly what is wanted now, and the runtime
 * still has it, it continues with that; any other interrupted install is rolled back.
 */
export async function* resumeOrDiscard(
  leftover: InterruptedInstall | undefined,
  plan: InstallPlan,
  effects: ChangeEffects,
  signal: AbortSignal,
): Work<{ readonly journalWriter: JournalWriter; readonly made: StoredModel | undefined }> {
  if (leftover === undefined) return { journalWriter: startJournal(plan, effects), made: undefined };
  const { wanted, staged } = leftover;
  const found = wanted === installKey(plan) ? await findModel(effects.runtime, staged.name, signal) : undefined;
  if (found === undefined || found === BROKEN || !sameModelIdentity(found, staged.held)) {
    yield* resolveInterrupted(leftover, effects, signal);
    return { journalWriter: startJournal(plan, effects), made: undefined };
  }
  yield {
    type: 'warning',
    message: `the last install of ${plan.name} was interrupted; continuing with the staged model`,
  };
  return { journalWriter: new JournalWriter(leftover, effects), made: found };
}

function startJournal(plan: InstallPlan, effects: ChangeEffects): JournalWriter {
  return new JournalWriter(newJournal('install', plan.name, effects), effects);
}
