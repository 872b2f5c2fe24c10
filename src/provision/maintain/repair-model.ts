/** Repairs what `verify` finds: first the files, from a good copy on this machine where there is one, then the name. */
/** Puts right what `verify` finds: bytes first, from a good copy on this machine where there is one, then the name. */
import { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import { sameModel } from '../../runtimes/names.ts';
import type { LocalFile } from '../../sources/contract.ts';
import { workOnName } from '../install/recovery.ts';
import type { Problem, RepairResult, VerifyResult } from './problems.ts';
import type { RepairEffects } from './repair-blobs.ts';
import { findWorkaround, removeNames, repairBlob, type Workaround } from './repair-blobs.ts';
import { verifyRecord } from './verify.ts';

/** What a run did so far. */
interface RepairLog {
  readonly found: Problem[];
  readonly repairs: string[];
}

/**
 * Repairs one name. Throws `record-not-found`, `needs-repair` where nothing is left to rebuild a record from, what a fetch
 * and an install throw, and `bad-record` for a record of a newer version. What could not be repaired is in the result.
 */
export async function* repairModel(name: string, effects: RepairEffects, signal: AbortSignal): Work<RepairResult> {
  const progress: RepairLog = { found: [], repairs: [] };
  const { record, checked } = yield* workOnName(name, effects, signal, (held) =>
    repairInPlace(name, progress, effects, held),
  );
  if (checked.ok) return resultOf(record, checked, progress);
  if (!effects.replacesChanged && checked.problems.some(({ kind }) => CHANGED.has(kind)))
    return { ...resultOf(record, checked, progress), suggestions: changedSuggestions(record) };
  const needed = checked.problems.some((problem) => needsNewEntry(name, problem));
  const file = needed ? yield* findSourceFile(record, effects, signal) : undefined;
  if (file === undefined) return resultOf(record, checked, progress);
  const corrupt = checked.problems.filter((each) => each.kind === 'corrupt-blob' && needsNewEntry(name, each));
  const way = findWorkaround(record, corrupt, file, await effects.place());
  if (way !== undefined && way.suggestions.length > 0) {
    return { ...resultOf(record, checked, progress), suggestions: [...way.suggestions] };
  }
  const cleared = yield* workOnName(name, effects, signal, (held) =>
    clearBlobs(corrupt, way, { record, progress, effects, signal: held }),
  );
  const made = yield* effects.again(cleared, file);
  // Where its bytes came from is what it was: the file that served here may go at any time.
  const now = mergeRecords(made, cleared);
  yield* workOnName(name, effects, signal, () => effects.records.put(now));
  progress.repairs.push(`${name} was created again from ${file.path}`);
  return resultOf(now, yield* verifyAgain(now, effects, signal), progress);
}

/** The name has another model than the one that was recorded: whose it is cannot be seen from here. */
const CHANGED: ReadonlySet<string> = new Set(['entry-drift', 'layer-drift', 'template-drift', 'parameter-drift']);

function changedSuggestions({ name }: InstallRecord): string[] {
  return [
    `${name} was changed outside this tool, so it was left alone. Restore the recorded model: gemma-provision repair ${name} --force`,
    'Keep the changed model under another name first if you need it.',
  ];
}

/** The same entry again is what the record speaks of, its test and its past included. */
function mergeRecords(made: InstallRecord, record: InstallRecord): InstallRecord {
  const { smoke, suite, prompt, runtime } = made;
  const { source, previous } = record;
  const tested = { ...(smoke && { smoke }), ...(suite && { suite }), ...(prompt && { prompt }) };
  if (made.stored.entryDigest !== undefined && made.stored.entryDigest === record.stored.entryDigest)
    return { ...record, runtime, ...tested };
  const { previous: _, ...body } = made;
  return { ...body, source, ...(previous !== undefined && { previous }) };
}

/** Repairs what can be repaired while the name stays as it is. Returns what is still wrong. */
async function* repairInPlace(
  name: string,
  progress: RepairLog,
  effects: RepairEffects,
  signal: AbortSignal,
): Work<{ record: InstallRecord; checked: VerifyResult }> {
  const record = await findOrRebuildRecord(name, progress, effects);
  const before = yield* verifyAgain(record, effects, signal);
  progress.found.push(...before.problems);
  if (before.ok) return { record, checked: before };
  for (const problem of before.problems) {
    const done = yield* repairBlob(problem, record, effects, signal);
    if (done === undefined) continue;
    progress.repairs.push(done);
    await unloadAll(problem.models ?? [], effects, signal);
  }
  const now = await forgetLostVersion(record, before.problems, progress, effects);
  return { record: now, checked: yield* verifyAgain(now, effects, signal) };
}

/** What is loaded goes on with the old file, and its bytes. A runtime that cannot unload keeps it until it ends. */
async function unloadAll(models: readonly string[], { runtime }: RepairEffects, signal: AbortSignal): Promise<void> {
  for (const model of models) await runtime.unload?.(model, signal).catch(() => signal.throwIfAborted());
}

async function* verifyAgain(record: InstallRecord, effects: RepairEffects, signal: AbortSignal): Work<VerifyResult> {
  const place = await effects.place();
  return yield* verifyRecord(record, { place, checked: new Map(), hash: effects.hash, quick: false, signal });
}

/** The record, rebuilt when its file is broken: the file is kept beside it. */
async function findOrRebuildRecord(name: string, progress: RepairLog, effects: RepairEffects): Promise<InstallRecord> {
  let broken: ProvisionError;
  try {
    const record = await effects.records.find(name);
    if (record !== undefined) return record;
    throw new ProvisionError('record-not-found', `this tool did not install a model named ${name}`, {
      suggestions: ['Run gemma-provision list to see installed models; use --host for a model on another server.'],
    });
  } catch (error) {
    if (!(error instanceof ProvisionError) || error.code !== 'bad-record') throw error;
    broken = error;
  }
  // Throws for one of a newer version, which is not broken.
  await effects.records.find(name, 'replace');
  progress.found.push({ kind: 'bad-record', detail: broken.message });
  const rebuilt = await effects.rebuild(name);
  const savedAs = await effects.setAside(name);
  if (rebuilt === undefined) {
    await effects.records.drop(name);
    throw notRebuilt(name, savedAs, broken);
  }
  await effects.records.put(rebuilt);
  progress.repairs.push(
    `the record of ${name} was rebuilt from what the runtime reports; the broken file was kept as ${savedAs}`,
  );
  return rebuilt;
}

function notRebuilt(name: string, savedAs: string, cause: ProvisionError): ProvisionError {
  return new ProvisionError(
    'needs-repair',
    `the record of ${name} cannot be read, and the runtime does not have the model to rebuild it from; the file was moved to ${savedAs}`,
    { cause, suggestions: [`Install it again: gemma-provision install MODEL --name ${name}`] },
  );
}

/** Removes a lost previous version from the record. */
async function forgetLostVersion(
  record: InstallRecord,
  problems: readonly Problem[],
  progress: RepairLog,
  { records }: RepairEffects,
): Promise<InstallRecord> {
  const { previous } = record;
  if (previous === undefined || !problems.some(({ kind }) => kind === 'kept-missing' || kind === 'kept-drift'))
    return record;
  const { keptAs, ...body } = previous;
  const now = { ...record, previous: body };
  await records.put(now);
  progress.repairs.push(`the record no longer lists ${previous.model}:${previous.quant} as kept under ${keptAs}`);
  return now;
}

const IN_PLACE: ReadonlySet<string> = new Set(['not-asked', 'bad-record', 'kept-missing', 'kept-drift']);

/** A blob that only the version before uses is not made again with the model. */
function needsNewEntry(name: string, { kind, models }: Problem): boolean {
  return !IN_PLACE.has(kind) && (models === undefined || models.some((each) => sameModel(each, name)));
}

/** A proven file with the recorded bytes of the source. */
async function* findSourceFile(
  { source, stored }: InstallRecord,
  effects: RepairEffects,
  signal: AbortSignal,
): Work<LocalFile | undefined> {
  const digest = source.digest ?? stored.layerDigest;
  if (digest !== undefined) {
    // The record's schema has checked its form; its type says no more than text.
    for (const copy of await effects.copies(digest)) {
      if (yield* hasRecordedBytes(copy, effects, signal)) return { ...copy, ref: source.ref, ...pinned(source) };
    }
  }
  const fetched = yield* effects.fetch(source);
  return fetched === undefined ? undefined : { ...fetched, ref: source.ref };
}

function pinned({ pinnedRef }: InstallRecord['source']): { pinnedRef?: string } {
  return pinnedRef === undefined ? {} : { pinnedRef };
}

async function* hasRecordedBytes(file: LocalFile, { hash }: RepairEffects, signal: AbortSignal): Work<boolean> {
  try {
    yield* hash(file, 'verify', signal);
    return true;
  } catch (error) {
    if (signal.aborted || !(error instanceof ProvisionError)) throw error;
    return false;
  }
}

interface ClearContext {
  readonly record: InstallRecord;
  readonly progress: RepairLog;
  readonly effects: RepairEffects;
  readonly signal: AbortSignal;
}

/**
 * A runtime takes a blob that is there for good: one that has no good copy has to go before the model is made again.
 * Returns the record as it is then.
 */
async function* clearBlobs(
  corrupt: readonly Problem[],
  way: Workaround | undefined,
  { record, progress, effects, signal }: ClearContext,
): Work<InstallRecord> {
  const { store } = await effects.place();
  for (const { digest, path } of corrupt) {
    if (digest === undefined || (store === undefined && way === undefined)) continue;
    await store?.drop(Digest.parse(digest));
    progress.repairs.push(`the corrupt blob ${path ?? digest} was removed`);
    const message = `${path ?? digest} has no intact copy; it is removed and ${record.name} is created again`;
    yield { type: 'warning', message };
  }
  return way === undefined ? record : await removeNames(record, way.names, effects, signal);
}

function resultOf(record: InstallRecord, checked: VerifyResult, { found, repairs }: RepairLog): RepairResult {
  const { name, runtime, ok, problems, unchecked } = checked;
  const suggestions = ok ? [] : suggestionsFor(record, problems);
  return {
    name,
    ...(runtime && { runtime }),
    ok,
    changed: repairs.length > 0,
    found,
    repairs,
    problems,
    unchecked,
    suggestions,
  };
}

function suggestionsFor({ name, source }: InstallRecord, problems: readonly Problem[]): string[] {
  if (problems.every(({ kind }) => kind === 'not-asked')) return ['Start the server, then run repair again.'];
  const { ref, digest, pinnedRef, path } = source;
  if (ref.startsWith('ollama:')) {
    // A pull keeps a blob that is there, whatever is in it: it has to go with the model.
    const again = `gemma-provision install --from ${ref} --name ${name}`;
    return [`Remove it, then let the server pull it again: gemma-provision remove ${name} --force && ${again}`];
  }
  const wanted = digest === undefined ? '' : ` --digest ${digest}`;
  // A rebuilt record does not know where its bytes came from.
  const from = ref === 'unknown' || ref === digest ? 'FILE' : ref;
  const back = path === undefined ? [] : [`Restore the file, then run repair again: ${path}`];
  const isElsewhere = pinnedRef !== undefined || /^(?:hf|oci|https?):/.test(ref);
  const pull = `Download the model file, then run repair again: gemma-provision pull ${pinnedRef ?? ref}`;
  const again = ref.startsWith('bundle:')
    ? `gemma-provision bundle install ${ref.slice('bundle:'.length)} --name ${name} --force`
    : `gemma-provision install --from ${path ?? from}${wanted} --name ${name} --force`;
  const first = [...back, ...(isElsewhere ? [pull] : [])];
  return [...first, `${first.length > 0 ? 'Or install' : 'Install'} it again: ${again}`];
}
