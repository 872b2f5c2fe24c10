/** Verifies installed models against their records, including the bytes of their files. Changes nothing. */

import { join } from 'node:path';
import { howRendererChooses } from '../../compat/renderers.ts';
import { digestOf } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import type { HashFile } from '../../disk/hash.ts';
import type { Locker } from '../../disk/lock.ts';
import type { BuiltInFormat } from '../../modelfile/schema.ts';
import { type BrokenRecord, readRecords } from '../../registry/index.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import type { StoredModel } from '../../runtimes/contract.ts';
import { isJinja } from '../../runtimes/jinja.ts';
import { parameterDifferences, parseParameters } from '../../runtimes/parameters.ts';
import { capabilitiesOf, flagsFor, type RuntimeFlags } from '../../runtimes/registry.ts';
import type { AppContext } from '../context.ts';
import { type OpenRun, openRunOf } from '../install/open-run.ts';
import { identityOf, sameModelIdentity } from '../install/versions.ts';
import { createUncachedHasher, openModelFolder } from './places.ts';
import type { Problem, VerifyReport, VerifyResult } from './problems.ts';
import { recordsNamed } from './records.ts';
import { type BlobCheckResult, type CheckedBlobs, checkBlobs, type ModelFolder } from './verify-blobs.ts';

export interface VerifyEffects {
  /** Opens the runtime of a record; asked once for one endpoint. Throws `runtime-unreachable` and its like. */
  place(runtime: InstallRecord['runtime']): Promise<ModelFolder>;
  /** Undefined for a name without a journal. */
  openRun?(record: Pick<InstallRecord, 'name' | 'runtime'>): Promise<OpenRun | undefined>;
  /** Reads every time: it remembers nothing. */
  readonly hash: HashFile;
}

export interface VerifyRequest {
  readonly records: readonly InstallRecord[];
  readonly broken: readonly BrokenRecord[];
  /** Hash no bytes. */
  readonly quick: boolean;
}

interface Opened {
  readonly place: ModelFolder;
  readonly checked: CheckedBlobs;
}

/** Looks at every record. What is wrong is in the results; throws only when aborted, or for a bug. */
export async function* verifyRecords(
  { records, broken, quick }: VerifyRequest,
  effects: VerifyEffects,
  signal: AbortSignal,
): Work<VerifyReport> {
  const opened = new Map<string, Promise<Opened>>();
  const results: VerifyResult[] = broken.map(brokenRecordResult);
  for (const record of records) results.push(yield* verifyOne(record, quick, opened, effects, signal));
  return { results };
}

async function* verifyOne(
  record: InstallRecord,
  quick: boolean,
  opened: Map<string, Promise<Opened>>,
  effects: VerifyEffects,
  signal: AbortSignal,
): Work<VerifyResult> {
  const run = await effects.openRun?.(record);
  // What a run changes at this moment is neither what was recorded nor wrong.
  if (run === 'at-work') return uncheckedResult(record, `Another run is changing ${record.name}; it was not checked.`);
  try {
    const { place, checked } = await openOnce(record, opened, effects);
    const result = yield* verifyRecord(record, { place, checked, quick, hash: effects.hash, signal });
    return run === 'interrupted' ? addInterruption(result) : result;
  } catch (error) {
    if (signal.aborted || !(error instanceof ProvisionError)) throw error;
    const { kind, endpoint } = record.runtime;
    const result = uncheckedResult(record, `${kind} at ${endpoint} did not answer about ${record.name}.`);
    return { ...result, ok: false, problems: [{ kind: 'not-asked', detail: error.message }] };
  }
}

function openOnce({ runtime }: InstallRecord, opened: Map<string, Promise<Opened>>, effects: VerifyEffects) {
  const key = `${runtime.kind} ${runtime.endpoint}`;
  const known = opened.get(key) ?? effects.place(runtime).then((place) => ({ place, checked: new Map() }));
  opened.set(key, known);
  return known;
}

function brokenRecordResult({ path, name = path, error }: BrokenRecord): VerifyResult {
  const problems: Problem[] = [{ kind: 'bad-record', detail: error.message, path }];
  return { name, ok: false, problems, unchecked: [], bytesRead: 0 };
}

function uncheckedResult({ name, runtime: { kind, endpoint } }: InstallRecord, why: string): VerifyResult {
  return { name, runtime: { kind, endpoint }, ok: true, problems: [], unchecked: [why], bytesRead: 0 };
}

function addInterruption(result: VerifyResult): VerifyResult {
  const detail = `the last run on ${result.name} was interrupted; run repair, or any command that changes it, to complete or roll it back`;
  return { ...result, ok: false, problems: [{ kind: 'interrupted', detail }, ...result.problems] };
}

export interface RecordCheck {
  readonly place: ModelFolder;
  readonly checked: CheckedBlobs;
  readonly hash: HashFile;
  readonly quick: boolean;
  readonly signal: AbortSignal;
}

/** One record: the name, what the runtime says of it, its bytes, and the version that is kept for a rollback. */
export async function* verifyRecord(record: InstallRecord, check: RecordCheck): Work<VerifyResult> {
  const { name, runtime, previous } = record;
  const asked = await findStored(name, check);
  const bytes = yield* checkBlobs(name, asked.stored, check);
  const kept =
    previous?.keptAs === undefined ? undefined : yield* checkPreviousVersion(previous, previous.keptAs, check);
  const entry = entryProblemsOf(record, asked, bytes);
  const problems = withoutDuplicates([...entry, ...bytes.problems, ...(kept?.problems ?? [])]);
  return {
    name,
    runtime: { kind: runtime.kind, endpoint: runtime.endpoint },
    ok: problems.length === 0,
    problems,
    unchecked: [...new Set([...bytes.unchecked, ...(kept?.unchecked ?? [])])],
    bytesRead: bytes.bytesRead + (kept?.bytesRead ?? 0),
  };
}

/**
 * A blob that is corrupt or gone explains why the runtime cannot read the name, and why the embedded runtime has no model
 * whose file is cut off: the blob is then what is wrong.
 */
function entryProblemsOf(record: InstallRecord, { problem, stored }: FoundEntry, bytes: BlobCheckResult): Problem[] {
  if (stored !== undefined) return findDrift(record, stored);
  if (bytes.problems.length > 0) return [];
  return [problem ?? { kind: 'missing', detail: `the runtime has no model named ${record.name}` }];
}

async function* checkPreviousVersion(
  previous: NonNullable<InstallRecord['previous']>,
  keptAs: string,
  check: RecordCheck,
): Work<BlobCheckResult> {
  const { problem, stored } = await findStored(keptAs, check);
  const bytes = yield* checkBlobs(keptAs, stored, check);
  const which = `${previous.model}:${previous.quant}, kept as ${keptAs} for a rollback,`;
  const problems: Problem[] = [];
  if (problem !== undefined) problems.push({ kind: 'kept-drift', detail: `${which} cannot be read` });
  else if (stored === undefined && bytes.problems.length === 0)
    problems.push({ kind: 'kept-missing', detail: `${which} is gone` });
  else if (stored !== undefined && !sameModelIdentity(previous.stored, identityOf(stored)))
    problems.push({ kind: 'kept-drift', detail: `${which} is not what was recorded` });
  // A manifest that cannot be read was reported above.
  const rest = bytes.problems.filter(({ kind }) => kind !== 'broken-entry');
  return { ...bytes, problems: [...problems, ...rest] };
}

interface FoundEntry {
  readonly stored?: StoredModel | undefined;
  /** The runtime has the name and cannot read it. */
  readonly problem?: Problem;
}

/** Codes that say that the runtime answered: it cannot make sense of the name. */
const ANSWERED: ReadonlySet<string> = new Set(['needs-repair', 'runtime-refused', 'file-access', 'bad-gguf']);

async function findStored(name: string, { place, signal }: RecordCheck): Promise<FoundEntry> {
  try {
    return { stored: await place.runtime.find(name, signal) };
  } catch (error) {
    if (signal.aborted || !(error instanceof ProvisionError) || !ANSWERED.has(error.code)) throw error;
    return { problem: { kind: 'broken-entry', detail: `the runtime cannot read ${name}: ${error.message}` } };
  }
}

/** The same blob under both versions, and a manifest that the runtime and we find broken, are one problem each. */
function withoutDuplicates(problems: readonly Problem[]): Problem[] {
  const seen = new Map<string, Problem>();
  for (const problem of problems) {
    const key = problem.digest ?? (problem.kind === 'broken-entry' ? problem.kind : problem.detail);
    if (!seen.has(key)) seen.set(key, problem);
  }
  return [...seen.values()];
}

type Recorded = Pick<InstallRecord, 'name' | 'stored' | 'template' | 'parameters'>;

/**
 * In what the entry is not what was recorded. The digest of the whole entry covers template and parameters: only where it
 * is another one, or the runtime reports none, are these looked at, to say what changed.
 */
export function findDrift(record: Recorded, found: StoredModel): Problem[] {
  const { name, stored } = record;
  const isSame = stored.entryDigest !== undefined && stored.entryDigest === found.entryDigest;
  return [
    ...digestProblem('entry-drift', `the entry of ${name}`, stored.entryDigest, found.entryDigest),
    ...digestProblem('layer-drift', `the model layer of ${name}`, stored.layerDigest, found.layerDigest),
    ...digestProblem('layer-drift', `the projector of ${name}`, stored.projectorDigest, found.projectorDigest),
    ...(isSame ? [] : [...templateProblem(record, found), ...parameterProblems(record, found)]),
  ];
}

function digestProblem(
  kind: Problem['kind'],
  what: string,
  recorded: string | undefined,
  now: string | undefined,
): Problem[] {
  if (recorded === undefined || now === undefined || recorded === now) return [];
  return [{ kind, detail: `${what} is ${now}; ${recorded} was recorded` }];
}

function templateProblem({ name, template }: Recorded, found: StoredModel): Problem[] {
  if (template.builtIn !== undefined) return builtInProblem(name, template.builtIn, found);
  // Servers that show the file's own Jinja template may still use the one that was sent.
  if (found.template === undefined || isJinja(found.template)) return [];
  const now = digestOf(found.template);
  if (now === template.digest) return [];
  return [
    {
      kind: 'template-drift',
      detail: `the template of ${name} is ${now}; ${template.name}, ${template.digest}, was recorded`,
    },
  ];
}

/** A stand-in of an older server counts too: which one was written is not recorded, that it differs from ours is no drift. */
function builtInProblem(name: string, { renderer, parser }: BuiltInFormat, found: StoredModel): Problem[] {
  if (found.renderer === undefined) return [];
  const isSame = found.renderer === renderer || howRendererChooses(found.renderer) !== undefined;
  if (isSame && found.parser === parser) return [];
  const now = `${found.renderer} and ${found.parser ?? 'none'}`;
  return [
    {
      kind: 'template-drift',
      detail: `RENDERER and PARSER of ${name} are ${now}; ${renderer} and ${parser} were recorded`,
    },
  ];
}

function parameterProblems({ name, parameters }: Recorded, found: StoredModel): Problem[] {
  // Nothing is recorded of the parameters of a library model.
  if (Object.keys(parameters).length === 0) return [];
  return parameterDifferences(parameters, parseParameters(found.parameters ?? '')).map((difference) => ({
    kind: 'parameter-drift',
    detail: `${name}: ${difference}`,
  }));
}

export interface VerifyFlags extends RuntimeFlags {
  readonly quick?: boolean | undefined;
}

/** One model, or all that this tool installed. Throws `record-not-found`, `bad-record` for a NAME whose record is broken. */
export async function verify(
  app: AppContext,
  name: string | undefined,
  flags: VerifyFlags,
): Promise<Work<VerifyReport>> {
  const registry = await app.registry();
  const all = name === undefined ? await readRecords(registry) : undefined;
  const named = name === undefined ? [] : await recordsNamed(registry, name, flags);
  const records = (all?.records ?? named).filter((record) => matchesFlags(record, flags));
  const request = { records, broken: all?.broken ?? [], quick: flags.quick === true };
  const impatient = await createNonWaitingLocker(app);
  const effects = {
    hash: createUncachedHasher(app),
    openRun: (record: Pick<InstallRecord, 'name' | 'runtime'>) =>
      openRunOf(record, { registry, impatient }, app.options.signal),
    place: async (runtime: InstallRecord['runtime']) =>
      openModelFolder(
        app,
        await app.open({ ...flagsFor(runtime), ...(flags.host !== undefined && { host: flags.host }) }),
      ),
  };
  return verifyRecords(request, effects, app.options.signal);
}

/** `--runtime` narrows; `--host` says where the server is, which is all that the record of a server has to match. */
function matchesFlags({ runtime }: InstallRecord, { runtime: wanted, host }: VerifyFlags): boolean {
  if (wanted !== undefined && wanted !== 'auto') return runtime.kind === wanted;
  return host === undefined || capabilitiesOf(runtime.kind).isServer;
}

/** Does not wait for a lock that another process holds. */
async function createNonWaitingLocker({ paths, options }: AppContext): Promise<Locker> {
  const { createFileLocker } = await import('../../disk/locker.ts');
  return createFileLocker({ dir: join(paths.data, 'locks'), command: options.command, waitMs: 0 });
}
