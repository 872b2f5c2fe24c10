import { join } from 'node:path';
import type { Runtime, RuntimeContext, StorableFile, TransferPlan } from '../contract.ts';
import { engineEnvironment } from './library-path.ts';
import { openEmbeddedRuntime, workerFile } from './open.ts';
import { forkWorker } from './runtime.ts';
import { createWorkerClient } from './worker-client.ts';

/** The smallest model that comes with this package. */
const TINY = 'models/tiny-gemma-3n/tiny-gemma-3n-q2_k.gguf';
const LIKELIEST = { temperature: 0, topK: 1, topP: 1, minP: 0, repeatPenalty: 1, repeatLastTokens: 0, seed: 0 };

export interface EmbeddedEffects {
  /** Version of the engine without loading it. Throws `runtime-missing`, `runtime-too-old`, `runtime-refused`. */
  version(signal: AbortSignal): Promise<string>;
  /** Loads the smallest model of this package and lets it say one word. Throws what the engine reports. */
  tryOut(signal: AbortSignal): Promise<void>;
  /** Whether it has this model. Throws `needs-repair`. */
  has(name: string, signal: AbortSignal): Promise<boolean>;
  /** How an install would transfer a file: as `planTransfer` of the runtime. */
  planTransfer?(file: StorableFile, signal: AbortSignal): Promise<TransferPlan | undefined>;
}

/** The embedded runtime of this host; opened on use, since wrong settings of it are one of the things to find. */
export function doctorEmbedded(context: RuntimeContext): EmbeddedEffects {
  let opened: Promise<Runtime> | undefined;
  const runtime = (): Promise<Runtime> => {
    opened ??= openEmbeddedRuntime(context);
    return opened;
  };
  return {
    version: async (signal) => (await (await runtime()).identify(signal)).version,
    has: async (name, signal) => (await (await runtime()).find(name, signal)) !== undefined,
    planTransfer: async (file, signal) => (await runtime()).planTransfer?.(file, undefined, signal),
    tryOut: (signal) => answerOnce(context, signal),
  };
}

/** An installed package proves nothing: its binary may need instructions that this processor does not have. */
async function answerOnce({ root, env, disk }: RuntimeContext, signal: AbortSignal): Promise<void> {
  const worker = createWorkerClient(forkWorker(workerFile(root), await engineEnvironment(env, disk.readdir)));
  const gpu = env.GEMMA_PROVISION_GPU === 'off' ? 'off' : 'auto';
  const load = { modelPath: join(root, TINY), contextLength: 256, batch: 64, threads: 1, gpu } as const;
  const messages = [{ role: 'user' as const, content: 'Hi' }];
  try {
    const answer = worker.chat(load, { messages, stop: [], maxTokens: 1, sampling: LIKELIEST }, signal);
    while (!(await answer.next()).done);
  } finally {
    await worker.close();
  }
}
