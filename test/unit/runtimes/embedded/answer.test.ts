import { describe, expect, test } from 'vitest';
import { answer } from '../../../../src/runtimes/embedded/answer.ts';
import type { Engine } from '../../../../src/runtimes/embedded/engine.ts';
import { renderPrompt, tokenizePrompt } from '../../../../src/runtimes/embedded/prompt.ts';
import type { Answer, ChatOptions } from '../../../../src/runtimes/embedded/protocol.ts';
import { openCage, UNCAGED } from '../../../helpers/cage.ts';
import { never } from '../../../helpers/failure.ts';
import { BOS, byteEngine, bytesOf, CLOSE, END, OPEN, SAMPLING, TURN } from './support.ts';

async function run(
  engine: Engine,
  changes: Partial<ChatOptions> = {},
  signal = never,
): Promise<{ text: string; answer: Answer }> {
  const options = { messages: [{ role: 'user' as const, content: 'hi' }], stop: [], sampling: SAMPLING, ...changes };
  const work = answer(engine, options, { cage: openCage, signal });
  let text = '';
  for (;;) {
    const step = await work.next();
    if (step.done) return { text, answer: step.value };
    text += step.value;
  }
}

describe('the end of an answer', () => {
  test('by the end token of the file', async () => {
    const { text, answer: end } = await run(byteEngine([...bytesOf('hello'), END, ...bytesOf('more')]));
    expect(text).toBe('hello');
    expect(end).toMatchObject({ endedBy: 'stop', answerTokens: 5, bosCount: 1 });
  });

  test('by a stop string that is a special token and leaves no text', async () => {
    const tokens = [...bytesOf('hello'), TURN, ...bytesOf('more')];
    expect(await run(byteEngine(tokens), { stop: ['<end_of_turn>'] })).toMatchObject({
      text: 'hello',
      answer: { endedBy: 'stop' },
    });
    expect(await run(byteEngine(tokens))).toMatchObject({ text: 'hellomore', answer: { endedBy: 'length' } });
  });

  test('by a stop string in the text, which is not shown', async () => {
    expect(await run(byteEngine(bytesOf('say it. STOP now')), { stop: ['STOP'] })).toMatchObject({
      text: 'say it. ',
      answer: { endedBy: 'stop' },
    });
  });

  test('by the token limit; what was held back is shown then', async () => {
    expect(await run(byteEngine(bytesOf('say ST and more')), { stop: ['STOP'], maxTokens: 6 })).toMatchObject({
      text: 'say ST',
      answer: { endedBy: 'length', answerTokens: 6 },
    });
  });

  test('by the end of the context', async () => {
    const promptTokens = 1 + bytesOf('user:hi\n').length;
    const engine = byteEngine(bytesOf('a long answer'), { contextLength: promptTokens + 3 });
    expect(await run(engine)).toMatchObject({ text: 'a l', answer: { endedBy: 'length', promptTokens } });
  });

  test('an empty answer is an answer', async () => {
    expect(await run(byteEngine([END]))).toMatchObject({ text: '', answer: { endedBy: 'stop', answerTokens: 0 } });
  });

  test('by an abort', async () => {
    await expect(run(byteEngine(bytesOf('hello')), {}, AbortSignal.abort(new Error('stop it')))).rejects.toThrow(
      'stop it',
    );
  });
});

describe('thoughts', () => {
  const thoughts = { opens: '<|channel>thought\n', closes: '<channel|>' };
  const thinking = [OPEN, ...bytesOf('thought\nHm. STOP'), CLOSE, ...bytesOf('Hello'), END];

  test('are no part of the answer, and stop nothing', async () => {
    expect(await run(byteEngine(thinking), { thoughts, stop: ['STOP'] })).toMatchObject({
      text: 'Hello',
      answer: { endedBy: 'stop', answerTokens: 2 + bytesOf('thought\nHm. STOP').length + 5 },
    });
  });

  test('that the token limit cuts off leave an empty answer', async () => {
    expect(await run(byteEngine(thinking), { thoughts, maxTokens: 4 })).toMatchObject({
      text: '',
      answer: { endedBy: 'length', answerTokens: 4 },
    });
  });

  test('are not looked for in a model that has none, nor in a vocabulary without their marks', async () => {
    expect((await run(byteEngine(thinking))).text).toBe('thought\nHm. STOPHello');
    const none = { opens: '[think]', closes: '[/think]' };
    expect((await run(byteEngine(bytesOf('[think]a[/think]b')), { thoughts: none })).text).toBe('[think]a[/think]b');
  });
});

test('a prompt without room for an answer is refused', async () => {
  await expect(run(byteEngine([END], { contextLength: 9 }))).rejects.toMatchObject({
    code: 'bad-usage',
    message: expect.stringContaining('none are left for an answer'),
  });
});

describe('the prompt', () => {
  const messages = [
    { role: 'system' as const, content: 'Be brief.' },
    { role: 'user' as const, content: 'hi' },
  ];

  test('is what the template of the file makes of the messages', async () => {
    expect(await renderPrompt(byteEngine([]), messages, UNCAGED)).toBe('<bos>system:Be brief.\nuser:hi\n');
  });

  test('a file without a template', async () => {
    const { chatTemplate: _, ...engine } = byteEngine([]);
    await expect(renderPrompt(engine, messages, UNCAGED)).rejects.toMatchObject({
      code: 'bad-template',
      message: expect.stringContaining('no chat template'),
    });
  });

  test('a broken template', async () => {
    await expect(renderPrompt(byteEngine([], { chatTemplate: '{% for %}' }), messages, UNCAGED)).rejects.toMatchObject({
      code: 'bad-template',
    });
  });

  test('messages that the template refuses', async () => {
    const chatTemplate = "{{ raise_exception('Conversation roles must alternate') }}";
    await expect(renderPrompt(byteEngine([], { chatTemplate }), messages, UNCAGED)).rejects.toMatchObject({
      code: 'bad-usage',
      message: expect.stringContaining('roles must alternate'),
    });
  });

  test.each<[string, string, boolean, number[]]>([
    ['one written by the template', '<bos>hi', true, [BOS, ...bytesOf('hi')]],
    ['two written by the template', '<bos><bos>hi', true, [BOS, ...bytesOf('hi')]],
    ['left to the tokenizer', 'hi', true, [BOS, ...bytesOf('hi')]],
    ['written for a tokenizer that adds none', '<bos>hi', false, [BOS, ...bytesOf('hi')]],
    ['wanted by nobody', 'hi', false, bytesOf('hi')],
  ])('BOS %s', (_, text, addBos, tokens) => {
    const prompt = tokenizePrompt(byteEngine([], { addBos }), text);
    expect(prompt.tokens).toEqual(tokens);
    expect(prompt.bosCount).toBe(tokens[0] === BOS ? 1 : 0);
  });

  test('a BOS inside the text is counted', () => {
    expect(tokenizePrompt(byteEngine([]), '<bos>a<bos>b').bosCount).toBe(2);
  });

  test('a model without BOS gets none', () => {
    const { bos: _, ...engine } = byteEngine([]);
    expect(tokenizePrompt(engine, 'hi')).toEqual({ tokens: bytesOf('hi'), bosCount: 0 });
  });
});
