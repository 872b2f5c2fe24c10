import type { ServerFacts } from '../../compat/lookup.ts';
import type { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import type { StorableFile, StoreRequest, StoreResult, TransferPlan, TransferWay } from '../contract.ts';
import { isHere } from '../storable.ts';
import { hasBlob } from './blobs.ts';
import type { Connection } from './client.ts';
import { differencesOf } from './compare.ts';
import { blobVanished, createModel } from './create.ts';
import { blobFile } from './folder/files.ts';
import { stubName } from './loopback/names.ts';
import { configDigestOf, type OfferedBlob } from './loopback/registry.ts';
import { dropQuietly, pullStub } from './loopback/stub.ts';
import { waitForReconnect } from './reconnect.ts';
import { isBroken, removeModel } from './remove.ts';
import { findListed, findModel, type ListedModel } from './show.ts';
import { chooseTransfer, possibleTransfers } from './transfer/choose.ts';
import { inspectTransfer, type LocalAccess } from './transfer/facts.ts';
import { TransferUnavailable } from './transfer/folder-write.ts';
import { type FileEffects, moveBytes } from './transfer/transfer.ts';

/** One server, and what is known of it. */
export interface StoreAt {
  readonly connection: Connection;
  readonly files: FileEffects;
  readonly access: LocalAccess;
  readonly facts: ServerFacts;
}

/** How long tidying up after a failure may take; it runs although the user may have pressed Ctrl-C. Milliseconds. */
const TIDY_MS = 5_000;

const FOLDER_WAYS: ReadonlySet<TransferWay> = new Set(['hard-link', 'reflink', 'copy']);

/** How a file would get in; changes nothing that stays. */
export async function planTransfer(
  { connection, access: doors, facts }: Omit<StoreAt, 'files'>,
  file: StorableFile,
  wanted: TransferWay | undefined,
  signal: AbortSignal,
): Promise<TransferPlan> {
  const plan = chooseTransfer(
    await inspectTransfer(connection, doors, facts, file, file.digest, signal, wanted),
    wanted,
  );
  // Only a folder that was looked at anyway: proving one costs requests.
  const folder = FOLDER_WAYS.has(plan.way) ? await doors.folder(signal) : undefined;
  return { ...plan, ...(folder !== undefined && !('refused' in folder) && { folder: folder.path }) };
}

/** A file with its digest, on its way into the server. */
interface Blob {
  readonly file: StorableFile;
  readonly digest: Digest;
}

/** One store: what its steps share. */
interface Run {
  readonly at: StoreAt;
  readonly request: StoreRequest;
  readonly digest: Digest;
  readonly projector: Blob | undefined;
  readonly startedAt: Date;
  moved: number;
  /** What had the name before this run's first create; absent until then. */
  before?: { readonly entry: ListedModel | undefined };
}

/**
 * Gets a file into the server by the cheapest method that works, creates the model, and reads back what the server stored.
 * Bytes that vanish before the create, and a server that dies and comes back, are met with one more try. On failure the
 * server is left as it was: a new name is removed again, and so is the entry without layers that 0.5.5 to 0.12.5 leave.
 */
export async function* storeModel(at: StoreAt, request: StoreRequest, signal: AbortSignal): Work<StoreResult> {
  const { file, name } = request;
  const digest = yield* digestOf(file, at, signal);
  const { projector: beside } = request;
  const projector = beside && { file: beside, digest: yield* digestOf(beside, at, signal) };
  const run: Run = { at, request, digest, projector, startedAt: new Date(), moved: 0 };
  let finished = false;
  try {
    const result = yield* storeWithRetry(run, signal);
    finished = true;
    return result;
  } finally {
    // In `finally`, since a consumer that gives up returns the generator instead of throwing into it.
    if (!finished && run.before !== undefined) await tidy(at.connection, name, run.before.entry);
  }
}

async function* digestOf(file: StorableFile, { files }: StoreAt, signal: AbortSignal): Work<Digest> {
  if (!isHere(file)) return file.digest;
  return file.digest ?? (yield* files.hash(file, 'hash', signal));
}

async function* storeWithRetry(run: Run, signal: AbortSignal): Work<StoreResult> {
  try {
    return yield* storeOnce(run, signal);
  } catch (thrown) {
    const reason = await reasonToRetry(thrown, run, signal);
    if (reason === undefined) throw thrown;
    yield { type: 'warning', message: reason };
    return yield* storeOnce(run, signal);
  }
}

/** Says what went wrong when it is worth another try. */
async function reasonToRetry(thrown: unknown, run: Run, signal: AbortSignal): Promise<string | undefined> {
  const { at, projector } = run;
  if (signal.aborted) return undefined;
  for (const digest of [run.digest, ...(projector === undefined ? [] : [projector.digest])]) {
    if (!blobVanished(thrown, digest)) continue;
    const there = await hasBlob(at.connection, digest, signal);
    return there ? undefined : `The server lost ${digest} before the create; uploading it again.`;
  }
  if (!(thrown instanceof ProvisionError) || !DISCONNECTED.has(thrown.code)) return undefined;
  if (!(await waitForReconnect(at.connection, signal))) return undefined;
  return 'The server stopped responding and is available again; retrying.';
}

const DISCONNECTED: ReadonlySet<string> = new Set(['runtime-died', 'runtime-unreachable']);

async function* storeOnce(run: Run, signal: AbortSignal): Work<StoreResult> {
  const { at, request, digest } = run;
  const { connection, facts } = at;
  const { name, spec } = request;
  const { projector } = run;
  const stub = stubName(name, digest, projector?.digest);
  const used = { stub: false };
  try {
    yield* transferProjector(run, signal);
    const way = yield* transferFile(run, stub, used, signal);
    run.before ??= { entry: await findListed(connection, name, signal) };
    const from = used.stub && facts.capabilities.has('gguf-rewrite') ? { from: stub } : {};
    const eyes = projector === undefined ? {} : { projector: projector.digest };
    yield* createModel(connection, { name, digest, ...eyes, spec, ...from }, facts, signal);
    const stored = await findModel(connection, name, signal);
    if (stored === undefined) throw createdNothing(name, connection);
    if (projector !== undefined && stored.projectorDigest === undefined) throw createdBlind(name, connection);
    const differences = differencesOf(request, digest, stored, facts);
    return { stored, uploadedDigest: digest, way, bytesMoved: run.moved, differences };
  } finally {
    if (used.stub) await dropQuietly(connection, stub);
  }
}

/**
 * Gets the projector into the server before the model. Where only a pull is allowed, it comes with the model: the stub that
 * is pulled has both.
 */
async function* transferProjector(run: Run, signal: AbortSignal): Work<void> {
  const { at, projector, request } = run;
  if (projector === undefined) return;
  const { file, digest } = projector;
  // A way that was asked for is for the model: a projector that is somewhere else comes as it can.
  const facts = await inspectTransfer(at.connection, at.access, at.facts, file, digest, signal, request.way);
  if (request.way === 'loopback-pull' && !facts.present) return;
  for (const { way } of possibleTransfers(facts)) {
    try {
      run.moved += yield* moveBytes({ ...at, ...run, way, proven: facts.proven, file, digest }, signal);
      return;
    } catch (thrown) {
      if (!(thrown instanceof TransferUnavailable)) throw thrown;
      yield { type: 'warning', message: `${way} does not work here (${thrown.message}); trying the next method.` };
    }
  }
}

/** Transfers the bytes to the server by the first method that works, and makes the stub where one is useful. */
async function* transferFile(run: Run, stub: string, used: { stub: boolean }, signal: AbortSignal): Work<TransferWay> {
  const { at, request, digest } = run;
  const { file, way: wanted } = request;
  const facts = await inspectTransfer(at.connection, at.access, at.facts, file, digest, signal, wanted);
  const plans = wanted === undefined ? possibleTransfers(facts) : [chooseTransfer(facts, wanted)];
  for (const { way } of plans) {
    try {
      run.moved += yield* moveBytes({ ...at, ...run, way, proven: facts.proven, file, digest }, signal);
      yield* makeStub(run, way, facts, stub, used, signal);
      return way;
    } catch (thrown) {
      if (!(thrown instanceof TransferUnavailable)) throw thrown;
      if (wanted !== undefined) throw closedWay(wanted, thrown);
      yield { type: 'warning', message: `${way} does not work here (${thrown.message}); trying the next method.` };
    }
  }
  throw new ProvisionError('bug', `No method can transfer ${file.ref} to ${at.connection.host.url}.`);
}

/**
 * Where the server's create would write the file anew, it is made to pull a model that is nothing but the blob, and the
 * model is created from that. Throws `TransferUnavailable` when the bytes were to come this way and did not.
 */
async function* makeStub(
  run: Run,
  way: TransferWay,
  { rewrites, pull, proven }: Awaited<ReturnType<typeof inspectTransfer>>,
  stub: string,
  used: { stub: boolean },
  signal: AbortSignal,
): Work<void> {
  if (way !== 'loopback-pull' && !(rewrites && pull === true)) return;
  const { at, request, digest } = run;
  const { file, architecture } = request;
  const blob = ({ file: each, digest: name }: Blob): OfferedBlob => ({
    digest: name,
    sizeBytes: each.sizeBytes,
    ...(isHere(each) && { content: { file: each, open: at.files.open } }),
  });
  const eyes = run.projector === undefined ? {} : { projector: blob(run.projector) };
  const offer = { ...blob({ file, digest }), architecture, ...eyes };
  used.stub = true;
  try {
    run.moved += yield* pullStub(at.connection, stub, offer, signal);
  } catch (thrown) {
    // The server keeps the small part of a pull whose large part failed, and would only drop it at its next start.
    if (proven !== undefined) await proven.disk.rm(blobFile(proven.blobs, configDigestOf(offer)), { force: true });
    if (signal.aborted || !(thrown instanceof ProvisionError) || FINAL.has(thrown.code)) throw thrown;
    if (way === 'loopback-pull') throw new TransferUnavailable(thrown.message, { cause: thrown });
    used.stub = false;
    const message = `The server did not pull the file (${thrown.message}); creating the model rewrites it.`;
    yield { type: 'warning', message };
  }
}

/** Failures of a pull that no other method would avoid. */
const FINAL: ReadonlySet<string> = new Set([...DISCONNECTED, 'disk-full', 'digest-mismatch', 'truncated-file', 'bug']);

function closedWay(wanted: TransferWay, cause: TransferUnavailable): ProvisionError {
  return new ProvisionError('bad-usage', `The file cannot be transferred by ${wanted}: ${cause.message}`, {
    cause,
    suggestions: ['Leave the method open: the cheapest one that works is used.'],
  });
}

function createdNothing(name: string, { host }: Connection): ProvisionError {
  return new ProvisionError('runtime-refused', `${host.url} reported that it created ${name}, but does not have it.`, {
    suggestions: ["Check the server's log, and the free space of its models folder."],
  });
}

function createdBlind(name: string, { host }: Connection): ProvisionError {
  return new ProvisionError('runtime-refused', `${host.url} created ${name} without its projector.`, {
    suggestions: ["Check the server's log.", 'Install without pictures: --vision off.'],
  });
}

/** Removes what a failed create left under the name, unless it is a whole model that replaced an older one. Never throws. */
async function tidy(connection: Connection, name: string, before: ListedModel | undefined): Promise<void> {
  const signal = AbortSignal.timeout(TIDY_MS);
  try {
    const after = await findListed(connection, name, signal);
    if (after === undefined) {
      // A full disk leaves an empty manifest, which no list shows and which stops the server's own pruning.
      if (await isBroken(connection, name, signal)) await removeModel(connection, name, signal);
    } else if (before === undefined) await removeModel(connection, name, signal);
    else if (after.digest !== before.digest && (await isStub(connection, name, signal))) {
      await removeModel(connection, name, signal);
    }
  } catch {
    // The original failure is the one to report; a server that is gone cannot be cleaned up.
  }
}

async function isStub(connection: Connection, name: string, signal: AbortSignal): Promise<boolean> {
  return (await findModel(connection, name, signal))?.layerDigest === undefined;
}
