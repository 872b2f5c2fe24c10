/** What the embedded runtime tells of prompts and of its memory, on both sides of the protocol. */

import { describe, expect, test } from 'vitest';
import { realDisk } from '../../../../src/disk/disk.ts';
import type { Engine } from '../../../../src/runtimes/embedded/engine.ts';
import { describe as describeModel, Manifest } from '../../../../src/runtimes/embedded/manifest.ts';
import { leadingBos } from '../../../../src/runtimes/embedded/prompt.ts';
import type { FromWorker, LoadOptions, Source } from '../../../../src/runtimes/embedded/protocol.ts';
import { createSession } from '../../../../src/runtimes/embedded/session.ts';
import { createWorkerClient } from '../../../../src/runtimes/embedded/worker-client.ts';
import { openCage } from '../../../helpers/cage.ts';
import { never } from '../../../helpers/failure.ts';
import { BOS, byteEngine, bytesOf, END, fakeWorker, SAMPLING, SPEC } from './support.ts';

const LOAD: LoadOptions = { modelPath: '/m.gguf', contextLength: 100, batch: 8, threads: 1, gpu: 'off' };
const CHAT = { messages: [{ role: 'user' as const, content: 'hi' }], stop: [], sampling: SAMPLING };
const PROMPT = { text: '<bos>hi', tokens: 3, bosCount: 1 };
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the worker client', () => {
  test('asks for a prompt', async () => {
    const worker = fakeWorker();
    const source: Source = { messages: [{ role: 'user', content: 'hi' }] };
    const running = createWorkerClient(() => worker).prompt(LOAD, source, never);
    await settled();
    expect(worker.sent).toEqual([{ type: 'prompt', id: 1, load: LOAD, source }]);
    worker.says({ type: 'loaded', id: 1, loadMs: 12, contextLength: 90 });
    worker.says({ type: 'prompt', id: 1, prompt: PROMPT });
    expect(await running).toEqual(PROMPT);
    expect(worker.held).toEqual([true, false]);
    expect(worker.sent).toHaveLength(1);
  });

  test('knows what is in memory, until nobody does', async () => {
    const worker = fakeWorker();
    const client = createWorkerClient(() => worker);
    expect(client.held()).toBeUndefined();
    await client.unload('/m.gguf', never);
    expect(worker.sent).toEqual([]);

    const first = client.prompt(LOAD, { text: 'hi' }, never);
    await settled();
    worker.says({ type: 'loaded', id: 1, loadMs: 1, contextLength: 90 });
    worker.says({ type: 'prompt', id: 1, prompt: PROMPT });
    await first;
    expect(client.held()).toEqual({ modelPath: '/m.gguf', contextLength: 90 });

    await client.unload('/other.gguf', never);
    expect(worker.sent).toHaveLength(1);
    const unloading = client.unload('/m.gguf', never);
    await settled();
    expect(worker.sent.at(-1)).toEqual({ type: 'unload', id: 2 });
    worker.says({ type: 'unloaded', id: 2 });
    await unloading;
    expect(client.held()).toBeUndefined();

    const failing = client.prompt({ ...LOAD, modelPath: '/bad.gguf' }, { text: 'hi' }, never);
    await settled();
    worker.says({ type: 'failed', id: 3, code: 'bad-gguf', message: 'no model', suggestions: [] });
    await expect(failing).rejects.toMatchObject({ code: 'bad-gguf' });
    expect(client.held()).toBeUndefined();
  });

  test('a worker that dies holds nothing', async () => {
    const worker = fakeWorker();
    const client = createWorkerClient(() => worker);
    const running = client.prompt(LOAD, { text: 'hi' }, never);
    await settled();
    worker.says({ type: 'loaded', id: 1, loadMs: 1, contextLength: 90 });
    await settled();
    expect(client.held()).toBeDefined();
    worker.ends('signal SIGKILL');
    await expect(running).rejects.toMatchObject({ code: 'runtime-died' });
    expect(client.held()).toBeUndefined();
  });

  test('an answer of another kind is a bug', async () => {
    const worker = fakeWorker();
    const client = createWorkerClient(() => worker);
    const running = client.prompt(LOAD, { text: 'hi' }, never);
    const chatting = client.chat(LOAD, CHAT, never).next();
    await settled();
    worker.says({ type: 'unloaded', id: 1 });
    worker.says({ type: 'unloaded', id: 2 });
    await expect(running).rejects.toMatchObject({ code: 'bug' });
    await expect(chatting).rejects.toMatchObject({ code: 'bug' });
  });

  test('an abort reaches the worker', async () => {
    const worker = fakeWorker();
    const controller = new AbortController();
    const running = createWorkerClient(() => worker).prompt(LOAD, { text: 'hi' }, controller.signal);
    await settled();
    const reason = new Error('stop it');
    controller.abort(reason);
    await expect(running).rejects.toBe(reason);
    expect(worker.sent.at(-1)).toEqual({ type: 'abort', id: 1 });
  });
});

describe('the session in the worker', () => {
  async function play(
    tasks: readonly ({ type: 'prompt'; source: Source } | { type: 'unload' })[],
    changes: Partial<Engine> = {},
  ): Promise<{ says: FromWorker[]; events: string[] }> {
    const says: FromWorker[] = [];
    const events: string[] = [];
    const last = Promise.withResolvers<void>();
    const session = createSession(
      async () => {
        events.push('load');
        return byteEngine([END], { dispose: async () => void events.push('dispose'), ...changes });
      },
      { cage: openCage, disk: realDisk },
      (message) => {
        says.push(message);
        if (message.id === tasks.length && message.type !== 'loaded') last.resolve();
      },
    );
    for (const [index, task] of tasks.entries())
      session.handle(
        task.type === 'unload' ? { type: 'unload', id: index + 1 } : { id: index + 1, load: LOAD, ...task },
      );
    await last.promise;
    return { says, events };
  }

  const messages = [{ role: 'user' as const, content: 'hi' }];

  test('tells the prompt that a chat evaluates: one BOS in front, whoever writes it', async () => {
    const { says } = await play([
      { type: 'prompt', source: { messages } },
      { type: 'prompt', source: { text: 'hi' } },
    ]);
    expect(says.filter(({ type }) => type === 'prompt')).toEqual([
      { type: 'prompt', id: 1, prompt: { text: '<bos>user:hi\n', tokens: 9, bosCount: 1 } },
      { type: 'prompt', id: 2, prompt: { text: 'hi', tokens: 3, bosCount: 1 } },
    ]);
  });

  test('a BOS in the text of the user is none in front', async () => {
    const source = { messages: [{ role: 'user' as const, content: '<bos>' }] };
    const { says } = await play([{ type: 'prompt', source }]);
    expect(says.at(-1)).toMatchObject({ prompt: { bosCount: 1 } });
  });

  test('a model without BOS gets none', async () => {
    const { says } = await play([{ type: 'prompt', source: { text: 'hi' } }], { addBos: false });
    expect(says.at(-1)).toMatchObject({ prompt: { bosCount: 0, tokens: 2 } });
  });

  test('a template that is missing is told', async () => {
    const { says } = await play([{ type: 'prompt', source: { messages } }], { chatTemplate: undefined } as never);
    expect(says.at(-1)).toMatchObject({ type: 'failed', code: 'bad-template' });
  });

  test('frees the memory, and loads again when asked', async () => {
    const source = { text: 'hi' };
    const { says, events } = await play([
      { type: 'unload' },
      { type: 'prompt', source },
      { type: 'unload' },
      { type: 'prompt', source },
    ]);
    expect(says.map(({ type }) => type)).toEqual(['unloaded', 'loaded', 'prompt', 'unloaded', 'loaded', 'prompt']);
    expect(events).toEqual(['load', 'dispose', 'load']);
  });
});

test.each([
  [[], 0],
  [[BOS], 1],
  [[BOS, BOS, ...bytesOf('a'), BOS], 2],
  [bytesOf('a'), 0],
])('BOS tokens at the start of %j: %i', (tokens, count) => {
  expect(leadingBos(byteEngine([]), tokens)).toBe(count);
  expect(leadingBos({}, tokens)).toBe(0);
});

describe('a stored model tells', () => {
  const told = (parameters: Record<string, unknown>, more: object = {}) =>
    describeModel(
      Manifest.parse({
        schemaVersion: 1,
        name: 'tiny',
        digest: `sha256:${'ab'.repeat(32)}`,
        sizeBytes: 1,
        architecture: 'gemma3n',
        spec: { ...SPEC, parameters, ...more },
        createdAt: '2026-08-30T10:00:00.000Z',
      }),
    );

  test.each([
    [{ stop: ['<end_of_turn>', 'STOP'] }, ['<end_of_turn>', 'STOP']],
    [{ stop: 'STOP' }, ['STOP']],
    [{}, []],
    [{ stop: 7 }, []],
  ])('the stop strings of %j', (parameters, stop) => {
    expect(told(parameters).stop).toEqual(stop);
  });

  test('its context and its system text, if it has them', () => {
    expect(told({ num_ctx: 8192 }, { system: 'Be brief.' })).toMatchObject({
      contextLength: 8192,
      system: 'Be brief.',
    });
    expect(told({ num_ctx: 'many' })).not.toHaveProperty('contextLength');
    expect(told({})).not.toHaveProperty('system');
  });
});
