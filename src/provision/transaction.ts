/**
 * The transaction: verify → store under a staging name → smoke → prove → promote → record. Until `promote` the final
 * name is not touched, so a failure before it leaves the model that answered before.
 */
import { ProvisionError } from '../core/errors.ts';
import type { ProgressEvent, Work } from '../core/progress.ts';
import { workUnderLock } from '../registry/index.ts';
import type { Record as Installed } from '../registry/schema.ts';
import type { Runtime, StoredModel } from '../runtimes/contract.ts';
import { type Candidate, prepareFile, prepareLibrary } from './candidate.ts';
import { quietly } from './clean-up.ts';
import type { TransactionEffects, TransactionOptions } from './effects.ts';
import { heldAgainstEstimate } from './measure.ts';
import { backupNameOf, type InstallPlan, lockName } from './plan.ts';
import { proveStep } from './prove-step.ts';
import { isProven, isUpToDate, recordOf, type Tested } from './record.ts';
import { planReport } from './report.ts';
import type { InstallReport } from './schema.ts';
import { smokeStep } from './smoke-step.ts';
import { type StepOutcome, Steps } from './steps.ts';

/** One run of the transaction: what its steps share. */
interface Run {
  readonly plan: InstallPlan;
  readonly options: TransactionOptions;
  readonly effects: TransactionEffects;
  readonly signal: AbortSignal;
  readonly steps: Steps;
  /** Our record under the final name, before this run. */
  readonly before: Installed | undefined;
}

/** Carries out a plan. Throws what its steps throw; nothing of a failed run stays in the runtime or the records. */
export async function* install(
  plan: InstallPlan,
  options: TransactionOptions,
  effects: TransactionEffects,
  signal: AbortSignal,
): Work<InstallReport> {
  for (const message of plan.warnings) yield { type: 'warning', message };
  return yield* workUnderLock(effects.locker, lockName(plan.runtime, plan.name), signal, async function* (held) {
    const steps = new Steps(effects.clock);
    const before = await effects.records.find(plan.name, options.force ? 'replace' : undefined);
    return yield* installLocked({ plan, options, effects, signal: held, steps, before });
  });
}

async function* installLocked(start: Run): Work<InstallReport> {
  const { options, effects, signal, steps, before } = start;
  const present = await effects.runtime.find(start.plan.name, signal);
  if (!options.force) refuseForeign(start, present);
  const plan = yield* verify(start);
  const digest = plan.source.kind === 'file' ? plan.source.file.digest : undefined;
  if (!options.force && isUpToDate(plan, { digest, options }, before, present)) {
    for (const id of ['store', 'smoke', 'prove', 'promote', 'record'] as const)
      yield* steps.skip(id, 'in place already');
    return report(plan, steps, { changed: false, bytesMoved: 0, record: before, tested: {} });
  }
  return yield* change({ ...start, plan });
}

/** The part that changes something; on any failure it is taken back. */
async function* change(run: Run): Work<InstallReport> {
  const { plan, effects, signal, steps, options } = run;
  yield* heed(plan, options.force);
  const prepare = plan.source.kind === 'file' ? prepareFile : prepareLibrary;
  const made = yield* prepare(plan, steps, effects, signal);
  try {
    if (!options.force && made.unchanged && run.before !== undefined && isProven(run.before, options)) {
      yield* settle(made);
      for (const id of ['smoke', 'prove', 'promote', 'record'] as const) yield* steps.skip(id, 'in place already');
      return report(plan, steps, { changed: false, bytesMoved: 0, record: run.before, tested: {} });
    }
    const tested = yield* test(made, run);
    const record = yield* promoteAndRecord(made, run, tested);
    yield* settle(made);
    return report(plan, steps, { changed: true, bytesMoved: made.bytesMoved, record, tested });
  } catch (error) {
    await quietly((by) => made.undo(by));
    throw error;
  }
}

/** Smoke test and proof of the prompt; neither when no suite is wanted. */
async function* test(made: Candidate, { plan, options, effects, signal, steps }: Run): Work<Tested> {
  const { suite } = options;
  const before = suite === undefined ? undefined : await effects.memoryUse?.(signal);
  const smoke = yield* smokeStep(made, plan, suite, steps, effects.runtime, signal);
  const model = suite !== undefined && smoke !== undefined ? { stored: made.stored, suite, smoke } : undefined;
  const memory =
    smoke === undefined ? undefined : yield* heldAgainstEstimate(made.name, plan, options, effects, before, signal);
  const prompt = yield* proveStep(plan, model, steps, effects.runtime, signal);
  return {
    ...(smoke !== undefined && { smoke }),
    ...(prompt !== undefined && { prompt }),
    ...(memory !== undefined && { memory }),
  };
}

/** Gives the candidate its name and writes the record; if either fails, the name goes back to what it was. */
async function* promoteAndRecord(made: Candidate, run: Run, tested: Tested): Work<Installed> {
  const { plan, effects, signal } = run;
  if (made.name === plan.name) return yield* nameAndRecord(made, run, tested);
  const { runtime } = effects;
  const backup = backupNameOf(plan);
  const replaced = (await runtime.find(plan.name, signal)) !== undefined;
  if (replaced) await runtime.copy(plan.name, backup, signal);
  let done = false;
  try {
    const record = yield* nameAndRecord(made, run, tested);
    done = true;
    return record;
  } finally {
    // In `finally`, since a consumer that gives up returns the generator instead of throwing into it.
    if (!done) await giveBack(plan.name, replaced ? backup : undefined, runtime);
    if (replaced) await quietly((by) => runtime.remove(backup, by));
  }
}

async function* nameAndRecord(made: Candidate, run: Run, tested: Tested): Work<Installed> {
  const { plan, effects, steps, before } = run;
  const promoted = yield* steps.run('promote', () => promote(made, run));
  const record = recordOf({ plan, promoted, tested, before, effects });
  yield* steps.run('record', async () => ({ result: await effects.records.put(record) }));
  return record;
}

/** The final name holds again what it held, or nothing. */
function giveBack(name: string, backup: string | undefined, runtime: Runtime): Promise<void> {
  return quietly((by) => (backup === undefined ? runtime.remove(name, by) : runtime.copy(backup, name, by)));
}

/** Too little memory or disk stops an install that would move bytes; force turns that into warnings. */
function* heed({ obstacles }: InstallPlan, force: boolean): Generator<ProgressEvent, void, undefined> {
  const [first] = obstacles;
  if (first !== undefined && !force) throw first;
  for (const { message } of obstacles) yield { type: 'warning', message: `forced: ${message}` };
}

/** A name that exists in the runtime but in no record of ours belongs to somebody else. */
function refuseForeign({ plan, before }: Run, present: StoredModel | undefined): void {
  if (present === undefined || before !== undefined) return;
  // A pull of a library name that is there already is what that name is for.
  if (plan.source.kind === 'library' && plan.source.libraryName === plan.name) return;
  throw new ProvisionError(
    'foreign-model',
    `${plan.name} exists in ${plan.runtime.kind} and was not installed by this tool`,
    {
      suggestions: [
        'Install under another name with --name.',
        'Or replace it with --force: what answers under that name now is then lost.',
      ],
    },
  );
}

/** Makes sure that the source's digest is known before anything is stored. */
async function* verify({ plan, effects, signal, steps }: Run): Work<InstallPlan> {
  if (plan.source.kind === 'library') return plan;
  const { source } = plan;
  const { file } = source;
  if (file.digest !== undefined) {
    yield* steps.skip('verify', `${file.digest.slice(0, 19)}… known, checked as the bytes move`);
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

async function promote(made: Candidate, { plan, effects, signal }: Run): Promise<StepOutcome<StoredModel>> {
  if (made.name !== plan.name) await effects.runtime.copy(made.name, plan.name, signal);
  const stored = await effects.runtime.find(plan.name, signal);
  if (stored === undefined || differs(stored, made.stored)) {
    throw new ProvisionError('needs-repair', `${plan.name} does not hold what was just tested`, {
      suggestions: [
        'Run the same install again: it puts the name right.',
        'Check the disk of the server: a full one spoils names.',
      ],
    });
  }
  return { result: stored };
}

function differs(stored: StoredModel, tested: StoredModel): boolean {
  if (stored.entryDigest !== undefined && tested.entryDigest !== undefined) {
    return stored.entryDigest !== tested.entryDigest;
  }
  return stored.layerDigest !== tested.layerDigest;
}

/** The install is done and recorded; a staging name that will not go is a warning, not a failure. */
async function* settle(made: Candidate): AsyncGenerator<ProgressEvent, void, undefined> {
  try {
    await made.settle();
  } catch {
    yield { type: 'warning', message: `${made.name} could not be removed; the next install sweeps it` };
  }
}

interface Outcome {
  readonly changed: boolean;
  readonly bytesMoved: number;
  readonly record: Installed;
  readonly tested: Tested;
}

function report(plan: InstallPlan, steps: Steps, { changed, bytesMoved, record, tested }: Outcome): InstallReport {
  const smoke = tested.smoke ?? (changed ? undefined : record.smoke);
  return {
    ...planReport(plan),
    dryRun: false,
    changed,
    steps: steps.list,
    bytesMoved,
    record,
    source: record.source,
    ...(smoke !== undefined && { smoke }),
    ...(tested.prompt !== undefined && { prompt: tested.prompt }),
    ...(record.previous !== undefined && { previous: record.previous }),
  };
}
