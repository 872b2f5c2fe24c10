/** Servers that show their prompts. */
import { describe, expect, test } from 'vitest';
import { gemma, type Planted, proven, USER_TURN, verdictsOf } from './support.ts';

test('proves a prompt that is right, to the byte, within the budget', async () => {
  const { proof, runtime, events } = await proven();
  expect(proof).toMatchObject({
    verdict: 'proven',
    effective: '<bos><start_of_turn>user\nWhat is the capital of France?<end_of_turn>\n<start_of_turn>model\n',
    expectedFrom: 'file',
    bosCount: 1,
    stop: ['<end_of_turn>'],
    winner: 'template',
    context: { wanted: 512, inForce: 512 },
    findings: [],
    requests: 6,
    generatedTokens: 1,
  });
  expect(proof.expected).toBe(proof.effective);
  expect(verdictsOf(proof)).toEqual({ user: 'equal', 'system-user': 'equal', 'multi-turn': 'equal', markers: 'equal' });
  expect(proof.shapes[0]?.tokens).toEqual({ effective: 46, expected: 46 });
  expect(runtime.calls).toEqual([...Array(4).fill('render tiny'), 'countRaw tiny', 'loaded tiny']);
  expect(events.map((event) => event.type === 'check' && [event.id, event.level, event.passed])).toEqual(
    proof.shapes.map(({ id }) => [id, 'prompt', true]),
  );
});

test('the shapes hold what templates get wrong', async () => {
  const { proof } = await proven();
  const text = proof.shapes.map(({ effective }) => effective).join('');
  for (const piece of ['駅', 'شكرا', '👩‍👩‍👧', 'À', '{{ .Prompt }}', '<start_of_turn>model,', '<bos> to me'])
    expect(text).toContain(piece);
});

describe('a planted defect has a name', () => {
  test.each<[string, Planted, string[]]>([
    ['a BOS in the template', { prompting: { template: gemma({ bos: '<bos>' }) } }, ['double-bos fault']],
    [
      'two of them, one of which is stripped',
      { prompting: { template: gemma({ bos: '<bos><bos>' }), stripsBos: true } },
      ['double-bos fault'],
    ],
    ['no BOS at all', { prompting: { addsBos: false } }, ['missing-bos fault']],
    ['a stop token less', { stored: { stop: [] } }, ['missing-stop fault']],
    ['another role for answers', { prompting: { template: gemma({ model: 'assistant' }) } }, ['wrong-role fault']],
    ['another role for questions', { prompting: { template: gemma({ user: 'human' }) } }, ['wrong-role fault']],
    [
      'both roles',
      { prompting: { template: gemma({ user: 'human', model: 'bot' }) } },
      ['wrong-role fault', 'wrong-role fault'],
    ],
    ['a lost system text', { prompting: { template: gemma({ losesSystem: true }) } }, ['system-lost fault']],
    ['a line end too many', { prompting: { template: gemma({ ending: '\n' }) } }, ['template-differs fault']],
    [
      'no template',
      { prompting: { template: (messages) => messages.at(-1)?.content ?? '' } },
      ['system-lost fault', 'template-differs fault'],
    ],
    ['a shorter context', { prompting: { contextLength: 511 } }, ['context-shorter fault']],
  ])('%s', async (_, planted, names) => {
    const { proof, names: found } = await proven(planted);
    expect(found.toSorted()).toEqual(names);
    expect(proof.verdict).toBe('differs');
    for (const finding of proof.findings) expect(finding.remedy).not.toBe('');
  });

  test('a double BOS comes with the exact difference', async () => {
    const { proof } = await proven({ prompting: { template: gemma({ bos: '<bos>' }) } });
    expect(proof.bosCount).toBe(2);
    expect(proof.effective).toMatch(/^<bos><bos><start_of_turn>user\n/);
    expect(proof.shapes[0]?.difference).toEqual({
      at: 6,
      effective: expect.stringMatching(/^bos><start_of_turn>user\n/),
      expected: expect.stringMatching(/^start_of_turn>user\n/),
    });
    expect(proof.shapes[0]?.tokens).toEqual({ effective: 47, expected: 46 });
  });

  test('a swapped template comes with the place and both texts', async () => {
    const template = (messages: readonly { role: string; content: string }[]) =>
      `${messages.map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`).join('')}<|im_start|>assistant\n`;
    const { proof, names } = await proven({ prompting: { template } });
    expect(names).toEqual(['template-differs fault']);
    expect(proof.bosCount).toBe(1);
    expect(proof.shapes[0]?.difference).toMatchObject({
      at: 6,
      effective: expect.stringMatching(/^\|im_start\|>user\n/),
    });
    expect(proof.findings[0]?.message).toContain('"|im_start|>user\\n');
  });

  test('a wrong role names both words', async () => {
    const { proof } = await proven({ prompting: { template: gemma({ model: 'assistant' }) } });
    expect(proof.findings[0]?.message).toMatch(/"assistant".*"model"/);
  });

  test('a lost system text shows only in shapes that have one', async () => {
    const { proof } = await proven({ prompting: { template: gemma({ losesSystem: true }) } });
    expect(verdictsOf(proof)).toEqual({
      user: 'equal',
      'system-user': 'differs',
      'multi-turn': 'differs',
      markers: 'equal',
    });
    expect(proof.effective).toBe(proof.shapes[1]?.effective);
  });
});

describe('a BOS in the text does not decide, the count does', () => {
  test('one that the server strips does no harm', async () => {
    const { proof } = await proven({ prompting: { template: gemma({ bos: '<bos>' }), stripsBos: true } });
    expect(proof).toMatchObject({ verdict: 'proven', bosCount: 1, findings: [] });
  });

  test('one that the tokenizer does not add is right', async () => {
    const { proof } = await proven({ prompting: { template: gemma({ bos: '<bos>' }), addsBos: false } });
    expect(proof).toMatchObject({ verdict: 'proven', bosCount: 1, findings: [] });
  });

  test('a runtime that counts them itself spares the counting', async () => {
    const { proof, runtime } = await proven({ prompting: { shows: 'with-bos-count' }, uncounted: true, unread: true });
    expect(proof).toMatchObject({ verdict: 'proven', bosCount: 1, requests: 5, generatedTokens: 0 });
    expect(runtime.calls).not.toContain('countRaw tiny');
    const wrong = await proven({ prompting: { shows: 'with-bos-count', addsBos: false } });
    expect(wrong.names).toEqual(['missing-bos fault']);
  });

  test('without counts the text alone is no proof', async () => {
    const { proof, names } = await proven({ prompting: { counts: false } });
    expect(proof.verdict).toBe('not-provable');
    expect(proof.bosCount).toBeUndefined();
    expect(names).toEqual(['not-provable warning']);
    expect(new Set(Object.values(verdictsOf(proof)))).toEqual(new Set(['equal']));
  });

  test('a count that fits no number of BOS tokens is told as it is', async () => {
    const { proof, names } = await proven({ request: { counted: { messages: USER_TURN, promptTokens: 99 } } });
    expect(names).toEqual(['token-count-differs fault']);
    expect(proof.bosCount).toBeUndefined();
  });
});

describe('what is not known is asked, and some shape left out for it', () => {
  test.each<[string, Planted, number]>([
    ['whether a BOS is added', { unread: true }, 2],
    ['the tokens of a chat', { uncounted: true }, 2],
    ['both', { unread: true, uncounted: true }, 3],
  ])('%s', async (_, planted, generatedTokens) => {
    const { proof, runtime } = await proven(planted);
    expect(proof).toMatchObject({
      verdict: 'proven-by-count',
      bosCount: 1,
      findings: [],
      requests: 6,
      generatedTokens,
    });
    expect(runtime.calls).toHaveLength(6);
    expect(verdictsOf(proof)).toMatchObject({ user: 'equal-by-count', 'system-user': 'equal', 'multi-turn': 'equal' });
  });

  test('a file of which nobody told that it adds no BOS', async () => {
    const { proof, names } = await proven({ prompting: { addsBos: false }, unread: true });
    expect(names).toEqual(['missing-bos fault']);
    expect(proof.bosCount).toBe(0);
  });

  test('a vocabulary without the stop token leaves it open', async () => {
    const request = { tokens: { bos: '<bos>', stop: ['DONE'] } };
    const { proof, names } = await proven({ request, unread: true, stored: { stop: ['DONE'] } });
    expect(names).toEqual(['not-provable warning']);
    expect(proof.findings[0]?.message).toContain('whether the tokenizer adds one');
    expect(proof.verdict).toBe('not-provable');
  });
});
