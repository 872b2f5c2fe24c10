import { describe, expect, test } from 'vitest';
import { ProvisionError } from '../../../src/core/errors.ts';
import type { ChatRequest, ChatResult } from '../../../src/runtimes/contract.ts';
import type { Check } from '../../../src/smoke/schema.ts';
import { type Chat, chatOf, check, runOne } from './support.ts';

/** Tokens of a prompt of the fake runtime: one a word, and ten of the template. */
function tokensOf({ messages }: ChatRequest): number {
  return 10 + messages.reduce((sum, { content }) => sum + content.split(/\s+/).filter(Boolean).length, 0);
}

/** A runtime that evaluates at most `context` tokens, and cuts the rest without a word. */
function serverWith(context: number, answer: Partial<ChatResult> = {}): Chat {
  return chatOf((request) => ({ promptTokens: Math.min(context, tokensOf(request)), ...answer }));
}

function long(changes: Partial<Check> = {}): Check {
  return check('long', 'holds', {
    messages: [{ role: 'user', content: 'The word is owl. {filler} Which word?' }],
    judges: [{ kind: 'mentions', anyOf: ['owl'] }],
    maxTokens: 20,
    fill: { text: ' the river runs', upTo: 0.9 },
    ...changes,
  });
}

const loaded = (contextLength?: number) => ({
  runtime: { loaded: () => Promise.resolve(contextLength === undefined ? {} : { contextLength }) },
});
const OWL = { text: 'owl' };

describe('long input', () => {
  test('fills the context that is in force, and foretells what the runtime counts', async () => {
    const chat = serverWith(1000, OWL);
    const result = await runOne(long(), chat, loaded(1000));
    expect(result).toMatchObject({ passed: true, answer: 'owl', fill: { context: 1000 } });
    expect(result.fill?.sent).toBe(result.fill?.arrived);
    expect(result.fill?.sent).toBeGreaterThan(890);
    expect(result.fill?.sent).toBeLessThanOrEqual(900);
    expect(result.detail).toContain('of a context of 1000, answered "owl"');
    expect(chat.asked.map(({ options }) => options?.num_predict)).toEqual([1, 1, 1, 20]);
    expect(chat.asked.at(-1)?.messages[0]?.content).toMatch(
      /^The word is owl\. {2}the river runs .* runs Which word\?$/,
    );
  });

  test('leaves room for the answer, and keeps to its own bound', async () => {
    const brim = await runOne(long({ fill: { text: ' a b c', upTo: 1 } }), serverWith(1000, OWL), loaded(1000));
    expect(brim.fill?.sent).toBeLessThanOrEqual(1000 - 20);
    const bound = { text: ' a b c', upTo: 0.9, atMost: 300 };
    const bounded = await runOne(long({ fill: bound }), serverWith(100_000, OWL), loaded(100_000));
    expect(bounded).toMatchObject({ passed: true, fill: { context: 100_000 } });
    expect(bounded.fill?.sent).toBeLessThanOrEqual(300);
  });

  test('a right answer does not hide that the input was cut', async () => {
    const result = await runOne(long(), serverWith(512, OWL), { stored: { contextLength: 1000 } });
    expect(result).toMatchObject({ passed: false, advisory: false, fill: { context: 1000, arrived: 512 } });
    expect(result.detail).toMatch(/^the runtime cut the input: about \d+ tokens were sent, 512 reached the model/);
  });

  test('a cut of a few percent is seen', async () => {
    const result = await runOne(long(), serverWith(860, OWL), { stored: { contextLength: 1000 } });
    expect(result.detail).toContain('860 reached the model');
  });

  test('a wrong answer to input that arrived is the fault of the model', async () => {
    const result = await runOne(long(), serverWith(1000, { text: 'cat' }), loaded(1000));
    expect(result).toMatchObject({ passed: false });
    expect(result.detail).toMatch(/^expected "owl" in the answer, got "cat", though all \d+ tokens of input reached/);
  });

  test('a context shorter than the model asks for is the fault, whatever fits', async () => {
    const chat = serverWith(2048, OWL);
    const result = await runOne(long(), chat, { ...loaded(2048), stored: { contextLength: 4096 } });
    expect(result).toMatchObject({ passed: false, advisory: false });
    expect(result.detail).toContain('requests a context of 4096 tokens (num_ctx), but the runtime uses 2048');
    expect(chat.asked).toHaveLength(1);
  });

  test('a context that is longer than the model asks for is filled as far as was asked', async () => {
    const result = await runOne(long(), serverWith(8192, OWL), { ...loaded(8192), stored: { contextLength: 1000 } });
    expect(result).toMatchObject({ passed: true, fill: { context: 1000 } });
  });

  test('where the runtime does not count what its cache spares, the answer alone is judged', async () => {
    let seen = '';
    const chat = chatOf((request) => {
      const text = request.messages[0]?.content ?? '';
      let shared = 0;
      while (shared < text.length && text[shared] === seen[shared]) shared += 1;
      seen = text;
      return { ...OWL, promptTokens: Math.max(1, text.slice(shared).split(/\s+/).filter(Boolean).length) };
    });
    const result = await runOne(long(), chat, loaded(1000));
    expect(result).toMatchObject({ passed: true, fill: { context: 1000 } });
    expect(result.fill?.arrived).toBeUndefined();
    expect(result.fill?.sent).toBeLessThanOrEqual(900);
    expect(result.fill?.sent).toBeGreaterThan(700);
    expect(result.detail).toContain('about');
  });

  test.each<[string, Chat, Parameters<typeof runOne>[2], string]>([
    ['the context is unknown', serverWith(1000), { runtime: {} }, 'neither the model nor the runtime reports'],
    ['the runtime reports no context', serverWith(1000), loaded(), 'neither the model nor the runtime reports'],
    ['the context is too short', serverWith(1000), loaded(80), 'a context of 80 tokens is too short'],
    ['prompts are not counted', serverWith(0), loaded(1000), 'does not count the tokens'],
  ])('is skipped when %s', async (_, chat, parts, reason) => {
    const result = await runOne(long(), chat, parts);
    expect(result).toMatchObject({ passed: false, advisory: true, suite: { passed: 0, failed: 0, skipped: 1 } });
    expect(result.skipped).toContain(reason);
    expect(result.detail).toBe(`skipped: ${result.skipped}`);
  });

  test('a runtime that refuses it fails the check with its words', async () => {
    const chat = chatOf((request) =>
      tokensOf(request) > 500 ? new ProvisionError('bad-usage', 'too long') : { promptTokens: tokensOf(request) },
    );
    const result = await runOne(long(), chat, loaded(1000));
    expect(result).toMatchObject({ passed: false, advisory: false, detail: 'no answer: too long' });
  });

  test('fills any message, and leaves the filler as it is written', async () => {
    const messages: Check['messages'] = [
      { role: 'user', content: 'owl' },
      { role: 'assistant', content: 'Yes: {filler}' },
      { role: 'user', content: 'Which word?' },
    ];
    const chat = serverWith(1000, OWL);
    const result = await runOne(long({ messages, fill: { text: " $& $1 $'", upTo: 0.5 } }), chat, loaded(1000));
    expect(result.passed).toBe(true);
    expect(chat.asked[0]?.messages.map(({ content }) => content)).toEqual([
      'owl',
      `Yes: ${" $& $1 $'".repeat(8)}`,
      'Which word?',
    ]);
  });

  test('its prompt is not told as that of its messages', async () => {
    expect((await runOne(long(), serverWith(1000, OWL), loaded(1000))).promptTokens).toBeUndefined();
  });
});
