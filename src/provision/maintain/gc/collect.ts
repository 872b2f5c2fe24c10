import { join } from 'node:path';
import type { Work } from '../../../core/progress.ts';
import { realDisk } from '../../../disk/disk.ts';
import { createFileLocker } from '../../../disk/locker.ts';
import { listStaleLocks } from '../../../disk/stale-locks.ts';
import { isTrue, ollamaValue } from '../../../hardware/ollama-environment.ts';
import { findServerProcess } from '../../../hardware/server-process.ts';
import type { Runtime } from '../../../runtimes/contract.ts';
import { readModelsFolder } from '../../../runtimes/ollama/folder/read.ts';
import { isTemporary, isTransferName, type OllamaRuntime } from '../../../runtimes/ollama/index.ts';
import type { OpenRuntime, RuntimeFlags } from '../../../runtimes/open.ts';
import type { AppContext } from '../../context.ts';
import { digestsInUse } from '../cache.ts';
import type { ServerFolder } from './effects.ts';
import { collectGarbage, type GcEffects, type GcOptions } from './gc.ts';
import type { GcReport } from './schema.ts';

export interface GcFlags extends RuntimeFlags, GcOptions {}

export async function gcOf(flags: GcFlags, app: AppContext): Promise<Work<GcReport>> {
  const effects = await gcEffects(await app.open(flags), app);
  return collectGarbage({ apply: flags.apply, previous: flags.previous }, effects, app.options.signal);
}

async function gcEffects({ runtime, identity }: OpenRuntime, app: AppContext): Promise<GcEffects> {
  const { paths, options } = app;
  const [registry, locker, { cache }] = await Promise.all([app.registry(), app.locker(), app.bytes()]);
  const locks = join(paths.data, 'locks');
  const now = () => new Date();
  const folder = isOllama(runtime) ? await serverFolder(runtime, options.signal) : undefined;
  return {
    identity,
    runtime,
    registry,
    locker,
    impatient: createFileLocker({ dir: locks, command: options.command, waitMs: 0 }),
    cache,
    digestsInUse: () => digestsInUse(registry),
    files: realDisk,
    stateFolders: stateFoldersOf(paths),
    listStaleLocks: () => listStaleLocks(realDisk, locks, now()),
    ...(folder !== undefined && { folder }),
    isTransferName,
    isTemporary,
    now,
  };
}

function stateFoldersOf({ data, cache }: AppContext['paths']): string[] {
  return [
    data,
    ...['registry', 'journal', 'baselines', join('embedded', 'models')].map((name) => join(data, name)),
    cache,
  ];
}

function isOllama(runtime: Runtime): runtime is OllamaRuntime {
  return runtime.kind === 'ollama' && 'folder' in runtime;
}

/** The folder of a server on this machine, as far as it is proven to be its own. */
export async function serverFolder(
  runtime: OllamaRuntime,
  signal: AbortSignal,
): Promise<ServerFolder | { readonly refused: string }> {
  const proven = await runtime.folder(signal);
  if ('refused' in proven) return proven;
  const where = { platform: process.platform, files: realDisk };
  const { environment } = await findServerProcess(where, new URL(runtime.endpoint), signal);
  return {
    read: () => readModelsFolder(proven.path, realDisk),
    keepsAll: environment !== undefined && isTrue(ollamaValue(environment, 'OLLAMA_NOPRUNE')),
  };
}
