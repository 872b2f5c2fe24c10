import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { ProvisionError } from '../../core/errors.ts';
import type { LoadedModel } from '../contract.ts';
import { sameModel } from '../names.ts';
import { ask, type Connection } from './client.ts';
import { ServerError } from './server-errors.ts';
import { isAbsent, read } from './show.ts';

const Bytes = z.number().nonnegative();
const PsEntry = z.object({
  name: z.string(),
  size: Bytes.optional(),
  size_vram: Bytes.optional(),
  // Servers before 0.10.0 do not report it; 0 means that the server does not know it.
  context_length: z.int().nonnegative().optional(),
});
type PsEntry = z.infer<typeof PsEntry>;
const PsReply = z.object({ models: z.array(PsEntry).nullish() });

/** The server answers an unload before the memory is free; this long it may take until its list agrees. */
const UNLOADED_WITHIN_MS = 2_000;
const UNLOAD_PAUSE_MS = 50;

/** What is in force for a loaded model; undefined when it is not loaded, or the server is older than 0.1.38. */
export async function loadedModel(
  connection: Connection,
  name: string,
  signal: AbortSignal,
): Promise<LoadedModel | undefined> {
  const entry = (await listLoaded(connection, signal)).find((loaded) => sameModel(loaded.name, name));
  return entry && factsOf(entry);
}

/** Every model in memory; none on a server older than 0.1.38, which cannot report it. */
export async function loadedModels(connection: Connection, signal: AbortSignal) {
  return (await listLoaded(connection, signal)).map((entry) => ({ name: entry.name, ...factsOf(entry) }));
}

function factsOf({ context_length: contextLength, size: sizeBytes, size_vram: gpuBytes }: PsEntry): LoadedModel {
  return {
    ...(contextLength && { contextLength }),
    ...(sizeBytes !== undefined && { sizeBytes }),
    ...(gpuBytes !== undefined && { gpuBytes }),
  };
}

/**
 * Frees a model's memory and waits until the server's list agrees, at most two seconds. Servers before 0.1.38 cannot
 * report what is loaded and would load a model in order to unload it: they are left alone.
 */
export async function unloadModel(connection: Connection, name: string, signal: AbortSignal): Promise<void> {
  if ((await loadedModel(connection, name, signal)) === undefined) return;
  try {
    await sendUnload(connection, name, signal);
  } catch (thrown) {
    if (isAbsent(thrown)) return;
    throw thrown;
  }
  const end = performance.now() + UNLOADED_WITHIN_MS;
  while (performance.now() < end) {
    if ((await loadedModel(connection, name, signal)) === undefined) return;
    await sleep(UNLOAD_PAUSE_MS);
  }
}

/** Best effort, since only memory is at stake. Throws only at an abort. */
export async function unloadIfLoaded(connection: Connection, name: string, signal: AbortSignal): Promise<void> {
  try {
    if ((await loadedModel(connection, name, signal)) === undefined) return;
    await sendUnload(connection, name, signal);
  } catch (thrown) {
    if (signal.aborted) throw thrown;
  }
}

async function sendUnload(connection: Connection, name: string, signal: AbortSignal): Promise<void> {
  const call = callFor(connection, `unloading ${name}`, signal);
  await ask(connection, call, {
    method: 'POST',
    path: '/api/generate',
    body: { model: name, prompt: '', keep_alive: 0, stream: false },
  });
}

/** Empty where the server has no such list. */
async function listLoaded(connection: Connection, signal: AbortSignal): Promise<PsEntry[]> {
  const call = callFor(connection, 'asking what is loaded', signal);
  try {
    const reply = await ask(connection, call, { method: 'GET', path: '/api/ps' });
    return read(PsReply, reply, '/api/ps', call.endpoint).models ?? [];
  } catch (thrown) {
    if (isNoRoute(thrown)) return [];
    throw thrown;
  }
}

function callFor({ host }: Connection, doing: string, signal: AbortSignal) {
  return { doing, endpoint: host.url, signal };
}

function isNoRoute(thrown: unknown): boolean {
  return thrown instanceof ProvisionError && thrown.cause instanceof ServerError && thrown.cause.status === 404;
}
