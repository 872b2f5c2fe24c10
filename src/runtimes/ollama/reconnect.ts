import { setTimeout as sleep } from 'node:timers/promises';
import { ask, type Connection } from './client.ts';

const PAUSE_MS = 250;

/**
 * Waits until a server that stopped responding answers again; false when it does not within `reconnectMs`. Whoever
 * watches over it may start it anew. Throws only when aborted.
 */
export async function waitForReconnect(connection: Connection, signal: AbortSignal): Promise<boolean> {
  const { reconnectMs } = connection;
  const call = {
    doing: 'asking whether it is back',
    endpoint: connection.host.url,
    signal,
    limits: { answerMs: reconnectMs, silenceMs: reconnectMs, totalMs: reconnectMs },
  };
  const until = Date.now() + reconnectMs;
  for (;;) {
    const answered = await ask(connection, call, { method: 'GET', path: '/api/version' }).then(
      () => true,
      () => false,
    );
    signal.throwIfAborted();
    if (answered || Date.now() >= until) return answered;
    await sleep(PAUSE_MS, undefined, { signal });
  }
}
