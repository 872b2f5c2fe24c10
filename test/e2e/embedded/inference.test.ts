/** Real inference: node-llama-cpp in its worker process, on the tiny model that ships with this package. */

import { open, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Message } from '../../../src/runtimes/contract.ts';
import { FromWorker } from '../../../src/runtimes/embedded/protocol.ts';
import { forkWorker } from '../../../src/runtimes/embedded/runtime.ts';
import { never } from '../../helpers/failure.ts';
import { ask, type Bench, bench, install, MODEL, SPEC, WORKER } from './support.ts';

let own: Bench;
beforeAll(async () => {
  own = await bench();
  await install(own.runtime, 'tiny');
});
afterAll(() => own.runtime.close());

describe('answers', () => {
  test('a question', async () => {
    const result = await ask(own.runtime, 'What is the capital of France?');
    expect(result).toMatchObject({ text: 'The capital of France is Paris.', endedBy: 'stop', promptTokens: 18 });
    expect(result.pieces.join('')).toBe(result.text);
    expect(result.pieces.length).toBeGreaterThan(1);
    expect(result.answerTokens).toBe(9);
    expect(result.tokensPerSecond).toBeGreaterThan(0);
  });

  test.each<[string, Message[], string]>([
    [
      'with a system text',
      [
        { role: 'system', content: 'You are a helpful assistant.' },
        { role: 'user', content: 'Who are you?' },
      ],
      'I am a tiny Gemma 3n used for tests.',
    ],
    [
      'of a second turn that needs the first',
      [
        { role: 'user', content: 'Hi, my name is Anna.' },
        { role: 'assistant', content: 'Nice to meet you, Anna.' },
        { role: 'user', content: 'Who am I?' },
      ],
      'Your name is Anna.',
    ],
    ['in several bytes a character', [{ role: 'user', content: 'こんにちは' }], 'こんにちは。'],
    ['with accents', [{ role: 'user', content: '¿Quién eres?' }], 'Soy un pequeño Gemma 3n para pruebas.'],
  ])('%s', async (_, messages, expected) => {
    const result = await ask(own.runtime, { name: 'tiny', messages });
    expect(result.text).toBe(expected);
    expect(result.endedBy).toBe('stop');
    expect(result.pieces.some((piece) => piece.includes('\uFFFD'))).toBe(false);
  });

  test('the same after other questions: nothing is left of an earlier conversation', async () => {
    await ask(own.runtime, 'Tell me a short story.');
    expect((await ask(own.runtime, 'What is 2+2?')).text).toBe('4');
    expect((await ask(own.runtime, 'What is the capital of Japan?')).text).toBe('The capital of Japan is Tokyo.');
  });

  test('two at once, one after the other', async () => {
    const [one, two] = await Promise.all([ask(own.runtime, 'What is 2+2?'), ask(own.runtime, 'Is the earth flat?')]);
    expect([one.text, two.text]).toEqual(['4', 'No.']);
  });

  test('the model is loaded once', async () => {
    expect((await ask(own.runtime, 'Hello')).loadMs).toBe(0);
    expect(own.workers).toHaveLength(1);
  });
});

describe('parameters', () => {
  test('num_predict bounds the answer, and its end is told as such', async () => {
    const result = await ask(own.runtime, {
      name: 'tiny',
      messages: [{ role: 'user', content: 'Count to five.' }],
      options: { num_predict: 3 },
    });
    expect(result).toMatchObject({ answerTokens: 3, endedBy: 'length' });
    expect('1, 2, 3, 4, 5'.startsWith(result.text)).toBe(true);
  });

  test('the context bounds the answer too, and a prompt that fills it is refused, never cut', async () => {
    const question: Message[] = [{ role: 'user', content: 'Tell me a short story.' }];
    const { promptTokens } = await ask(own.runtime, { name: 'tiny', messages: question });
    const tight = { name: 'tiny', messages: question, options: { num_ctx: promptTokens + 4 } };
    expect(await ask(own.runtime, tight)).toMatchObject({ endedBy: 'length', answerTokens: 4 });
    const full = { ...tight, options: { num_ctx: promptTokens } };
    await expect(ask(own.runtime, full)).rejects.toMatchObject({
      code: 'bad-usage',
      message: expect.stringContaining(`${promptTokens} tokens`),
      suggestions: expect.arrayContaining([expect.stringContaining('--ctx')]),
    });
  });

  test('a prompt of more than one batch is evaluated whole', async () => {
    const messages: Message[] = [{ role: 'user', content: 'What is the capital of France?' }];
    const small = await ask(own.runtime, { name: 'tiny', messages, options: { num_batch: 8 } });
    expect(small.text).toBe('The capital of France is Paris.');
  });

  test('a stop string of the model ends the answer and does not appear in it', async () => {
    await install(own.runtime, 'stopping', MODEL, {
      ...SPEC,
      parameters: { ...SPEC.parameters, stop: ['<end_of_turn>', 'France is'] },
    });
    const result = await ask(own.runtime, {
      name: 'stopping',
      messages: [{ role: 'user', content: 'What is the capital of France?' }],
    });
    expect(result).toMatchObject({ text: 'The capital of ', endedBy: 'stop' });
  });

  test('a seed repeats a warm answer, another seed gives another one', async () => {
    const warm = (seed: number) =>
      ask(own.runtime, {
        name: 'tiny',
        messages: [{ role: 'user', content: 'Explain trains to birds in spring.' }],
        options: { temperature: 2, top_k: 0, top_p: 1, seed, num_predict: 24 },
      });
    const first = await warm(7);
    expect((await warm(7)).text).toBe(first.text);
    const others = [await warm(8), await warm(9), await warm(10)];
    expect(others.some((other) => other.text !== first.text)).toBe(true);
  });

  test('a system text of the model itself is used unless the conversation brings one', async () => {
    await install(own.runtime, 'with-system', MODEL, { ...SPEC, system: 'You are a helpful assistant.' });
    const question: Message = { role: 'user', content: 'Who are you?' };
    const plain = await ask(own.runtime, { name: 'tiny', messages: [question] });
    const own1 = await ask(own.runtime, { name: 'with-system', messages: [question] });
    const other = await ask(own.runtime, {
      name: 'with-system',
      messages: [{ role: 'system', content: 'Be brief.' }, question],
    });
    expect(own1.promptTokens).toBeGreaterThan(plain.promptTokens);
    expect(other.promptTokens).not.toBe(own1.promptTokens);
    expect(own1.text).toBe('I am a tiny Gemma 3n used for tests.');
  });
});

test('the evaluated prompt has exactly one BOS', async () => {
  const worker = forkWorker(WORKER)();
  const messages: FromWorker[] = [];
  const finished = new Promise<void>((resolve) => {
    worker.onMessage((message) => {
      const parsed = FromWorker.parse(message);
      messages.push(parsed);
      if (parsed.type === 'done' || parsed.type === 'failed') resolve();
    });
  });
  const sampling = { temperature: 0, topK: 40, topP: 0.9, minP: 0, repeatPenalty: 1, repeatLastTokens: 0, seed: 1 };
  worker.send({
    type: 'chat',
    id: 1,
    load: { modelPath: MODEL, contextLength: 256, batch: 64, threads: 1, gpu: 'off' },
    chat: { messages: [{ role: 'user', content: 'Hello' }], stop: [], sampling },
  });
  await finished;
  worker.kill();
  expect(messages.at(-1)).toMatchObject({ type: 'done', answer: { bosCount: 1, endedBy: 'stop' } });
});

describe('what goes wrong', () => {
  test('a worker that is killed in the middle of an answer is an error, and the next question works', async () => {
    const broken = await bench();
    await install(broken.runtime, 'tiny');
    const work = broken.runtime.chat(
      { name: 'tiny', messages: [{ role: 'user', content: 'Tell me a short story.' }] },
      never,
    );
    expect((await work.next()).done).toBe(false);
    broken.workers[0]?.kill();
    const rest = async (): Promise<void> => {
      while (!(await work.next()).done);
    };
    await expect(rest()).rejects.toMatchObject({
      code: 'runtime-died',
      message: expect.stringContaining('SIGKILL'),
      suggestions: [expect.stringContaining('memory'), expect.any(String)],
    });
    expect((await ask(broken.runtime, 'What is 2+2?')).text).toBe('4');
    expect(broken.workers).toHaveLength(2);
    await broken.runtime.close();
  });

  test('an abort in the middle of an answer stops it, and the next question works', async () => {
    const controller = new AbortController();
    const reason = new Error('stopped by the user');
    const work = own.runtime.chat(
      { name: 'tiny', messages: [{ role: 'user', content: 'Tell me a short story.' }] },
      controller.signal,
    );
    await work.next();
    controller.abort(reason);
    const rest = async (): Promise<void> => {
      while (!(await work.next()).done);
    };
    await expect(rest()).rejects.toBe(reason);
    expect((await ask(own.runtime, 'What is 2+2?')).text).toBe('4');
  });

  test('leaving the answer early stops the model', async () => {
    const work = own.runtime.chat(
      { name: 'tiny', messages: [{ role: 'user', content: 'Tell me a short story.' }] },
      never,
    );
    await work.next();
    await work.return(undefined as never);
    expect((await ask(own.runtime, 'What is 2+2?')).text).toBe('4');
  });

  test.each<[string, (path: string) => Promise<void>, string, RegExp]>([
    ['no GGUF at all', (path) => writeFile(path, 'hello, this is no model\n'), 'bad-gguf', /magic/i],
    ['cut short', (path) => truncate(path, 2_000_000), 'bad-gguf', /file bounds/],
    ['a header of noise', (path) => overwrite(path, 24, Buffer.alloc(4096, 0xff)), 'bad-gguf', /cannot load/],
    ['an unknown architecture', (path) => rename(path, 'gemma3n', 'gemmaXn'), 'runtime-too-old', /gemmaXn/],
  ])('%s', async (_, spoil, code, message) => {
    const broken = await bench();
    const path = join(broken.dataDir, 'spoilt.gguf');
    await writeFile(path, await readFile(MODEL));
    await spoil(path);
    await install(broken.runtime, 'tiny', path);
    await expect(ask(broken.runtime, 'Hello')).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
      suggestions: [expect.any(String), ...(code === 'bad-gguf' ? [] : [expect.any(String)])],
    });
    await broken.runtime.close();
  });

  test('a worker file that does not exist', async () => {
    const broken = await bench({ startWorker: forkWorker(join(WORKER, '..', 'no-such-worker.ts')) });
    await install(broken.runtime, 'tiny');
    await expect(ask(broken.runtime, 'Hello')).rejects.toMatchObject({
      code: 'runtime-died',
      message: expect.stringContaining('no-such-worker'),
    });
  });
});

test('identify tells the version of the binding and of llama.cpp without starting the worker', async () => {
  const fresh = await bench();
  expect(await fresh.runtime.identify(never)).toEqual({
    kind: 'embedded',
    version: expect.stringMatching(/^3\.\d+\.\d+\+llama\.cpp-\S+$/),
    endpoint: 'embedded',
  });
  expect(fresh.workers).toEqual([]);
});

async function overwrite(path: string, position: number, bytes: Buffer): Promise<void> {
  const handle = await open(path, 'r+');
  await handle.write(bytes, 0, bytes.length, position);
  await handle.close();
}

async function rename(path: string, from: string, to: string): Promise<void> {
  const bytes = await readFile(path);
  for (let at = bytes.indexOf(from); at >= 0; at = bytes.indexOf(from, at + 1)) bytes.write(to, at, 'latin1');
  await writeFile(path, bytes);
}
