import { forkChild } from '../../cage/fork.ts';
import type { Env } from '../../core/environment.ts';
import type { ToWorker } from './protocol.ts';
import type { StartWorker } from './worker-client.ts';

/** Starts workers as child processes of this Node from the file at `path` (`worker.ts`, or its built form). */
export function forkWorker(path: string, env?: Env): StartWorker {
  return () => forkChild<ToWorker>(path, { ...(env && { env }) });
}
