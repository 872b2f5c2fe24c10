/** Is what is installed still what was recorded, down to the bytes? Changes nothing. */
import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import type { BrokenRecord } from '../../registry/index.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import type { StoredModel } from '../../runtimes/contract.ts';
import type { HashFile } from '../../sources/contract.ts';
import { heldOf, sameHeld } from '../install/held.ts';
import { type BytesFound, bytesOf, type CheckedBlobs, type Place } from './verify-bytes.ts';
import { entryProblems } from './verify-entry.ts';
import type { Problem, VerifyReport, VerifyResult } from './verify-schema.ts';

/** A run that a journal tells of. */
export type OpenRun = 'at-work' | 'interrupted';

export interface VerifyEffects {
  /** Opens the runtime of a record; asked once for one endpoint. Throws `runtime-unreachable` and its like. */
  place(runtime: InstallRecord['runtime']): Promise<Place>;
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
  readonly place: Place;
  readonly checked: CheckedBlobs;
}

/** Looks at every record. What is wrong is in the results; throws only when aborted, or for a bug. */
export async function* verify(
  { records, broken, quick }: VerifyRequest,
  effects: VerifyEffects,
  signal: AbortSignal,
): Work<VerifyReport> {
  const opened = new Map<string, Promise<Opened>>();
  const results: VerifyResult[] = broken.map(brokenResult);
  for (const record of records) results.push(yield* resultOf(record, quick, opened, effects, signal));
  return { results };
}

async function* resultOf(
  record: InstallRecord,
  quick: boolean,
  opened: Map<string, Promise<Opened>>,
  effects: VerifyEffects,
  signal: AbortSignal,
): Work<VerifyResult> {
  const run = await effects.openRun?.(record);
  // What a run changes at this moment is neither what was recorded nor wrong.
  if (run === 'at-work') return unlooked(record, `A run on ${record.name} is at work; it was not looked at.`);
  try {
    const { place, checked } = await openFor(record, opened, effects);
    const result = yield* verifyRecord(record, { place, checked, quick, hash: effects.hash, signal });
    return run === 'interrupted' ? withInterruption(result) : result;
  } catch (error) {
    if (signal.aborted || !(error instanceof ProvisionError)) throw error;
    const { kind, endpoint } = record.runtime;
    const result = unlooked(record, `${kind} at ${endpoint} was not asked for ${record.name}.`);
    return { ...result, ok: false, problems: [{ kind: 'not-asked', detail: error.message }] };
  }
}

function openFor({ runtime }: InstallRecord, opened: Map<string, Promise<Opened>>, effects: VerifyEffects) {
  const key = `${runtime.kind} ${runtime.endpoint}`;
  const known = opened.get(key) ?? effects.place(runtime).then((place) => ({ place, checked: new Map() }));
  opened.set(key, known);
  return known;
}

function brokenResult({ path, error }: BrokenRecord): VerifyResult {
  const problems: Problem[] = [{ kind: 'bad-record', detail: error.message, path }];
  return { name: path, ok: false, problems, unchecked: [], bytesRead: 0 };
}

function unlooked({ name, runtime: { kind, endpoint } }: InstallRecord, why: string): VerifyResult {
  return { name, runtime: { kind, endpoint }, ok: true, problems: [], unchecked: [why], bytesRead: 0 };
}

function withInterruption(result: VerifyResult): VerifyResult {
  const detail = `the last run on ${result.name} was interrupted; repair, or the next run on it, brings it to its end`;
  return { ...result, ok: false, problems: [{ kind: 'interrupted', detail }, ...result.problems] };
}

export interface RecordCheck {
  readonly place: Place;
  readonly checked: CheckedBlobs;
  readonly hash: HashFile;
  readonly quick: boolean;
  readonly signal: AbortSignal;
}

/** One record: the name, what the runtime says of it, its bytes, and the version that is kept for a rollback. */
export async function* verifyRecord(record: InstallRecord, check: RecordCheck): Work<VerifyResult> {
  const { name, runtime, previous } = record;
  const asked = await askedFor(name, check);
  const bytes = yield* bytesOf(name, asked.stored, check);
  const kept = previous?.keptAs === undefined ? undefined : yield* keptFound(previous, previous.keptAs, check);
  const entry = entryOf(record, asked, bytes);
  const problems = oncePerThing([...entry, ...bytes.problems, ...(kept?.problems ?? [])]);
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
function entryOf(record: InstallRecord, { problem, stored }: Asked, bytes: BytesFound): Problem[] {
  if (stored !== undefined) return entryProblems(record, stored);
  if (bytes.problems.length > 0) return [];
  return [problem ?? { kind: 'missing', detail: `the runtime has no ${record.name}` }];
}

async function* keptFound(
  previous: NonNullable<InstallRecord['previous']>,
  keptAs: string,
  check: RecordCheck,
): Work<BytesFound> {
  const { problem, stored } = await askedFor(keptAs, check);
  const bytes = yield* bytesOf(keptAs, stored, check);
  const which = `${previous.model}:${previous.quant}, kept as ${keptAs} for a rollback,`;
  const problems: Problem[] = [];
  if (problem !== undefined) problems.push({ kind: 'kept-drift', detail: `${which} cannot be read` });
  else if (stored === undefined && bytes.problems.length === 0)
    problems.push({ kind: 'kept-missing', detail: `${which} is gone` });
  else if (stored !== undefined && !sameHeld(previous.stored, heldOf(stored)))
    problems.push({ kind: 'kept-drift', detail: `${which} is not what was recorded` });
  // A manifest that cannot be read is the same fault once more.
  const rest = bytes.problems.filter(({ kind }) => kind !== 'broken-entry');
  return { ...bytes, problems: [...problems, ...rest] };
}

interface Asked {
  readonly stored?: StoredModel | undefined;
  /** The runtime has the name and cannot read it. */
  readonly problem?: Problem;
}

/** Codes that say that the runtime answered: it cannot make sense of the name. */
const ANSWERED: ReadonlySet<string> = new Set(['needs-repair', 'runtime-refused', 'file-access', 'bad-gguf']);

async function askedFor(name: string, { place, signal }: RecordCheck): Promise<Asked> {
  try {
    return { stored: await place.runtime.find(name, signal) };
  } catch (error) {
    if (signal.aborted || !(error instanceof ProvisionError) || !ANSWERED.has(error.code)) throw error;
    return { problem: { kind: 'broken-entry', detail: `the runtime cannot read ${name}: ${error.message}` } };
  }
}

/** The same blob under both versions, and a manifest that the runtime and we find broken, are one problem each. */
function oncePerThing(problems: readonly Problem[]): Problem[] {
  const seen = new Map<string, Problem>();
  for (const problem of problems) {
    const key = problem.digest ?? (problem.kind === 'broken-entry' ? problem.kind : problem.detail);
    if (!seen.has(key)) seen.set(key, problem);
  }
  return [...seen.values()];
}
