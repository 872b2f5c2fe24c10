import { describe, expect, test } from 'vitest';
import { ProvisionError } from '../../../src/core/errors.ts';
import type { Check } from '../../../src/smoke/schema.ts';
import { chatOf, check, runOne } from './support.ts';

describe('the same question again', () => {
  const same = (repeat: number, changes: Partial<Check> = {}): Check =>
    check('same', 'repeats', { repeat, ...changes });

  test('gets the same answer', async () => {
    const chat = chatOf(() => ({ text: 'a, b, c' }));
    expect(await runOne(same(3), chat)).toMatchObject({ passed: true, answer: 'a, b, c', detail: '3 times "a, b, c"' });
    expect(chat.asked).toHaveLength(3);
    expect(new Set(chat.asked.map((request) => JSON.stringify(request))).size).toBe(1);
    expect(chat.asked[0]?.options).toMatchObject({ temperature: 0, seed: 1 });
  });

  test('another answer is told with the place where they part', async () => {
    const chat = chatOf((_, before) => ({ text: before === 1 ? 'a, b, d' : 'a, b, c' }));
    const result = await runOne(same(4, { remedy: 'Look at the driver' }), chat);
    expect(result).toMatchObject({ passed: false, advisory: false });
    expect(result.detail).toBe(
      'answer 2 to the same request differs at temperature 0 with one seed: after 6 equal characters "d" instead of "c". Look at the driver',
    );
    expect(chat.asked).toHaveLength(2);
  });

  test('a longer answer differs too', async () => {
    const chat = chatOf((_, before) => ({ text: 'a'.repeat(before + 1) }));
    expect((await runOne(same(2), chat)).passed).toBe(false);
  });

  test('the answer itself is judged first', async () => {
    const chat = chatOf(() => ({ text: '' }));
    expect((await runOne(same(3), chat)).detail).toContain('empty');
    expect(chat.asked).toHaveLength(1);
  });
});

describe('JSON by a schema', () => {
  const format = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
  const one = check('json', 'formats', { format, judges: [{ kind: 'json' }] });

  test('the runtime gets the schema, the answer is held against it', async () => {
    const chat = chatOf(() => ({ text: '{"city":"Paris"}' }));
    expect(await runOne(one, chat)).toMatchObject({ passed: true, promptTokens: 4 });
    expect(chat.asked[0]?.format).toEqual(format);
    const other = await runOne(
      one,
      chatOf(() => ({ text: '{"town":"Paris"}' })),
    );
    expect(other).toMatchObject({ passed: false, advisory: false });
    expect(other.detail).toContain('city:');
  });

  test('a runtime that ignores it is caught', async () => {
    const result = await runOne(
      one,
      chatOf(() => ({ text: 'Paris is the capital.' })),
    );
    expect(result.detail).toContain('expected JSON and nothing else');
  });

  test.each(['runtime-refused', 'runtime-too-old'] as const)(
    'is skipped where %s says that there are no schemas',
    async (code) => {
      const refusing = chatOf(() => new ProvisionError(code, 'no grammar in this engine'));
      const result = await runOne(one, refusing);
      expect(result).toMatchObject({ passed: false, advisory: true, suite: { failed: 0, skipped: 1 } });
      expect(result.skipped).toContain('no grammar in this engine');
    },
  );

  test.each([
    new ProvisionError('runtime-died', 'gone'),
    new ProvisionError('runtime-timeout', 'silent'),
    new Error('boom'),
  ])('%s is no reason to skip', async (error) => {
    const result = await runOne(
      one,
      chatOf(() => error),
    );
    expect(result).toMatchObject({ passed: false, advisory: false, detail: `no answer: ${error.message}` });
    expect(result.skipped).toBeUndefined();
  });

  test('a refusal without a schema fails', async () => {
    const refusing = chatOf(() => new ProvisionError('runtime-refused', 'no'));
    expect((await runOne(check('a', 'answers'), refusing)).skipped).toBeUndefined();
  });
});

describe('a picture', () => {
  const messages: Check['messages'] = [{ role: 'user', content: 'What is this?', images: ['aGk='] }];
  const one = check('see', 'sees', { messages, judges: [{ kind: 'mentions', anyOf: ['red'] }] });

  test('is shown to a model that has a projector', async () => {
    const chat = chatOf(() => ({ text: 'Red.' }));
    const result = await runOne(one, chat, { stored: { capabilities: ['completion', 'vision'] } });
    expect(result).toMatchObject({ passed: true, detail: 'answered "Red."' });
    expect(chat.asked[0]?.messages).toEqual(messages);
    expect(result.promptTokens).toBeUndefined();
  });

  test.each([
    ['has none', { stored: { capabilities: ['completion', 'tools'] } }, '(capabilities: completion, tools)'],
    ['can nothing', { stored: { capabilities: [] } }, '(capabilities: none)'],
    ['may have one', { stored: {} }, 'does not report'],
    ['is not known', {}, 'does not report'],
  ])('is kept from a model that %s', async (_, parts, reason) => {
    const chat = chatOf(() => ({ text: 'Red.' }));
    const result = await runOne(one, chat, parts);
    expect(result).toMatchObject({ passed: false, advisory: true, ms: expect.any(Number) });
    expect(result.skipped).toContain(reason);
    expect(chat.asked).toHaveLength(0);
  });

  test('a projector that is ignored shows in the answer', async () => {
    const chat = chatOf(() => ({ text: 'I see a cat.' }));
    const result = await runOne(one, chat, { stored: { capabilities: ['vision'] } });
    expect(result).toMatchObject({ passed: false, advisory: false });
  });
});

describe('a sound', () => {
  const messages: Check['messages'] = [{ role: 'user', content: 'Which number?', sounds: ['UklGRg=='] }];
  const one = check('hear', 'hears', { messages, judges: [{ kind: 'mentions', anyOf: ['seven', '7'] }] });

  test('is played to a model that hears, and only who heard it knows the answer', async () => {
    const chat = chatOf(() => ({ text: 'Seven' }));
    const result = await runOne(one, chat, { stored: { capabilities: ['completion', 'vision', 'audio'] } });
    expect(result).toMatchObject({ passed: true });
    expect(chat.asked[0]?.messages).toEqual(messages);
    expect(result.promptTokens).toBeUndefined();
    const deaf = chatOf(() => ({ text: 'Five' }));
    expect(await runOne(one, deaf, { stored: { capabilities: ['audio'] } })).toMatchObject({ passed: false });
  });

  test('is kept from a model that only sees', async () => {
    const chat = chatOf(() => ({ text: 'Seven' }));
    const result = await runOne(one, chat, { stored: { capabilities: ['completion', 'vision'] } });
    expect(result.skipped).toContain('no audio support (capabilities: completion, vision)');
    expect(chat.asked).toHaveLength(0);
  });
});

describe('cold and warm', () => {
  const one = check('pace', 'runs', { timing: 'cold-and-warm', judges: [{ kind: 'mentions', anyOf: ['fine'] }] });

  test('frees the memory, then measures twice', async () => {
    const order: string[] = [];
    const chat = chatOf((_, before) => {
      order.push('chat');
      return { tokensPerSecond: before === 0 ? 5 : 10 };
    });
    const unload = (name: string): Promise<void> => Promise.resolve(void order.push(`unload ${name}`));
    const result = await runOne(one, chat, { runtime: { unload } });
    expect(order).toEqual(['unload m', 'chat', 'chat']);
    expect(result).toMatchObject({
      passed: true,
      tokensPerSecond: 10,
      pace: { cold: { tokensPerSecond: 5 }, warm: { tokensPerSecond: 10 } },
    });
    expect(result.detail).toMatch(/^first token .* cold, .* warm, 10\.0 tok\/s$/);
  });

  test('only warm where the runtime frees no memory on request', async () => {
    const chat = chatOf(() => ({}));
    const result = await runOne(one, chat, { runtime: {} });
    expect(chat.asked).toHaveLength(1);
    expect(result.pace).toEqual({ warm: { firstTokenMs: expect.any(Number) } });
    expect(result.detail).toMatch(/^first token .* warm$/);
  });

  test('the warm answer is judged', async () => {
    const chat = chatOf((_, before) => ({ text: before === 0 ? 'fine' : 'bad' }));
    const result = await runOne(one, chat, { runtime: { unload: () => Promise.resolve() } });
    expect(result).toMatchObject({ passed: false, pace: { warm: {} } });
  });

  test('an unload that fails fails the check', async () => {
    const unload = () => Promise.reject(new ProvisionError('runtime-unreachable', 'gone'));
    expect(
      await runOne(
        one,
        chatOf(() => ({})),
        { runtime: { unload } },
      ),
    ).toMatchObject({
      passed: false,
      detail: 'no answer: gone',
    });
  });
});
