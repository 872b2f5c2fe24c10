/** The engine loads whatever llama.cpp the environment offers in its place. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Env } from '../../../src/core/environment.ts';
import { engineEnvironment } from '../../../src/runtimes/embedded/library-path.ts';
import { FromWorker } from '../../../src/runtimes/embedded/protocol.ts';
import { forkWorker } from '../../../src/runtimes/embedded/runtime.ts';
import { MODEL, WORKER } from './support.ts';

let decoy = '';
beforeAll(async () => {
  decoy = await mkdtemp(join(tmpdir(), 'decoy-'));
  // The loader takes the first file of that name, and fails on this one.
  for (const name of ['libggml-base.so', 'libllama-common.so', 'libllama.so'])
    await writeFile(join(decoy, name), 'another llama.cpp');
});
afterAll(() => rm(decoy, { recursive: true }));

/** The last message of a worker that is asked for one token in this environment. */
async function lastMessage(env: Env): Promise<FromWorker> {
  const worker = forkWorker(WORKER, env)();
  try {
    return await new Promise<FromWorker>((resolve, reject) => {
      worker.onEnd((reason) => reject(new Error(reason)));
      worker.onMessage((message) => {
        const parsed = FromWorker.parse(message);
        if (parsed.type === 'done' || parsed.type === 'failed') resolve(parsed);
      });
      worker.send({
        type: 'chat',
        id: 1,
        load: { modelPath: MODEL, contextLength: 256, batch: 64, threads: 1, gpu: 'off' },
        chat: {
          messages: [{ role: 'user', content: 'Hello' }],
          stop: [],
          maxTokens: 1,
          sampling: { temperature: 0, topK: 1, topP: 1, minP: 0, repeatPenalty: 1, repeatLastTokens: 0, seed: 1 },
        },
      });
    });
  } finally {
    worker.kill();
  }
}

test.runIf(process.platform === 'linux')(
  'a folder with another llama.cpp in LD_LIBRARY_PATH does not reach the engine',
  async () => {
    const env = { ...process.env, LD_LIBRARY_PATH: `${decoy}:/usr/lib` };
    expect((await lastMessage(env)).type).toBe('failed');
    expect((await lastMessage(await engineEnvironment(env, readdir))).type).toBe('done');
  },
);
