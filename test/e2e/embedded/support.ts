import { randomInt } from 'node:crypto';
import fs, { mkdtemp, readFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { digestOf } from '../../../src/core/digest.ts';
import { drive } from '../../../src/core/progress.ts';
import { createDigestCache } from '../../../src/disk/digest-cache.ts';
import { realDisk } from '../../../src/disk/disk.ts';
import type { ModelSpec } from '../../../src/modelfile/schema.ts';
import type { ChatRequest, ChatResult, Runtime, StoreResult } from '../../../src/runtimes/contract.ts';
import { type EmbeddedOptions, embeddedRuntime, forkWorker } from '../../../src/runtimes/embedded/runtime.ts';
import type { WorkerProcess } from '../../../src/runtimes/embedded/worker-client.ts';
import { never } from '../../helpers/failure.ts';

export const ROOT = resolve(import.meta.dirname, '../../..');
export const MODEL = join(ROOT, 'models/tiny-gemma-3n/tiny-gemma-3n-q4_k_m.gguf');
export const WORKER = join(ROOT, 'src/runtimes/embedded/worker.ts');

export const SPEC: ModelSpec = {
  templateName: 'gemma',
  template: '{{ .Prompt }}',
  templateDigest: digestOf('{{ .Prompt }}'),
  profile: 'card',
  parameters: { temperature: 0, num_ctx: 512, num_predict: 128, seed: 1, repeat_penalty: 1, stop: ['<end_of_turn>'] },
  license: 'Apache-2.0',
};

export interface Bench {
  readonly runtime: Runtime;
  readonly dataDir: string;
  /** Every worker that was started, in order. */
  readonly workers: WorkerProcess[];
}

export async function bench(changes: Partial<EmbeddedOptions> = {}): Promise<Bench> {
  const dataDir = await mkdtemp(join(tmpdir(), 'embedded-'));
  const workers: WorkerProcess[] = [];
  const start = changes.startWorker ?? forkWorker(WORKER);
  const runtime = embeddedRuntime({
    dataDir,
    disk: realDisk,
    digests: createDigestCache(realDisk, join(dataDir, 'cache')),
    now: () => new Date(),
    engine: {
      resolve: (name) => import.meta.resolve(name),
      readText: (path) => readFile(path, 'utf8').catch(() => undefined),
    },
    physicalCores: availableParallelism(),
    threads: 1,
    gpu: 'off',
    randomSeed: () => randomInt(2 ** 32),
    ...changes,
    startWorker: () => {
      const worker = start();
      workers.push(worker);
      return worker;
    },
  });
  return { runtime, dataDir, workers };
}

export async function install(
  runtime: Runtime,
  name: string,
  path = MODEL,
  spec = SPEC,
  architecture = 'gemma3n',
): Promise<StoreResult> {
  const { size } = await fs.stat(path);
  const file = { ref: path, path, sizeBytes: size };
  return drive(runtime.store({ name, file, architecture, spec }, never), () => undefined);
}

export async function ask(
  runtime: Runtime,
  request: ChatRequest | string,
  signal = never,
): Promise<ChatResult & { readonly pieces: string[] }> {
  const full =
    typeof request === 'string' ? { name: 'tiny', messages: [{ role: 'user' as const, content: request }] } : request;
  const work = runtime.chat(full, signal);
  const pieces: string[] = [];
  for (;;) {
    const step = await work.next();
    if (step.done) return { ...step.value, pieces };
    pieces.push(step.value);
  }
}
