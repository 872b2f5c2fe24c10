import { describe, expect, test } from 'vitest';
import { ProvisionError } from '../../../../src/core/errors.ts';
import { realDisk } from '../../../../src/disk/disk.ts';
import type { LoadEngine } from '../../../../src/runtimes/embedded/engine.ts';
import { loadFailure } from '../../../../src/runtimes/embedded/engine-errors.ts';
import type { ChatOptions, FromWorker, LoadOptions } from '../../../../src/runtimes/embedded/protocol.ts';
import { createSession } from '../../../../src/runtimes/embedded/session.ts';
import { createWorkerClient } from '../../../../src/runtimes/embedded/worker-client.ts';
import { openCage } from '../../../helpers/cage.ts';
import { never } from '../../../helpers/failure.ts';
import { byteEngine, bytesOf, END, fakeWorker, SAMPLING } from './support.ts';

const LOAD: LoadOptions = { modelPath: '/m.gguf', contextLength: 100, batch: 8, threads: 1, gpu: 'off' };
const CHAT: ChatOptions = { messages: [{ role: 'user', content: 'hi' }], stop: [], sampling: SAMPLING };
const ANSWER = {
  endedBy: 'stop',
  promptTokens: 3,
  answerTokens: 2,
  bosCount: 1,
  firstTokenMs: 5,
  decodeMs: 6,
} as const;

async function all(work: AsyncGenerator<string, unknown, undefined>): Promise<{ text: string; result: unknown }> {
  let text = '';
  for (;;) {
    const step = await work.next();
    if (step.done) return { text, result: step.value };
    text += step.value;
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the worker client', () => {
  test('sends a chat, yields its pieces and returns its numbers', async () => {
    const worker = fakeWorker();
    const client = createWorkerClient(() => worker);
    const running = all(client.chat(LOAD, CHAT, never));
    await settled();
    expect(worker.sent).toEqual([{ type: 'chat', id: 1, load: LOAD, chat: CHAT }]);
    worker.says({ type: 'loaded', id: 1, loadMs: 12, contextLength: 100 });
    worker.says({ type: 'piece', id: 1, text: 'he' });
    worker.says({ type: 'piece', id: 2, text: 'not ours' });
    worker.says({ type: 'piece', id: 1, text: 'llo' });
    worker.says({ type: 'done', id: 1, answer: ANSWER });
    expect(await running).toEqual({ text: 'hello', result: { answer: ANSWER, loadMs: 12 } });
    expect(worker.held).toEqual([true, false]);
    expect(worker.sent).toHaveLength(1);
  });

  test('starts one worker for many chats, and a new one after it died', async () => {
    const workers: ReturnType<typeof fakeWorker>[] = [];
    const client = createWorkerClient(() => {
      const worker = fakeWorker();
      workers.push(worker);
      return worker;
    });
    const dying = all(client.chat(LOAD, CHAT, never));
    const dyingToo = all(client.chat(LOAD, CHAT, never));
    await settled();
    expect(workers).toHaveLength(1);
    workers[0]?.ends('signal SIGSEGV');
    const death = {
      code: 'runtime-died',
      message: expect.stringMatching(/SIGSEGV[\s\S]*ggml: something broke/),
      suggestions: [expect.stringContaining('SHA-256'), expect.stringContaining('--runtime ollama')],
    };
    await expect(dying).rejects.toMatchObject(death);
    await expect(dyingToo).rejects.toMatchObject(death);
    const next = all(client.chat(LOAD, CHAT, never));
    await settled();
    expect(workers).toHaveLength(2);
    workers[1]?.says({ type: 'done', id: 3, answer: ANSWER });
    expect(await next).toMatchObject({ result: { loadMs: 0 } });
  });

  test.each([
    ['signal SIGKILL', 'memory'],
    ['signal SIGILL', 'instruction'],
    ['exit code 1', 'SHA-256'],
  ])('%s suggests something about %s', async (reason, word) => {
    const worker = fakeWorker();
    const running = all(createWorkerClient(() => worker).chat(LOAD, CHAT, never));
    await settled();
    worker.ends(reason);
    await expect(running).rejects.toMatchObject({ suggestions: [expect.stringContaining(word), expect.any(String)] });
  });

  test('hands on what the worker reports', async () => {
    const worker = fakeWorker();
    const running = all(createWorkerClient(() => worker).chat(LOAD, CHAT, never));
    await settled();
    worker.says({ type: 'failed', id: 1, code: 'bad-gguf', message: 'no model', suggestions: ['get another'] });
    await expect(running).rejects.toMatchObject({
      code: 'bad-gguf',
      message: 'no model',
      suggestions: ['get another'],
    });
  });

  test.each([
    { type: 'piece', id: 1 },
    { type: 'failed', id: 1, code: 'no-such-code', message: '', suggestions: [] },
    {},
  ])('does not trust %o', async (message) => {
    const worker = fakeWorker();
    const running = all(createWorkerClient(() => worker).chat(LOAD, CHAT, never));
    await settled();
    worker.says(message);
    await expect(running).rejects.toMatchObject({ code: 'bug' });
  });

  test('an abort reaches the worker and the caller at once', async () => {
    const worker = fakeWorker();
    const controller = new AbortController();
    const running = all(createWorkerClient(() => worker).chat(LOAD, CHAT, controller.signal));
    await settled();
    const reason = new Error('stopped by the user');
    controller.abort(reason);
    await expect(running).rejects.toBe(reason);
    expect(worker.sent.at(-1)).toEqual({ type: 'abort', id: 1 });
  });

  test('an abort before the start starts nothing', async () => {
    const client = createWorkerClient(() => expect.unreachable());
    await expect(all(client.chat(LOAD, CHAT, AbortSignal.abort(new Error('no'))))).rejects.toThrow('no');
    await client.close();
  });

  test('closing ends the worker and what still waits for it', async () => {
    const worker = fakeWorker();
    const client = createWorkerClient(() => worker);
    const running = all(client.chat(LOAD, CHAT, never));
    await settled();
    const ended = expect(running).rejects.toMatchObject({ code: 'runtime-died' });
    await client.close();
    await ended;
    await client.close();
  });
});

describe('the session in the worker', () => {
  function play(load: LoadEngine): {
    says: FromWorker[];
    chat(id: number, options?: Partial<LoadOptions>): void;
    abort(id: number): void;
    end(id: number): Promise<FromWorker>;
  } {
    const says: FromWorker[] = [];
    const waiting = new Map<number, (message: FromWorker) => void>();
    const session = createSession(load, { cage: openCage, disk: realDisk }, (message) => {
      says.push(message);
      if (message.type === 'done' || message.type === 'failed') waiting.get(message.id)?.(message);
    });
    return {
      says,
      chat: (id, options) => session.handle({ type: 'chat', id, load: { ...LOAD, ...options }, chat: CHAT }),
      abort: (id) => session.handle({ type: 'abort', id }),
      end: (id) => new Promise((resolve) => void waiting.set(id, resolve)),
    };
  }

  test('loads, says pieces and the end; loads again only for other options, and frees the old model', async () => {
    const events: string[] = [];
    const { says, chat, end } = play((options) => {
      events.push(`load ${options.contextLength}`);
      const dispose = (): Promise<void> => Promise.resolve(void events.push(`dispose ${options.contextLength}`));
      return Promise.resolve(byteEngine([...bytesOf('ok'), END], { dispose }));
    });
    const ends = [end(1), end(2), end(3)];
    chat(1);
    chat(2);
    chat(3, { contextLength: 200 });
    await Promise.all(ends);
    expect(events).toEqual(['load 100', 'dispose 100', 'load 200']);
    expect(says.filter((message) => message.id === 1).map((message) => message.type)).toEqual([
      'loaded',
      'piece',
      'piece',
      'done',
    ]);
    expect(says.map((message) => message.id)).toEqual([...says.map((message) => message.id)].sort());
    expect(says.find((message) => message.id === 2)).toMatchObject({ type: 'loaded', loadMs: 0 });
  });

  test('a failed load is told, and the next chat tries again', async () => {
    let attempts = 0;
    const { chat, end } = play(() => {
      attempts += 1;
      if (attempts === 1) return Promise.reject(new ProvisionError('bad-gguf', 'no model', { suggestions: ['again'] }));
      if (attempts === 2) return Promise.reject(new Error('something else'));
      return Promise.resolve(byteEngine([END]));
    });
    const ends = [end(1), end(2), end(3)];
    for (const id of [1, 2, 3]) chat(id);
    expect(await Promise.all(ends)).toMatchObject([
      { type: 'failed', code: 'bad-gguf', message: 'no model', suggestions: ['again'] },
      { type: 'failed', code: 'runtime-refused', message: 'something else' },
      { type: 'done' },
    ]);
  });

  test('an abort ends a chat that runs and one that waits', async () => {
    const endless = async function* (): AsyncGenerator<number, void, undefined> {
      for (;;) {
        await settled();
        yield bytesOf('a')[0] ?? 0;
      }
    };
    const { chat, abort, end } = play(() => Promise.resolve(byteEngine([], { generate: endless, contextLength: 1e9 })));
    const ends = [end(1), end(2)];
    chat(1);
    chat(2);
    await settled();
    abort(2);
    abort(1);
    abort(99);
    expect(await Promise.all(ends)).toMatchObject([{ type: 'failed' }, { type: 'failed' }]);
  });

  test.each([null, {}, { type: 'chat', id: 1 }, { type: 'reboot' }])('refuses the message %o', (message) => {
    const session = createSession(
      () => Promise.resolve(byteEngine([])),
      { cage: openCage, disk: realDisk },
      () => undefined,
    );
    expect(() => session.handle(message)).toThrow();
  });
});

test.each([
  [["llama_model_load: error loading model: unknown model architecture: 'gemma9'"], 'runtime-too-old', 'gemma9'],
  [['ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer of size 9'], 'memory-short', 'memory'],
  [
    ["tensor 'a' data is not within the file bounds", 'llama_model_load_from_file_impl: failed to load model'],
    'bad-gguf',
    'file bounds',
  ],
  [[], 'bad-gguf', 'Failed to load model'],
])('a failed load with the log %j is %s', (log, code, word) => {
  const error = loadFailure('/m.gguf', new Error('Failed to load model'), log);
  expect(error).toMatchObject({ code, message: expect.stringContaining(word) });
  expect(error.suggestions.length).toBeGreaterThan(0);
});
