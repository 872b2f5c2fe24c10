import { ProvisionError } from '../../../core/errors.ts';
import type { Connection } from '../client.ts';
import { pullLayers } from '../pull.ts';
import { startRegistry } from './registry.ts';

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
  if (registry === undefined) return { refused: 'No port of this machine could be listened on.' };
  const limited = AbortSignal.any([signal, AbortSignal.timeout(REACH_MS)]);
  try {
    const pull = pullLayers(connection, { model: registry.name, insecure: true }, limited);
    for (let step = await pull.next(); step.done !== true; step = await pull.next());
  } catch (thrown) {
    // It must fail, there is no such model. Only when nobody answers at all that is for others to tell.
    if (signal.aborted || (thrown instanceof ProvisionError && thrown.code === 'runtime-unreachable')) throw thrown;
  } finally {
    await registry.close();
  }
  return registry.asked || { refused: 'The server does not reach this process: it may run in a container.' };
}
