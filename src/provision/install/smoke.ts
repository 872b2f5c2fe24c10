import { join } from 'node:path';
import * as z from 'zod';
import type { CageParts } from '../../cage/cage.ts';
import { formatMarkers } from '../../catalog/chat-format.ts';
import type { Catalog } from '../../catalog/load.ts';
import { findByArchitecture } from '../../catalog/lookup.ts';
import type { Family } from '../../catalog/schema.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import { realDisk } from '../../disk/disk.ts';
import { RAW_TEMPLATE } from '../../modelfile/templates.ts';
import { BaselineReport, baselineRunOf, readRecords } from '../../registry/index.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import type { Runtime, RuntimeIdentity, StoredModel } from '../../runtimes/contract.ts';
import { sameModel } from '../../runtimes/names.ts';
import type { RuntimeFlags } from '../../runtimes/registry.ts';
import { describeRuntime } from '../../runtimes/registry.ts';
import { proveAfterSmoke, unprovenPrompt } from '../../smoke/prompt/prove.ts';
import { PromptProof } from '../../smoke/prompt/schema.ts';
import { templateMarkersOf } from '../../smoke/prompt/template.ts';
import { runSuite } from '../../smoke/run.ts';
import { BASE_SUITE, SmokeResult, type Suite } from '../../smoke/schema.ts';
import { DEFAULT_SUITE, loadBuiltInSuite, loadSuiteFile } from '../../smoke/suite.ts';
import type { AppContext } from '../context.ts';
import { locateModel } from '../maintain/records.ts';
import { openTemplates } from '../plan/catalog.ts';
import { compareWithBaseline } from './baseline.ts';
import { knownPrompt } from './prompt-proof.ts';

export const SmokeData = SmokeResult.extend({
  name: z.string(),
  /** With `--proof`: the prompt that the model receives, compared with its training template. */
  prompt: PromptProof.optional(),
  /** What got worse since the last good run of this suite on this model; absent when there was none. */
  baseline: BaselineReport.optional(),
});
export type SmokeData = z.infer<typeof SmokeData>;

/** A built-in suite by its id, or a file: a bare word is an id; a file has a folder (`./suite`) or an extension. */
export async function openSuite(app: AppContext, idOrFile: string): Promise<Suite> {
  const { root, signal } = app.options;
  const parts = { cage: await app.cage(), signal };
  if (/[/\\.]/.test(idOrFile)) return loadSuiteFile(realDisk, idOrFile, parts);
  return loadBuiltInSuite(realDisk, join(root, 'catalog/suites'), idOrFile, parts);
}

type Flags = RuntimeFlags & { readonly suite?: string | undefined; readonly proof?: boolean };

/** A model that is installed somewhere, with all that is known of it here. */
interface Subject {
  readonly name: string;
  readonly runtime: Runtime;
  readonly identity: RuntimeIdentity;
  readonly stored: StoredModel;
  readonly record: InstallRecord | undefined;
  readonly families: readonly Family[];
}

/** Runs a suite on a model in the runtime, regardless of who installed it, and compares its prompt on request. */
export async function smokeOf(app: AppContext, name: string, flags: Flags): Promise<Work<SmokeData>> {
  const subject = await subjectOf(app, name, flags);
  const suite = await openSuite(app, flags.suite ?? (await suiteOf(app, subject)));
  return smoked(app, subject, suite, flags);
}

async function subjectOf(app: AppContext, name: string, flags: Flags): Promise<Subject> {
  const { runtime, identity } = await app.open(await locateModel(app, name, flags));
  const stored = await runtime.find(name, app.options.signal);
  const { records } = await readRecords(await app.registry());
  const here = records.filter(({ runtime: at }) => at.kind === identity.kind && at.endpoint === identity.endpoint);
  const record = here.find((candidate) => sameModel(candidate.name, name));
  if (stored === undefined) throw record === undefined ? noSuchModel(name, runtime) : incomplete(record);
  const families = findByArchitecture(await app.catalog(), stored.architecture ?? '').map(({ family }) => family);
  return { name, runtime, identity, stored, record, families };
}

function noSuchModel(name: string, runtime: Runtime): ProvisionError {
  return new ProvisionError('model-not-found', `${describeRuntime(runtime)} has no model named ${name}`, {
    suggestions: ['List the installed models: gemma-provision list'],
  });
}

function incomplete({ name }: InstallRecord): ProvisionError {
  return new ProvisionError('needs-repair', `${name} is on record, but the runtime does not have all of it`, {
    suggestions: [`Repair it: gemma-provision repair ${name}`],
  });
}

async function* smoked(app: AppContext, subject: Subject, suite: Suite, flags: Flags): Work<SmokeData> {
  const { name, runtime, identity, stored, families } = subject;
  const { signal, root } = app.options;
  const stop = families.flatMap(({ tokens }) => tokens.stop);
  const markers = families.flatMap(({ models }) => models.flatMap(formatMarkers));
  const tokens = [...stop, ...families.map(({ tokens: { bos } }) => bos), ...markers];
  const templateMarkers = templateMarkersOf(stored.template ?? '', tokens);
  const chat = runtime.chat.bind(runtime);
  const cage = await app.cage();
  const result = yield* runSuite({ cage, suite, chat, name, runtime, stored, stop, templateMarkers, signal });
  const around = { runtime: identity, stored, toolVersion: app.options.version, at: new Date() };
  const parts = { registry: await app.registry(), locker: await app.locker(), signal };
  const run = baselineRunOf(suite, result, around);
  const baseline = yield* compareWithBaseline({ name, runtime: identity }, run, parts);
  const smoke = { name, ...result, ...(baseline !== undefined && { baseline }) };
  if (flags.proof !== true) return smoke;
  return { ...smoke, prompt: yield* proofOf(subject, suite, result, { root, signal, cage }) };
}

async function* proofOf(
  { runtime, stored, record, families }: Subject,
  suite: Suite,
  smoke: SmokeResult,
  { root, signal, cage }: CageParts & { readonly root: string },
): Work<PromptProof> {
  const templates = await openTemplates(root);
  const [family] = families;
  const tokens = family?.tokens ?? { bos: '', stop: [] };
  const blocked = smoke.checks.find(({ level, passed, advisory }) => level === 'loads' && !passed && !advisory);
  if (blocked !== undefined) return unprovenPrompt(stored, tokens, `the model does not load (check ${blocked.id})`);
  const known = family === undefined ? {} : await knownPrompt({ stored, families, record, templates });
  const lacking = `the catalog has no template of the architecture ${stored.architecture ?? 'unknown'}`;
  return yield* proveAfterSmoke({ runtime, cage, stored, tokens, suite, smoke, known, lacking }, signal);
}

/** The suite of the catalog model that our record names. */
async function suiteOf(app: AppContext, { record }: Subject): Promise<string> {
  return record === undefined ? DEFAULT_SUITE : suiteIdFor(record, await app.catalog());
}

/** The built-in suite for what a record describes: its model's, else the one that it passed when it was installed. */
export function suiteIdFor(
  { family: id, model, template, suite }: Pick<InstallRecord, 'family' | 'model' | 'template' | 'suite'>,
  { families }: Catalog,
): string {
  if (template.name === RAW_TEMPLATE) return BASE_SUITE;
  const models = families.flatMap(({ family }) => family.models.map((each) => ({ ...each, family: family.id })));
  const own = models.find((each) => each.family === id && each.id === model);
  const passed = models.find(({ smokeSuite }) => smokeSuite === suite?.id);
  return (own ?? passed)?.smokeSuite ?? DEFAULT_SUITE;
}
