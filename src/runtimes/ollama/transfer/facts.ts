import { dirname as parentOf } from 'node:path';
import type { ServerFacts } from '../../../compat/lookup.ts';
import type { Digest } from '../../../core/digest.ts';
import { errnoOf } from '../../../core/errors.ts';
import type { FileFacts } from '../../../disk/disk.ts';
import type { StorableFile, TransferWay } from '../../contract.ts';
import { isHere } from '../../storable.ts';
import { hasBlob } from '../blobs.ts';
import type { Connection } from '../client.ts';
import { blobFile, type ModelsFolder } from '../folder/files.ts';
import { type ProvenFolder, proveFolder } from '../folder/probe.ts';
import { canPullFromUs } from '../loopback/stub.ts';
import type { FolderFacts, TransferFacts } from './choose.ts';
import { reasonAgainstLink } from './link.ts';

/** Transfers into one server that do not use its API alone. */
export interface LocalTransfers {
  /** Where the models folder of a server on this machine may be; looked for when a file is to be stored. */
  readonly models?: (signal: AbortSignal) => Promise<ModelsFolder | undefined>;
  /** This process may listen on 127.0.0.1 for the server to pull from. */
  readonly loopback?: boolean;
}

/** What was found out of the side doors; asked once, when first needed. */
export interface LocalAccess {
  folder(signal: AbortSignal): Promise<ProvenFolder | { readonly refused: string }>;
  pull(signal: AbortSignal): Promise<true | { readonly refused: string }>;
}

export function findLocalAccess(connection: Connection, { models, loopback }: LocalTransfers): LocalAccess {
  return {
    folder: once(async (signal) => {
      const folder = connection.host.loopback ? await models?.(signal) : undefined;
      if (folder === undefined) return { refused: "The server's models folder is not known." };
      const found = await proveFolder(connection, folder, signal);
      return 'refused' in found ? { refused: `${folder.path} ${found.refused}.` } : found;
    }),
    pull: once(async (signal) => {
      if (loopback !== true) return { refused: 'This process does not serve files to the server.' };
      return canPullFromUs(connection, signal);
    }),
  };
}

/** Remembers an answer; a failure is asked again. */
function once<Answer>(question: (signal: AbortSignal) => Promise<Answer>): (signal: AbortSignal) => Promise<Answer> {
  let answer: Promise<Answer> | undefined;
  return (signal) => {
    answer ??= question(signal).catch((thrown: unknown) => {
      answer = undefined;
      throw thrown;
    });
    return answer;
  };
}

/** Inspects everything that decides on the method. Of a file without a digest nothing can be present. */
export async function inspectTransfer(
  connection: Connection,
  doors: LocalAccess,
  server: ServerFacts,
  file: StorableFile,
  digest: Digest | undefined,
  signal: AbortSignal,
  wanted?: TransferWay,
): Promise<TransferFacts & { readonly proven?: ProvenFolder }> {
  const folder = await doors.folder(signal);
  const proven = 'refused' in folder ? undefined : folder;
  const rewrites = server.capabilities.has('gguf-rewrite');
  return {
    file: {
      at: isHere(file) ? 'here' : 'elsewhere',
      sizeBytes: file.sizeBytes,
      immutable: isHere(file) && file.immutable === true,
    },
    present: digest !== undefined && (await isPresent(connection, digest, file.sizeBytes, proven, signal)),
    folder: 'refused' in folder ? folder : await inspectFolder(file, folder),
    rewrites,
    diskFactor: server.diskFactor,
    // Only asked where the answer counts: older servers wait seconds in a pull, and gain nothing by it.
    pull: rewrites || wanted === 'loopback-pull' ? await doors.pull(signal) : { refused: PULL_NOT_ASKED },
    ...(proven !== undefined && { proven }),
  };
}

const PULL_NOT_ASKED = 'This version of Ollama stores uploads unchanged: a pull would only be slower.';

async function inspectFolder(
  file: StorableFile,
  folder: ProvenFolder,
): Promise<FolderFacts | { readonly refused: string }> {
  if (folder.foreign)
    return { refused: `${folder.path} belongs to another user, so root sends the bytes to the server.` };
  if (!isHere(file)) return { sameVolume: false, reflinks: false };
  const noLink = await reasonAgainstLink(file, folder);
  return {
    sameVolume: (await deviceOf(folder, file.path)) === folder.device,
    reflinks: folder.reflinks,
    ...(noLink !== undefined && { noLink }),
  };
}

/** The volume of a file, or of the nearest folder above one that is still to be fetched. */
async function deviceOf({ ours: disk }: ProvenFolder, path: string): Promise<bigint | undefined> {
  for (let at = path, above = parentOf(at); ; at = above, above = parentOf(at)) {
    const facts: FileFacts | undefined = await disk.stat(at, { bigint: true }).catch(() => undefined);
    if (facts !== undefined) return facts.dev;
    if (above === at) return undefined;
  }
}

/**
 * Does the server have these bytes? The answer shows only that the file exists; where its folder is known, a file of another
 * size does not count.
 */
export async function isPresent(
  connection: Connection,
  digest: Digest,
  sizeBytes: number,
  folder: ProvenFolder | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  if (!(await hasBlob(connection, digest, signal))) return false;
  return folder === undefined || (await isWhole(folder, digest, sizeBytes));
}

async function isWhole({ disk, blobs }: ProvenFolder, digest: Digest, sizeBytes: number): Promise<boolean> {
  try {
    return (await disk.stat(blobFile(blobs, digest), { bigint: true })).size === BigInt(sizeBytes);
  } catch (thrown) {
    // The server's answer counts for a file that cannot be inspected.
    return errnoOf(thrown) !== 'ENOENT';
  }
}
