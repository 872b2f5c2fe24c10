/** An Ollama server as flags, settings and the environment lead to it, with its folder where that is on this machine. */
import { homedir } from 'node:os';
import { forkOwner, ownerDisk } from '../../cage/owner-disk.ts';
import { messageOf } from '../../core/errors.ts';
import { NO_DIGEST_CACHE } from '../../disk/digest-cache.ts';
import type { Disk } from '../../disk/disk.ts';
import { createHasher } from '../../disk/hash.ts';
import { findModelsFolder } from '../../hardware/models-folder.ts';
import { isTrue, ollamaValue } from '../../hardware/ollama-environment.ts';
import { findServerProcess } from '../../hardware/server-process.ts';
import type { FolderContents } from '../contents.ts';
import type { BlobStore, ModelFolder, OpenRuntime, RuntimeContext, RuntimeFlags, ServerFolder } from '../contract.ts';
import { ollamaFacts } from './facts.ts';
import { isTemporary, type ModelsFolder } from './folder/files.ts';
import type { ProvenFolder } from './folder/probe.ts';
import { readModelsFolder } from './folder/read.ts';
import { type HostAddress, serverAddress } from './host.ts';
import { isTransferName } from './loopback/names.ts';
import { type OllamaRuntime, ollamaRuntime } from './runtime.ts';
import { dropBlob, replaceBlob } from './transfer/copy.ts';

type Surroundings = Pick<RuntimeContext, 'disk' | 'env' | 'root'>;

/** Throws `tls-required` before anything is asked, then what `identify` throws. */
export async function openOllama(flags: RuntimeFlags, context: RuntimeContext): Promise<OpenRuntime> {
  const host = serverAddress(flags, context);
  const { disk, hash, digests } = context;
  const files = { open: (path: string) => disk.open(path, 'r'), hash, digests };
  const doors = {
    loopback: true,
    // Only looked for when a file is to be stored: most commands store none.
    models: (signal: AbortSignal) => serverModels(host, context, signal),
  };
  const runtime = ollamaRuntime({ host, files, now: () => performance.now(), doors });
  const identity = await runtime.identify(context.signal);
  const store = host.loopback ? ({ purpose: 'models', path: await modelsPath(host, context) } as const) : undefined;
  return {
    runtime,
    identity,
    facts: ollamaFacts(identity.version, store),
    isTransferName,
    readFolder: (signal) => readFolder(runtime, host, context, signal),
    serverFolder: (signal) => serverFolder(runtime, context.disk, signal),
  };
}

/** For planning: the server's own folder; where that cannot be seen, the one that a server on this machine usually has. */
export async function modelsPath(
  host: Pick<HostAddress, 'url'>,
  context: Surroundings & Pick<RuntimeContext, 'models' | 'signal'>,
): Promise<string> {
  const folder = await serverModels(host, context, context.signal);
  return folder?.path ?? context.models();
}

/**
 * Where the server behind a loopback address keeps its models, from its own environment where that shows, else guessed.
 * Undefined for a server behind another process, or in a container: its folder has another path here, or none.
 */
export async function serverModels(
  host: Pick<HostAddress, 'url'>,
  { disk, env, root }: Surroundings,
  signal: AbortSignal,
): Promise<ModelsFolder | undefined> {
  const { platform } = process;
  const uid = process.getuid?.();
  const found = await findServerProcess({ platform, disk }, new URL(host.url), signal);
  const user = { platform, env, home: homedir(), disk, ...(uid !== undefined && { uid }) };
  const folder = await findModelsFolder(user, found);
  if (folder === undefined || folder.reach !== folder.path) return undefined;
  return {
    path: folder.path,
    disk,
    uid,
    serverUid: found.socket?.uid,
    asOwner: (owner) => ownerDisk(owner, forkOwner(root)),
  };
}

/** Whether the folder is the server's is asked once for one opened runtime. */
async function readFolder(
  runtime: OllamaRuntime,
  host: HostAddress,
  around: Surroundings,
  signal: AbortSignal,
): Promise<ModelFolder> {
  const folder = await runtime.folder(signal);
  if ('refused' in folder) return { contents: (await readOnly(host, around, signal)) ?? folder };
  const contents = await readContents(folder);
  return 'refused' in contents ? { contents } : { contents, store: blobStore(folder) };
}

/**
 * A folder that this user may read and not write to, as that of a system's service. It is not proven to be the server's:
 * a caller that uses a name in it compares the digest of its manifest with the server's.
 */
async function readOnly(
  host: HostAddress,
  around: Surroundings,
  signal: AbortSignal,
): Promise<FolderContents | undefined> {
  const folder = host.loopback ? await serverModels(host, around, signal) : undefined;
  const contents = folder && (await readContents(folder));
  return contents === undefined || 'refused' in contents || contents.manifests.length === 0 ? undefined : contents;
}

async function readContents({ path, disk }: Pick<ModelsFolder, 'path' | 'disk'>): Promise<ModelFolder['contents']> {
  try {
    return await readModelsFolder(path, disk);
  } catch (error) {
    return { refused: `${path} cannot be read: ${messageOf(error)}.` };
  }
}

function blobStore(folder: ProvenFolder): BlobStore {
  return {
    // Hashes what is written, without the digests that are remembered.
    replace: (file, signal) => replaceBlob(folder, file, createHasher(folder.ours, NO_DIGEST_CACHE), signal),
    drop: (digest) => dropBlob(folder, digest),
  };
}

/** The folder of a server on this machine, if it is proven to be its own. */
export async function serverFolder(
  runtime: OllamaRuntime,
  disk: Disk,
  signal: AbortSignal,
): Promise<ServerFolder | { readonly refused: string }> {
  const proven = await runtime.folder(signal);
  if ('refused' in proven) return proven;
  const where = { platform: process.platform, disk };
  const { environment } = await findServerProcess(where, new URL(runtime.endpoint), signal);
  return {
    read: () => readModelsFolder(proven.path, proven.disk),
    remove: (path) => proven.disk.rm(path, { force: true }),
    isTemporary,
    keepsAll: environment !== undefined && isTrue(ollamaValue(environment, 'OLLAMA_NOPRUNE')),
  };
}
