import { ProvisionError } from '../../../core/errors.ts';
import type { Work } from '../../../core/progress.ts';
import { isListening } from '../../../net/loopback.ts';
import type { Connection } from '../client.ts';
import { pullLayers } from '../pull.ts';
import { copyModel, removeModel } from '../remove.ts';
import { listModels } from '../show.ts';
import { registryPortOf } from './names.ts';
import { type Offer, startRegistry } from './registry.ts';

/**
 * Makes the server pull a model that is nothing but a blob, and gives it the name `stub`. Bytes that the server has
 * already are not asked for, nor read again. Returns the bytes that it took; it checks their digest itself.
 */
export async function* pullStub(connection: Connection, stub: string, offer: Offer, signal: AbortSignal): Work<number> {
  await removeStaleNames(connection, signal);
  const registry = await startRegistry(offer);
  try {
    yield* onlyBytes(pullLayers(connection, { model: registry.name, insecure: true }, signal), registry);
    await copyModel(connection, registry.name, stub, signal);
    return registry.sentBytes;
  } finally {
    await registry.close();
    await dropQuietly(connection, registry.name);
  }
}

/** The steps of this pull are ours, not the user's: only bytes are reported, where any were sent. */
async function* onlyBytes(pull: Work<void>, sender: { readonly sentBytes: number }): Work<void> {
  try {
    for (let step = await pull.next(); !step.done; step = await pull.next()) {
      if (step.value.type === 'bytes' && sender.sentBytes > 0) yield step.value;
    }
  } finally {
    await pull.return();
  }
}

const DROP_MS = 5_000;
/** A killed run leaves one name; a server that lists them without end does not hold us up. */
const MOST_STALE = 20;

/** Removes a name that is only in the way now. It may run after Ctrl-C; never throws. */
export async function dropQuietly(connection: Connection, name: string): Promise<void> {
  await removeModel(connection, name, AbortSignal.timeout(DROP_MS)).catch(() => undefined);
}

/** Removes what killed runs left: names from registries that are gone. One that still listens is at work for another run. */
async function removeStaleNames(connection: Connection, signal: AbortSignal): Promise<void> {
  const pulled = (await listModels(connection, signal)).flatMap(({ name }) => {
    const port = registryPortOf(name);
    return port === undefined ? [] : [{ name, port }];
  });
  for (const { name, port } of pulled.slice(0, MOST_STALE)) {
    signal.throwIfAborted();
    if (!(await isListening(port))) await dropQuietly(connection, name);
  }
}

/** A server that can reach us does so within milliseconds. */
const REACH_MS = 5_000;

/**
 * Can the server pull from this process? It is asked to, for a model that is not there: what counts is whether it comes
 * to ask. A server in a container has a loopback of its own, and does not. Returns why not, as a whole sentence.
 * Nothing stays behind.
 */
export async function canPullFromUs(
  connection: Connection,
  signal: AbortSignal,
): Promise<true | { readonly refused: string }> {
  if (!connection.host.loopback) return { refused: 'The server is on another host.' };
  const registry = await startRegistry(undefined).catch(() => undefined);
  if (registry === undefined) return { refused: 'No port of this machine is available.' };
  const limited = AbortSignal.any([signal, AbortSignal.timeout(REACH_MS)]);
  try {
    const pull = pullLayers(connection, { model: registry.name, insecure: true }, limited);
    for (let step = await pull.next(); step.done !== true; step = await pull.next());
  } catch (thrown) {
    // It must fail, there is no such model. Only when no server answers at all, the caller reports it.
    if (signal.aborted || (thrown instanceof ProvisionError && thrown.code === 'runtime-unreachable')) throw thrown;
  } finally {
    await registry.close();
  }
  return registry.asked || { refused: 'The server cannot reach this process: it may run in a container.' };
}
