/**
 * Rolls a model back to the version that an upgrade replaced. The current version is kept in its place, so that a second rollback
 * goes forward again.
 */
import type { Family } from '../../catalog/schema.ts';
import { digestOf } from '../../core/digest.ts';
import { messageOf, ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import type { StoredModel } from '../../runtimes/contract.ts';
import { parseModelName } from '../../runtimes/names.ts';
import type { RuntimeFlags } from '../../runtimes/registry.ts';
import type { Suite } from '../../smoke/schema.ts';
import type { AppContext } from '../context.ts';
import type { ChangeEffects } from '../install/effects.ts';
import { JournalWriter, newJournal, rollBackOnFailure } from '../install/journal.ts';
import { promoteAndRecord } from '../install/promote.ts';
import { isGone, retryAfterReconnect } from '../install/reconnect.ts';
import { refuseForeignModel, suiteOf } from '../install/record.ts';
import { workOnName } from '../install/recovery.ts';
import type { InstallReport } from '../install/schema.ts';
import { openSuite, suiteIdFor } from '../install/smoke.ts';
import { cleanStep, Steps } from '../install/steps.ts';
import { type Subject, smokeStep } from '../install/test-model.ts';
import type { Previous } from '../install/versions.ts';
import { BROKEN, findModel, identityOf, sameModelIdentity } from '../install/versions.ts';
import { openTemplates } from '../plan/catalog.ts';
import { openForChange } from './records.ts';

export interface RollbackOptions {
  /** The test that the earlier version has to pass before it gets the name; absent with `--no-smoke`. */
  readonly suiteFor: (previous: Previous) => Promise<Suite | undefined>;
  /** What a suite must know of the earlier version, beyond what the runtime says. */
  readonly known: (previous: Previous) => Promise<Pick<Subject, 'bos' | 'stop' | 'template'>>;
  /** Also when the model was changed since it was installed. */
  readonly force: boolean;
}

/**
 * Restores the previous version of a name. Throws `record-not-found` when there is no earlier version, `needs-repair`
 * before anything is touched when what was kept is gone or is not what was recorded, `smoke-failed` when it fails its
 * test; what answered stays then.
 */
export function rollBackModel(
  name: string,
  options: RollbackOptions,
  effects: ChangeEffects,
  signal: AbortSignal,
): Work<InstallReport> {
  return workOnName(name, effects, signal, (held) => rollBackUnderLock(name, options, effects, held));
}

async function* rollBackUnderLock(
  name: string,
  options: RollbackOptions,
  effects: ChangeEffects,
  signal: AbortSignal,
): Work<InstallReport> {
  const before = await effects.records.find(name);
  if (before === undefined) throw unknownModel(name);
  const present = await findModel(effects.runtime, before.name, signal);
  if (!options.force)
    refuseForeignModel(name, effects.runtime.kind, before, present, [
      'Inspect it first, or use --force to roll back anyway; the current model will be lost.',
    ]);
  const { previous, keptAs } = previousVersionOf(before);
  const stored = await findPreviousModel(previous, keptAs, effects, signal);
  const isIntact = effects.runtime.isIntact === undefined || (yield* effects.runtime.isIntact(keptAs, signal));
  if (!isIntact) throw previousUnusable(previous, keptAs, 'its file is corrupt');
  const steps = new Steps(effects.clock);
  const journalWriter = new JournalWriter(newJournal('rollback', before.name, effects), effects);
  await journalWriter.write({ step: 'prove', staged: { name: keptAs, held: identityOf(stored) } });
  effects.checkpoint?.('plan');
  const now = present === BROKEN ? undefined : present;
  const work = swapVersions({
    before,
    present: now,
    previous,
    keptAs,
    stored,
    options,
    steps,
    journalWriter,
    effects,
    signal,
  });
  return yield* rollBackOnFailure(journalWriter, effects, signal, work);
}

interface SwapContext {
  readonly before: InstallRecord;
  readonly present: StoredModel | undefined;
  readonly previous: Previous;
  readonly keptAs: string;
  readonly stored: StoredModel;
  readonly options: RollbackOptions;
  readonly steps: Steps;
  readonly journalWriter: JournalWriter;
  readonly effects: ChangeEffects;
  readonly signal: AbortSignal;
}

async function* swapVersions(swap: SwapContext): Work<InstallReport> {
  const { before, present, previous, keptAs, stored, steps, journalWriter, effects, signal } = swap;
  const tested = yield* test(swap);
  const { keptAs: _, ...body } = previous;
  const promotion = {
    name: before.name,
    candidate: { name: keptAs, stored, temporaryNames: [keptAs] },
    before,
    present,
    keep: true,
    recordWith: (replaced: Previous | undefined): InstallRecord => ({
      ...body,
      name: before.name,
      ...tested,
      ...(replaced !== undefined && { previous: replaced }),
    }),
  };
  const record = yield* promoteAndRecord(promotion, { steps, journalWriter, effects, signal });
  yield* cleanStep(journalWriter.journal, journalWriter.journal.after?.drop ?? [], steps, effects, signal);
  return reportOf(record, steps);
}

/** The earlier version passes its test under the name that it is kept as: until then nothing is touched. */
async function* test(swap: SwapContext): Work<Pick<InstallRecord, 'smoke' | 'suite'>> {
  const { before, previous, keptAs: name, stored, options, steps, effects, signal } = swap;
  const suite = await options.suiteFor(previous);
  const known = await options.known(previous);
  const label = `${previous.model}:${previous.quant}`;
  const subject = { name, stored, label, finalName: before.name, ...known };
  const smoke = yield* retryAfterReconnect(effects, name, signal, () =>
    smokeStep(subject, suite, steps, effects, signal),
  );
  effects.checkpoint?.('smoke');
  return { ...(smoke !== undefined && suite !== undefined && { smoke, suite: suiteOf(suite) }) };
}

function reportOf(record: InstallRecord, steps: Steps): InstallReport {
  return {
    dryRun: false,
    changed: true,
    model: record.model,
    quant: record.quant,
    name: record.name,
    runtime: record.runtime,
    source: record.source,
    choice: { reasons: record.choice.reasons },
    plan: { bytesToMove: 0, disk: [] },
    steps: steps.list,
    bytesMoved: 0,
    record,
    ...(record.smoke !== undefined && { smoke: record.smoke }),
    ...(record.previous !== undefined && { previous: record.previous }),
  };
}

/** The earlier version in the runtime, if it is what was recorded. */
async function findPreviousModel(
  previous: Previous,
  keptAs: string,
  { runtime }: ChangeEffects,
  signal: AbortSignal,
): Promise<StoredModel> {
  let found: Awaited<ReturnType<typeof findModel>>;
  try {
    found = await findModel(runtime, keptAs, signal);
  } catch (error) {
    if (signal.aborted || isGone(error)) throw error;
    // A manifest whose blob is gone makes some servers fail on the question.
    throw previousUnusable(previous, keptAs, `the runtime cannot read it (${messageOf(error)})`);
  }
  if (found === undefined) throw previousUnusable(previous, keptAs, 'it is no longer in the runtime');
  if (found === BROKEN) throw previousUnusable(previous, keptAs, 'the runtime cannot read it');
  if (!sameModelIdentity(found, previous.stored))
    throw previousUnusable(previous, keptAs, 'it differs from what was recorded');
  return found;
}

function previousVersionOf({ name, previous }: InstallRecord): { previous: Previous; keptAs: string } {
  if (previous === undefined)
    throw new ProvisionError('record-not-found', `${name} has no previous version to roll back to`, {
      suggestions: ['Only a version that an upgrade or another install replaced can be restored.'],
    });
  const { keptAs } = previous;
  if (keptAs !== undefined) return { previous, keptAs };
  throw new ProvisionError('record-not-found', `the previous version of ${name} was not kept`, {
    suggestions: [reinstallSuggestion(name, previous)],
  });
}

function previousUnusable(previous: Previous, keptAs: string, why: string): ProvisionError {
  const { name } = previous;
  return new ProvisionError(
    'needs-repair',
    `${name} cannot be rolled back to ${previous.model}:${previous.quant}, kept as ${keptAs}: ${why}. Nothing was changed.`,
    { suggestions: [reinstallSuggestion(name, previous)] },
  );
}

function reinstallSuggestion(name: string, { source }: Previous): string {
  const digest = source.digest === undefined ? '' : ` --digest ${source.digest}`;
  return `Install that version again: gemma-provision install --from ${source.ref}${digest} --name ${name}`;
}

function unknownModel(name: string): ProvisionError {
  return new ProvisionError('record-not-found', `this tool did not install a model named ${name}`, {
    suggestions: ['Run gemma-provision list to see installed models.'],
  });
}

export interface RollbackFlags extends RuntimeFlags {
  readonly suite?: string | undefined;
  readonly 'no-smoke'?: boolean | undefined;
  readonly force?: boolean | undefined;
}

/** Back to the version before, which has to pass its smoke test first. */
export async function rollback(app: AppContext, name: string, flags: RollbackFlags): Promise<Work<InstallReport>> {
  const { effects } = await openForChange(app, name, flags);
  const { signal } = app.options;
  const options = {
    force: flags.force === true,
    suiteFor: async (previous: Previous) => {
      if (flags['no-smoke'] === true) return undefined;
      return openSuite(app, flags.suite ?? (await suiteIdFor(previous, await app.catalog())));
    },
    known: (previous: Previous) => promptFactsOf(app, previous),
  };
  return rollBackModel(parseModelName(name).text, options, effects, signal);
}

async function familyOf(app: AppContext, { family }: Previous): Promise<Family | undefined> {
  const { families } = await app.catalog();
  return families.find((each) => each.family.id === family)?.family;
}

/** What a suite must know of the model beyond the runtime's word; the template only where it is still the recorded one. */
async function promptFactsOf(app: AppContext, previous: Previous) {
  const [family, { chats }] = await Promise.all([familyOf(app, previous), openTemplates(app.options.root)]);
  const text = chats.get(previous.template.name)?.text;
  const isRecorded = text !== undefined && digestOf(text) === previous.template.digest;
  const stop = family?.tokens.stop ?? [previous.parameters.stop ?? []].flat().map(String);
  return { stop, template: isRecorded ? text : '', ...(family !== undefined && { bos: family.tokens.bos }) };
}
