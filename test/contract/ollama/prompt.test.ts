import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Message } from '../../../src/runtimes/contract.ts';
import type { OllamaRuntime } from '../../../src/runtimes/ollama/runtime.ts';
import { failureOf, never } from '../../helpers/failure.ts';
import { expectAllUsed, resetHttp } from '../../helpers/http-mock.ts';
import { collect } from '../../helpers/runtime-fakes.ts';
import { loadTranscript, RECORDED, type Transcript } from '../../helpers/transcripts.ts';
import { adapterAt, BASE, GENERATIONS, NAME } from './generations.ts';

afterEach(resetHttp);

describe.each(RECORDED)('prompts and memory of Ollama %s', (version) => {
  const expected = GENERATIONS[version];
  let recorded: Transcript;
  let runtime: OllamaRuntime;

  beforeEach(() => {
    recorded = loadTranscript(version, BASE);
    runtime = adapterAt(BASE);
  });

  /** What a failed load needs to be explained by the architecture: the version may be known already. */
  function replayExplanation(...more: string[]) {
    for (const id of ['show', 'tags', ...more]) recorded.replay(id);
  }

  test('chats, or says that the version is too old for the architecture', async () => {
    recorded.replay('chat.stream');
    if (!expected.runs) replayExplanation('version');
    const messages = [{ role: 'user', content: 'What is the capital of France?' }] as const;
    const answer = collect(runtime.chat({ name: NAME, messages, options: { temperature: 0 } }, never));
    if (!expected.runs) {
      const error = await failureOf(answer);
      expect(error.code).toBe('runtime-too-old');
      expect(error.message).toContain('does not support gemma3n (since 0.9.3)');
      expect(error.suggestions[0]).toContain('0.9.3');
      return;
    }
    const { pieces, result } = await answer;
    expect(pieces.join('')).toBe('The capital of France is Paris.');
    expect(pieces.length).toBeGreaterThan(3);
    expect(result).toMatchObject({
      text: 'The capital of France is Paris.',
      endedBy: 'stop',
      promptTokens: 46,
      answerTokens: 10,
    });
    // The clock of this test moves with every look at it, and the limits of an answer look at it for every line.
    expect(result.firstTokenMs).toBeGreaterThan(0);
    expect(result.totalMs).toBeGreaterThan(result.firstTokenMs);
    expect(result.tokensPerSecond).toBeGreaterThan(1);
    expect(recorded.sent).toEqual([{ model: NAME, messages, think: false, options: { temperature: 0 }, stream: true }]);
    expectAllUsed();
  });

  test('shows the prompt of a chat without generating, where the version can', async () => {
    recorded.replay('version');
    if (expected.renders) recorded.replay('render');
    const messages = [
      { role: 'system', content: 'Answer briefly.' },
      { role: 'user', content: 'Hello!' },
    ] as const;
    const rendered = await runtime.render?.({ name: NAME, messages }, never);
    if (expected.renders) {
      expect(rendered).toEqual({
        text: '<start_of_turn>user\nAnswer briefly.\n\nHello!<end_of_turn>\n<start_of_turn>model\n',
      });
      expect(recorded.sent).toEqual([{ ...(recorded.exchange('render').request.body as object), think: false }]);
    } else {
      expect(rendered, 'and asks nothing that it would have to ignore').toBeUndefined();
    }
    expectAllUsed();
  });

  test('cannot show the prompt of a model that is not there', async () => {
    recorded.replay('version');
    if (!expected.renders) return;
    recorded.replay('render.absent');
    const work = runtime.render?.({ name: 'nobody:t', messages: [] }, never) ?? expect.fail();
    expect((await failureOf(work)).code).toBe('model-not-found');
  });

  test('counts a raw prompt, whole even when the server had it in its cache', async () => {
    recorded.replay('version');
    const prompt = '<start_of_turn>user\nWhat is the capital of France?<end_of_turn>\n<start_of_turn>model\n';
    const count = (text: string) => runtime.countRaw?.(NAME, text, never) ?? expect.fail();
    if (!expected.runs) {
      recorded.replay('count');
      replayExplanation();
      expect((await failureOf(count(prompt))).code).toBe('runtime-too-old');
      return;
    }
    for (const id of ['count', 'count.again', 'count.with-bos']) recorded.replay(id);
    expect(await count(prompt)).toBe(18);
    expect(await count(prompt)).toBe(18);
    expect(await count(`<bos>${prompt}`)).toBe(expected.withBos);
    expect(recorded.sent).toEqual(
      ['count', 'count.again', 'count.with-bos'].map((id) => recorded.exchange(id).request.body),
    );
    expectAllUsed();
  });

  test('counts no part of a prompt that is too long, from 0.12.6 on', async () => {
    if (!expected.runs) return;
    recorded.replay('version');
    recorded.replay('count.too-long');
    const work = runtime.countRaw?.(NAME, 'a '.repeat(2000), never) ?? expect.fail();
    if (expected.tooLong === 'bad-usage') expect((await failureOf(work)).code).toBe('bad-usage');
    else expect(await work).toBe(expected.tooLong);
  });

  test('tells what is in force for a loaded model', async () => {
    recorded.replay('ps.loaded');
    const loaded = await runtime.loaded?.(NAME, never);
    if (!expected.runs) {
      expect(loaded).toBeUndefined();
      return;
    }
    expect(loaded).toEqual({
      sizeBytes: expect.any(Number),
      gpuBytes: 0,
      ...(expected.tellsContext && { contextLength: 512 }),
    });
    expect(loaded?.sizeBytes).toBeGreaterThan(recorded.model.sizeBytes);
    recorded.replay('ps.unloaded');
    expect(await runtime.loaded?.(NAME, never)).toBeUndefined();
  });

  test('unloads what is loaded, and asks nothing of what is not', async () => {
    if (expected.runs) for (const id of ['ps.loaded', 'unload']) recorded.replay(id);
    recorded.replay('ps.unloaded');
    await runtime.unload?.(NAME, never);
    recorded.replay('ps.unloaded');
    await runtime.unload?.(NAME, never);
    expect(recorded.sent).toEqual(expected.runs ? [recorded.exchange('unload').request.body] : []);
    expectAllUsed();
  });

  test('holds an answer to a JSON schema', async () => {
    recorded.replay('version');
    recorded.replay('chat.schema');
    if (!expected.runs) replayExplanation();
    const { format } = recorded.exchange('chat.schema').request.body as { format: Record<string, unknown> };
    const messages = [{ role: 'user', content: 'Hello!' }] as const;
    const answer = collect(runtime.chat({ name: NAME, messages, format }, never));
    if (!expected.runs) {
      expect((await failureOf(answer)).code).toBe('runtime-too-old');
      return;
    }
    expect(JSON.parse((await answer).result.text)).toEqual({ city: expect.any(String) });
    expect(recorded.sent).toEqual([{ model: NAME, messages, think: false, format, stream: true }]);
  });

  test('sends pictures, and says so when the server cannot take them', async () => {
    recorded.replay('chat.image');
    if (!expected.runs || expected.refusesPictures) replayExplanation('version');
    const { messages } = recorded.exchange('chat.image').request.body as { messages: Message[] };
    const answer = collect(runtime.chat({ name: NAME, messages, options: { num_predict: 2 } }, never));
    if (!expected.runs) expect((await failureOf(answer)).code).toBe('runtime-too-old');
    else if (expected.refusesPictures) {
      const error = await failureOf(answer);
      expect(error.code).toBe('runtime-refused');
      expect(error.suggestions.join(' ')).toContain('pictures out');
    } else expect((await answer).result.endedBy).toBe('length');
    // Recorded before this tool asked for answers without thoughts.
    const body = recorded.exchange('chat.image').request.body as object;
    expect(recorded.sent[0]).toEqual({ ...body, think: false });
  });
});
