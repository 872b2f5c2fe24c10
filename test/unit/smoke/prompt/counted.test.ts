import { expect, test } from 'vitest';
import { countedChat, unprovenPrompt } from '../../../../src/smoke/prompt/prove.ts';
import type { CheckResult, SmokeResult, Suite } from '../../../../src/smoke/schema.ts';

const CHECKS = ['long', 'short', 'untold'];
const suite: Suite = {
  schemaVersion: 1,
  id: 'base',
  title: 'Base',
  checks: CHECKS.map((id) => ({
    id,
    level: 'answers',
    title: id,
    messages: [{ role: 'user', content: id }],
    judges: [],
  })),
};

function ran(promptTokens: Record<string, number>): SmokeResult {
  const checks = CHECKS.map(
    (id): CheckResult => ({
      id,
      level: 'answers',
      passed: true,
      advisory: false,
      detail: '',
      answer: '',
      ms: 1,
      ...(promptTokens[id] !== undefined && { promptTokens: promptTokens[id] }),
    }),
  );
  return { suite: 'base', passed: 3, failed: 0, checks };
}

test('the shortest prompt that was counted is the cheapest to ask for again', () => {
  const counted = countedChat(suite, ran({ long: 90, short: 9 }));
  expect(counted).toEqual({ messages: [{ role: 'user', content: 'short' }], promptTokens: 9 });
});

test('without counts there is none', () => {
  expect(countedChat(suite, ran({ long: 0 }))).toBeUndefined();
  expect(countedChat(suite, ran({}))).toBeUndefined();
});

test('where there is nothing to compare with, a stop token that is missing is still a fault', () => {
  const tokens = { bos: '<bos>', stop: ['<end_of_turn>', '<eos>'] };
  const stored = { name: 'tiny', stop: ['<eos>'], contextLength: 512 };
  const proof = unprovenPrompt(stored, tokens, 'there is no template');
  expect(proof).toMatchObject({ verdict: 'differs', stop: ['<eos>'], context: { wanted: 512 }, requests: 0 });
  expect(proof.findings.map(({ id, message }) => [id, message])).toEqual([
    ['missing-stop', expect.stringContaining('<end_of_turn>')],
    ['not-provable', expect.stringContaining('there is no template')],
  ]);
  expect(unprovenPrompt({ name: 'tiny' }, tokens, 'it is late')).toMatchObject({ verdict: 'not-provable', stop: [] });
});
