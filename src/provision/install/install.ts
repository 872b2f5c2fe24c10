import { defined } from '../../core/defined.ts';
import { digestOf } from '../../core/digest.ts';
import type { ProgressEvent, Work } from '../../core/progress.ts';
import { formatBytes } from '../../core/units.ts';
import { workUnderLock } from '../../disk/lock.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import type { StoredModel } from '../../runtimes/contract.ts';
import { sameModel } from '../../runtimes/names.ts';
import type { RemoteFile } from '../../sources/contract.ts';
import type { InstallPlan, PlannedProjector, SourceFile } from '../plan/contract.ts';
import { lockName } from '../plan/names.ts';
import type { TransactionEffects, TransactionOptions } from './effects.ts';
import { type JournalWriter, rollBackOnFailure } from './journal.ts';
import { type Promotion, promoteAndRecord } from './promote.ts';
import { isProven, isUpToDate, recordOf, refuseForeignModel, type Tested } from './record.ts';
import { recoverForInstall, resolveInterrupted, resumeOrDiscard } from './recovery.ts';
import { comesIntoCache, installReport, isFetched } from './report.ts';
import type { InstallReport } from './schema.ts';
import { type Candidate, stage } from './stage.ts';
import { cleanStep, type StepOutcome, Steps } from './steps.ts';
import { testCandidate } from './test-model.ts';
import { BROKEN, findModel } from './versions.ts';

/**
 * The transaction: lock, recover, verify, fetch, stage, prove, promote, record, clean. Every step is written to the
 * journal before it is taken. Until `promote` the final name is not touched, so a failure before it leaves the model that
 * answered before; from then on the next run on the name completes what was interrupted.
 */

type FileSource = Extract<InstallPlan['source'], { kind: 'file' }>;
type FetchedFile = Extract<SourceFile, { kind: 'file' }>;

/** What the steps of one run share. */
interface Run {
  readonly options: TransactionOptions;
  readonly effects: TransactionEffects;
  readonly signal: AbortSignal;
  readonly steps: Steps;
  /** Our record under the final name, before this run. */
  readonly before: InstallRecord | undefined;
  /** What the runtime had under it. */
  readonly present: StoredModel | undefined;
}

/**
 * Carries out a plan under the lock of its name. Throws what its steps throw; nothing of a failed run stays in the
 * runtime or the records, and what cannot be rolled back at once (the runtime is gone, the time after a signal is short)
 * the next run on the name rolls back.
 */
export async function* install(
  plan: InstallPlan,
  options: TransactionOptions,
  effects: TransactionEffects,
  signal: AbortSignal,
): Work<InstallReport> {
  for (const message of plan.warnings) yield { type: 'warning', message };
  return yield* workUnderLock(effects.locker, lockName(plan.runtime, plan.name), signal, (held) =>
    installUnderLock(plan, options, effects, held),
  );
}

async function* installUnderLock(
  planned: InstallPlan,
  options: TransactionOptions,
  effects: TransactionEffects,
  signal: AbortSignal,
): Work<InstallReport> {
  const { name } = planned;
  const { force } = options;
  effects.checkpoint?.('lock');
  const interrupted = yield* recoverForInstall(name, effects, signal);
  const before = await effects.records.find(name, force ? 'replace' : undefined);
  const found = await findModel(effects.runtime, name, signal);
  if (!force) refuseForeignName(planned, before, found);
  // One that cannot be read holds nothing worth keeping, and is written anew.
  const present = found === BROKEN ? undefined : found;
  const run: Run = { options, effects, signal, before, present, steps: new Steps(effects.clock) };

  const plan = yield* verifyFile(planned, run);
  const digest = plan.source.kind === 'file' ? plan.source.file.digest : undefined;
  if (!force && isUpToDate(plan, { digest, options }, before, present) && (yield* isIntact(name, run))) {
    if (interrupted !== undefined) yield* resolveInterrupted(interrupted, effects, signal);
    return yield* reportInPlace(plan, before, run, ['store', 'smoke', 'prove', 'promote', 'record']);
  }
  const { journalWriter, staged } = yield* resumeOrDiscard(interrupted, plan, effects, signal);
  if (staged === undefined) {
    yield* refuseObstacles(plan, force);
    await journalWriter.write({ step: 'plan' });
  }
  effects.checkpoint?.('plan');
  return yield* rollBackOnFailure(journalWriter, effects, signal, change(plan, staged, journalWriter, run));
}

/** The part that changes something: an error or an abort in it is rolled back by the journal. */
async function* change(
  planned: InstallPlan,
  staged: StoredModel | undefined,
  journalWriter: JournalWriter,
  run: Run,
): Work<InstallReport> {
  const { options, effects, signal, steps, before, present } = run;
  const { name } = planned;

  const { plan, bytes } = yield* fetchFile(planned, staged, journalWriter, run);
  const candidate = yield* stage({ plan, steps, effects, journalWriter, signal, staged });
  if (!options.force && candidate.unchanged && before !== undefined && isProven(before, options)) {
    await journalWriter.write({ step: 'clean' });
    const needless = candidate.temporaryNames.filter((each) => each !== before.previous?.keptAs);
    yield* cleanStep(journalWriter.journal, needless, steps, effects, signal);
    return yield* reportInPlace(plan, before, run, ['smoke', 'prove', 'promote', 'record']);
  }

  await journalWriter.write({ step: 'prove' });
  const tested = yield* testCandidate(candidate, { plan, ...run });

  const recordWith = await recordMaker(plan, candidate, tested, run);
  const promotion = { name, candidate, before, present, keep: options.keep ?? true, recordWith };
  const record = yield* promoteAndRecord(promotion, { steps, journalWriter, effects, signal });

  yield* cleanStep(journalWriter.journal, journalWriter.journal.after?.drop ?? [], steps, effects, signal);
  const bytesMoved = bytes + candidate.bytesMoved;
  return installReport(plan, steps, { changed: true, bytesMoved, record, tested, way: candidate.way });
}

/** Bytes in a store of ours are read again after a change; corrupt ones are installed again. */
async function* isIntact(name: string, { effects: { runtime }, signal }: Run): Work<boolean> {
  return runtime.isIntact === undefined || (yield* runtime.isIntact(name, signal));
}

/** A name belongs to another user where the runtime has something under it that this tool did not put there. */
function refuseForeignName(
  { name, runtime, source }: InstallPlan,
  before: InstallRecord | undefined,
  found: StoredModel | typeof BROKEN | undefined,
): void {
  // A pull of a library name that is there already is what that name is for.
  if (source.kind === 'library' && sameModel(source.libraryName, name)) return;
  refuseForeignModel(name, runtime.kind, before, found, [
    'Install under another name with --name.',
    'Or replace it: gemma-provision install with --force; the model that currently uses this name will be lost.',
  ]);
}

/** Too little memory or disk stops an install that would move bytes; force turns that into warnings. */
function* refuseObstacles({ obstacles }: InstallPlan, force: boolean): Generator<ProgressEvent, void, undefined> {
  const [first] = obstacles;
  if (first !== undefined && !force) throw first;
  for (const { message } of obstacles) yield { type: 'warning', message: `forced: ${message}` };
}

/** Makes sure that the digest of a file on this machine is known before anything is stored. */
async function* verifyFile(plan: InstallPlan, { effects, signal, steps }: Run): Work<InstallPlan> {
  const { source } = plan;
  if (source.kind === 'library') return plan;
  const projector = yield* verifyProjector(source.projector, effects, signal);
  const known = projector === undefined ? plan : { ...plan, source: { ...source, projector } };
  return isFetched(plan) ? known : yield* verifyModel(known, source, { effects, signal, steps });
}

/** A projector of this machine whose digest nobody gave. */
async function* verifyProjector(
  projector: PlannedProjector | undefined,
  { hash }: TransactionEffects,
  signal: AbortSignal,
): Work<PlannedProjector | undefined> {
  if (projector === undefined || projector.file.kind === 'remote' || projector.file.digest !== undefined)
    return projector;
  const { file } = projector;
  return { ...projector, file: { ...file, digest: yield* hash(file, 'verify', signal) } };
}

async function* verifyModel(
  plan: InstallPlan,
  { file }: FileSource,
  { effects, signal, steps }: Pick<Run, 'effects' | 'signal' | 'steps'>,
): Work<InstallPlan> {
  const { source } = plan;
  if (source.kind === 'library') return plan;
  if (file.kind === 'remote' || file.digest !== undefined) {
    yield* steps.skip('verify', `${(file.digest ?? '').slice(0, 19)}… known, verified during the transfer`);
    return plan;
  }
  const hashed = (async function* () {
    const result = yield* effects.hash(file, 'verify', signal);
    return { result, bytes: file.sizeBytes, detail: result };
  })();
  const digest = yield* steps.run('verify', hashed);
  return { ...plan, source: { ...source, file: { ...file, digest } } };
}

/**
 * Brings a file on a web server into our cache, unless it goes straight into the runtime or is staged already. The plan
 * is then one for a file of this machine.
 */
async function* fetchFile(
  plan: InstallPlan,
  staged: StoredModel | undefined,
  journalWriter: JournalWriter,
  { effects, signal, steps }: Run,
): Work<{ plan: InstallPlan; bytes: number }> {
  const { source } = plan;
  let fetched = { plan, bytes: 0 };
  if (source.kind === 'file' && source.file.kind === 'remote' && isFetched(plan) && staged === undefined) {
    await journalWriter.write({ step: 'fetch' });
    const { file, bytes, reasons } = yield* steps.run('fetch', downloadFromAny(source, effects, signal));
    fetched = { plan: { ...plan, source: { ...source, file }, reasons: [...plan.reasons, ...reasons] }, bytes };
  }
  const beside = source.kind === 'file' && staged === undefined ? source.projector : undefined;
  if (beside?.file.kind === 'remote' && comesIntoCache(beside.file, beside.transfer)) {
    await journalWriter.write({ step: 'fetch' });
    const { file, bytes } = yield* steps.run('fetch', download(beside.file, effects, signal));
    fetched = { plan: withProjectorFile(fetched.plan, file), bytes: fetched.bytes + bytes };
  }
  effects.checkpoint?.('fetch');
  effects.checkpoint?.('verify');
  return fetched;
}

function withProjectorFile(plan: InstallPlan, file: FetchedFile): InstallPlan {
  const { source } = plan;
  if (source.kind === 'library' || source.projector === undefined) return plan;
  return { ...plan, source: { ...source, projector: { ...source.projector, file } } };
}

/** From the planned place; where that fails, from the next one with the same bytes, which goes on from what there is. */
async function* downloadFromAny(
  source: FileSource,
  effects: TransactionEffects,
  signal: AbortSignal,
): Work<StepOutcome<{ file: FetchedFile; bytes: number; reasons: readonly string[] }>> {
  const { file, elsewhere } = source;
  if (file.kind === 'file') return { result: { file, bytes: 0, reasons: [] }, bytes: 0, detail: 'on this machine' };
  try {
    const outcome = yield* download(file, effects, signal);
    return { ...outcome, result: { ...outcome.result, reasons: [] } };
  } catch (error) {
    if (signal.aborted || elsewhere === undefined) throw error;
    const { reasons, ...next } = await elsewhere(error);
    for (const message of reasons) yield { type: 'warning', message };
    const outcome = yield* downloadFromAny({ kind: 'file', spec: source.spec, ...next }, effects, signal);
    return { ...outcome, result: { ...outcome.result, reasons: [...reasons, ...outcome.result.reasons] } };
  }
}

async function* download(
  remote: RemoteFile,
  effects: TransactionEffects,
  signal: AbortSignal,
): Work<StepOutcome<{ file: FetchedFile; bytes: number }>> {
  const { bytesMoved: bytes, ...local } = yield* effects.fetch(remote, signal);
  // What the record says about a file beyond its bytes, the cache does not know.
  const { ref, pinnedRef, fileName, provenance, servedBy } = remote;
  const file = { ...local, ref, pinnedRef, fileName, ...defined({ provenance, servedBy }), kind: 'file' as const };
  const detail = bytes === 0 ? 'in the cache, verified' : `${formatBytes(bytes)}, verified`;
  return { result: { file, bytes }, bytes, detail };
}

/** Makes the record of a tested candidate, with the version that it replaces. */
async function recordMaker(
  plan: InstallPlan,
  candidate: Candidate,
  tested: Tested,
  { options, effects }: Run,
): Promise<Promotion['recordWith']> {
  const { licence } = plan.family;
  const acceptedAt = await effects.acceptedAt?.(licence.id, digestOf(licence.text));
  const promoted = { ...candidate.stored, name: plan.name };
  const { suite, lock } = options;
  return (previous) =>
    recordOf({ plan, promoted, way: candidate.way, tested, suite, acceptedAt, previous, lock, effects });
}

function* reportInPlace(
  plan: InstallPlan,
  record: InstallRecord,
  { steps }: Run,
  skipped: readonly ('store' | 'smoke' | 'prove' | 'promote' | 'record')[],
): Generator<ProgressEvent, InstallReport, undefined> {
  for (const id of skipped) yield* steps.skip(id, 'already in place');
  return installReport(plan, steps, { changed: false, bytesMoved: 0, record, tested: {}, way: undefined });
}
