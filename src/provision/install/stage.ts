import type { Digest } from '../../core/digest.ts';
import { digestOf } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import { formatBytes } from '../../core/units.ts';
import type { Held } from '../../registry/index.ts';
import type { StorableFile, StoredModel, TransferWay } from '../../runtimes/contract.ts';
import { sameModel } from '../../runtimes/names.ts';
import type { InstallPlan, SourceFile } from '../plan/contract.ts';
import type { TransactionEffects } from './effects.ts';
import type { JournalWriter } from './journal.ts';
import { retryAfterReconnect } from './reconnect.ts';
import type { StepOutcome, Steps } from './steps.ts';
import { BROKEN, findModel, identityOf, previousNameOf, sameModelIdentity } from './versions.ts';

/** A model that exists in the runtime but does not have its name yet. */
export interface Candidate {
  readonly name: string;
  readonly stored: StoredModel;
  /** Absent where the runtime fetched it itself, and where an earlier run staged it. */
  readonly way?: TransferWay;
  readonly bytesMoved: number;
  /** The runtime had exactly this under this name before; only a pull can detect it. */
  readonly unchanged: boolean;
  /** Names that only the way to it needed. */
  readonly temporaryNames: readonly string[];
}

/** What staging a candidate needs. */
interface Staging {
  readonly plan: InstallPlan;
  readonly steps: Steps;
  readonly effects: TransactionEffects;
  readonly journalWriter: JournalWriter;
  readonly signal: AbortSignal;
  /** What an interrupted run of the same install staged whole already. */
  readonly staged: StoredModel | undefined;
}

/** What an install is about to make: the same install again may go on with what this one leaves. */
export function installKey({ source, family, model, quant }: InstallPlan): Digest | undefined {
  if (source.kind === 'library') return digestOf(JSON.stringify(['library', source.libraryName]));
  const { digest } = source.file;
  if (digest === undefined) return undefined;
  const projector = source.projector?.file.digest;
  const made = [digest, source.spec, family.architecture, model.id, quant];
  return digestOf(JSON.stringify(projector === undefined ? made : [...made, projector]));
}

/** The name under which a plan's model is tested. */
export function stagedNameOf({ source, stagingName }: InstallPlan): string {
  return source.kind === 'file' ? stagingName : source.libraryName;
}

/** Creates the model where it can be tested: a file under the staging name, a library model under its own. */
export function stage(staging: Staging): Work<Candidate> {
  return staging.plan.source.kind === 'file' ? stageFile(staging) : pullFromLibrary(staging);
}

/** Creates the model from a file under the staging name. */
async function* stageFile(staging: Staging): Work<Candidate> {
  const { plan, steps, effects, journalWriter, signal, staged } = staging;
  const { stagingName: name } = plan;
  if (staged !== undefined) {
    yield* steps.skip('store', 'created by the run that was interrupted');
    return { name, stored: staged, bytesMoved: 0, unchanged: false, temporaryNames: [name] };
  }
  const wanted = installKey(plan);
  await journalWriter.write({
    step: 'stage',
    undo: { restores: [], drop: [name] },
    ...(wanted !== undefined && { wanted }),
  });
  // Creating over what another tool or a lost journal left would mix two models' stories.
  await effects.runtime.remove(name, signal);
  const candidate = yield* steps.run('store', store(staging));
  await journalWriter.write({ staged: { name, held: identityOf(candidate.stored) } });
  effects.checkpoint?.('stage');
  return candidate;
}

async function* store({ plan, effects, signal }: Staging): Work<StepOutcome<Candidate>> {
  if (plan.source.kind !== 'file') throw new TypeError('a library model is pulled, not stored');
  const { spec, projector } = plan.source;
  const request = {
    name: plan.stagingName,
    file: storable(plan.source.file, effects),
    ...(plan.way !== undefined && { way: plan.way }),
    architecture: plan.family.architecture,
    spec,
    ...(projector !== undefined && { projector: storable(projector.file, effects) }),
  };
  const { stored, way, bytesMoved, differences } = yield* watched(effects.runtime.store(request, signal), effects);
  for (const message of differences) yield { type: 'warning', message };
  const moved = bytesMoved === 0 ? 'no byte moved' : `${formatBytes(bytesMoved)} moved`;
  return {
    result: { name: plan.stagingName, stored, way, bytesMoved, unchanged: false, temporaryNames: [plan.stagingName] },
    bytes: bytesMoved,
    detail: `${way}: ${moved}`,
  };
}

function storable(file: SourceFile, { stream }: TransactionEffects): StorableFile {
  return file.kind === 'remote' ? { ...file, open: stream } : file;
}

/** Tells of the states between the first byte and the created model. */
async function* watched<Result>(work: Work<Result>, { checkpoint }: TransactionEffects): Work<Result> {
  if (checkpoint === undefined) return yield* work;
  const reported = { transfer: false, blob: false };
  const report = (name: 'transfer' | 'blob'): void => {
    if (reported[name]) return;
    reported[name] = true;
    checkpoint(name);
  };
  for (;;) {
    const step = await work.next();
    if (step.done) {
      report('transfer');
      report('blob');
      return step.value;
    }
    const event = step.value;
    yield event;
    if (event.type === 'bytes' && event.done > 0) report('transfer');
    if (event.type === 'bytes' && event.done > 0 && event.done === event.total) report('blob');
  }
}

/**
 * Lets the server pull from its own library. What the library name had before is kept under another name first, since a
 * pull replaces it in place.
 */
async function* pullFromLibrary(staging: Staging): Work<Candidate> {
  const { plan, steps, effects, journalWriter, signal, staged } = staging;
  const { runtime } = effects;
  if (plan.source.kind !== 'library' || runtime.pull === undefined) {
    throw new ProvisionError('bad-usage', `${runtime.kind} has no library to pull from`, {
      suggestions: ['Use --runtime ollama, or specify a file with --from ./model.gguf.'],
    });
  }
  const { libraryName } = plan.source;
  const before = staged === undefined ? await setAside(libraryName, staging) : beforeOf(libraryName, journalWriter);
  const { backup } = before;
  const temporaryNames = [
    ...(backup === undefined ? [] : [backup]),
    // Under another name the library's own was only the way there.
    ...(before.was === undefined && !sameModel(plan.name, libraryName) ? [libraryName] : []),
  ];
  if (staged !== undefined) {
    yield* steps.skip('pull', 'pulled by the run that was interrupted');
    return { name: libraryName, stored: staged, bytesMoved: 0, unchanged: false, temporaryNames };
  }
  const pull = runtime.pull.bind(runtime);
  const pulling = () => watched(pull(libraryName, signal), effects);
  const candidate = yield* steps.run(
    'pull',
    (async function* (): Work<StepOutcome<Candidate>> {
      const stored = yield* retryAfterReconnect(effects, libraryName, signal, pulling);
      const { was } = before;
      const unchanged = was?.entryDigest !== undefined && was.entryDigest === stored.entryDigest;
      const bytesMoved = unchanged ? 0 : (stored.sizeBytes ?? 0);
      return { result: { name: libraryName, stored, bytesMoved, unchanged, temporaryNames }, bytes: bytesMoved };
    })(),
  );
  await journalWriter.write({ staged: { name: libraryName, held: identityOf(candidate.stored) } });
  effects.checkpoint?.('stage');
  return candidate;
}

interface Before {
  readonly was: Held | undefined;
  /** Where it is kept meanwhile. */
  readonly backup: string | undefined;
}

/** Keeps what a library name has, under a name that the journal knows before it is staged. */
async function setAside(libraryName: string, staging: Staging): Promise<Before> {
  const { plan, effects, journalWriter, signal } = staging;
  const { runtime } = effects;
  const found = await findModel(runtime, libraryName, signal);
  const was = found === undefined || found === BROKEN ? undefined : identityOf(found);
  const wanted = installKey(plan);
  const common = { step: 'stage', ...(wanted !== undefined && { wanted }) } as const;
  if (was === undefined) {
    await journalWriter.write({ ...common, undo: { restores: [{ name: libraryName }], drop: [] } });
    return { was, backup: undefined };
  }
  // In place, what was there is what a rollback goes back to.
  const backup = sameModel(plan.name, libraryName) ? previousNameOf(plan.name, was) : plan.stagingName;
  const kept = await findModel(runtime, backup, signal);
  const isKept = kept !== undefined && kept !== BROKEN && sameModelIdentity(kept, was);
  const undo = { restores: [{ name: libraryName, was, from: backup }], drop: isKept ? [] : [backup] };
  await journalWriter.write({ ...common, undo });
  if (!isKept) await runtime.copy(libraryName, backup, signal);
  return { was, backup };
}

function beforeOf(libraryName: string, { journal }: JournalWriter): Before {
  const restore = journal.undo.restores.find(({ name }) => name === libraryName);
  return { was: restore?.was, backup: restore?.from };
}
