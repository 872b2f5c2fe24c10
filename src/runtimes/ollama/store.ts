import type { ServerFacts } from '../../compat/lookup.ts';
import type { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import type { HashFile } from '../../sources/contract.ts';
import type { StoreRequest, StoreResult } from '../contract.ts';
import { hasBlob, type OpenFile, uploadBlob } from './blobs.ts';
import type { Connection } from './client.ts';
import { differencesOf } from './compare.ts';
import { blobVanished, createModel } from './create.ts';
import { removeModel } from './remove.ts';
import { findListed, findModel, type ListedModel } from './show.ts';

/** Reading of files, as the wiring provides it. */
export interface FileEffects {
  readonly open: OpenFile;
  /** Used for a file whose digest nobody knows, and for a claimed digest when no upload lets the server check it. */
  readonly hash: HashFile;
}

/** How long tidying up after a failure may take; it runs although the user may have pressed Ctrl-C. Milliseconds. */
const TIDY_MS = 5_000;

/**
 * Uploads a file unless the server has it, creates the model, and reads back what the server stored. On failure the
 * server is left as it was: a new name is removed again, and so is the entry without layers that 0.5.5 to 0.12.5 leave.
 */
export async function* storeModel(
  connection: Connection,
  files: FileEffects,
  request: StoreRequest,
  facts: ServerFacts,
  signal: AbortSignal,
): Work<StoreResult> {
  const { name, file, spec } = request;
  const digest = file.digest ?? (yield* files.hash(file, 'hash', signal));
  let bytesMoved = yield* ensureBlob(connection, files, request, digest, signal);

  const before = await findListed(connection, name, signal);
  let finished = false;
  try {
    try {
      yield* createModel(connection, { name, digest, spec }, facts, signal);
    } catch (thrown) {
      if (!blobVanished(thrown, digest) || (await hasBlob(connection, digest, signal))) throw thrown;
      yield { type: 'warning', message: `The server lost ${digest} before the create; it is uploaded once more.` };
      bytesMoved += yield* ensureBlob(connection, files, request, digest, signal);
      yield* createModel(connection, { name, digest, spec }, facts, signal);
    }
    const stored = await findModel(connection, name, signal);
    if (stored === undefined) throw createdNothing(name, connection);
    finished = true;
    const differences = differencesOf(request, digest, stored, facts);
    return { stored, uploadedDigest: digest, bytesMoved, differences };
  } finally {
    // In `finally`, since a consumer that gives up returns the generator instead of throwing into it.
    if (!finished) await tidy(connection, name, before);
  }
}

async function* ensureBlob(
  connection: Connection,
  files: FileEffects,
  { file }: StoreRequest,
  digest: Digest,
  signal: AbortSignal,
): Work<number> {
  const title = `upload ${file.path}`;
  if (await hasBlob(connection, digest, signal)) {
    // Nothing moves, so nobody else would notice that the file is not what its digest says.
    if (file.digest !== undefined) yield* files.hash(file, 'hash', signal);
    yield { type: 'phase', id: 'upload', title, status: 'skipped', detail: 'the server has these bytes' };
    return 0;
  }
  return yield* uploadBlob(connection, files.open, { file, digest }, signal);
}

function createdNothing(name: string, { host }: Connection): ProvisionError {
  return new ProvisionError('runtime-refused', `${host.url} said that ${name} was created, but does not have it.`, {
    suggestions: ["Look at the server's log, and at the free space of its models folder."],
  });
}

/** Removes what a failed create left under the name, unless it is a whole model that replaced an older one. Never throws. */
async function tidy(connection: Connection, name: string, before: ListedModel | undefined): Promise<void> {
  const signal = AbortSignal.timeout(TIDY_MS);
  try {
    const after = await findListed(connection, name, signal);
    if (after === undefined) return;
    if (before === undefined) await removeModel(connection, name, signal);
    else if (after.digest !== before.digest && (await isStub(connection, name, signal))) {
      await removeModel(connection, name, signal);
    }
  } catch {
    // The failure that brought us here is the one to tell; a server that is gone cannot be tidied.
  }
}

async function isStub(connection: Connection, name: string, signal: AbortSignal): Promise<boolean> {
  return (await findModel(connection, name, signal))?.layerDigest === undefined;
}
