/** Servers that show no prompt, and others that tell nothing at all. */
import { describe, expect, test } from 'vitest';
import { ProvisionError } from '../../../../src/core/errors.ts';
import { GO, gemma, type Outcome, type Planted, proven, USER_TURN, verdictsOf } from './support.ts';

/** Ollama before 0.11.5. */
function hidden({ prompting, ...planted }: Planted = {}): Promise<Outcome> {
  return proven({ ...planted, prompting: { shows: false, ...prompting } });
}

test('equal counts are a proof of their own kind, within the budget', async () => {
  const { proof, runtime } = await hidden();
  expect(proof).toMatchObject({
    verdict: 'proven-by-count',
    expected: '<start_of_turn>user\nWhat is the capital of France?<end_of_turn>\n<start_of_turn>model\n',
    bosCount: 1,
    winner: 'template',
    findings: [],
    requests: 6,
    generatedTokens: 4,
  });
  expect(proof.effective).toBeUndefined();
  expect(verdictsOf(proof)).toEqual({ user: 'equal-by-count', 'multi-turn': 'equal-by-count' });
  expect(proof.shapes[0]?.tokens).toEqual({ effective: 46, expected: 46 });
  expect(runtime.calls.toSorted()).toEqual([
    'chat tiny',
    ...Array(3).fill('countRaw tiny'),
    'loaded tiny',
    'render tiny',
  ]);
});

describe('a planted defect has a name', () => {
  test.each<[string, Planted, string[]]>([
    [
      'a BOS in the template',
      { prompting: { template: gemma({ bos: '<bos>' }) }, stored: { template: `<bos>${GO}` } },
      ['double-bos fault'],
    ],
    ['no BOS at all', { prompting: { addsBos: false } }, ['missing-bos fault']],
    ['a stop token less', { stored: { stop: [] } }, ['missing-stop fault']],
    ['a lost system text', { prompting: { template: gemma({ losesSystem: true }) } }, ['system-lost fault']],
    ['a line end too many', { prompting: { template: gemma({ ending: '\n' }) } }, ['token-count-differs fault']],
    ['a shorter context', { prompting: { contextLength: 500 } }, ['context-shorter fault']],
  ])('%s', async (_, planted, names) => {
    const { proof, names: found } = await hidden(planted);
    expect(found.toSorted()).toEqual(names);
    expect(proof.verdict).toBe('differs');
    expect(proof.requests).toBeLessThanOrEqual(6);
    expect(proof.generatedTokens).toBeLessThanOrEqual(8);
  });

  test('a role of as many tokens leaves the count as it is: the template gives it away', async () => {
    const prompting = { template: gemma({ model: 'robot' }) };
    const { proof, names } = await hidden({ prompting, stored: { template: GO.replaceAll('>model\n', '>robot\n') } });
    expect(names).toEqual(['wrong-role fault']);
    expect(proof.findings[0]?.message).toMatch(/"robot".*"model"/);
    expect(proof.shapes.map(({ tokens }) => tokens?.effective === tokens?.expected)).toEqual([true, true]);
  });

  test('a role of the user in the words of the template', async () => {
    const template =
      '{{ range .Messages }}{{ if eq .Role "user" }}<start_of_turn>human\n{{ else }}<start_of_turn>model\n{{ end }}';
    const { names } = await hidden({ prompting: { template: gemma({ user: 'sane' }) }, stored: { template } });
    expect(names).toEqual(['wrong-role fault']);
  });

  test('further roles in a template are no fault', async () => {
    const { names } = await hidden({ stored: { template: `${GO}{{ if .Tools }}<start_of_turn>tool\n{{ end }}` } });
    expect(names).toEqual([]);
  });

  test('one token more is no BOS where the template writes none', async () => {
    const { proof, names } = await hidden({ prompting: { template: (messages) => `${gemma()(messages)}\n` } });
    expect(names).toEqual(['token-count-differs fault']);
    expect(proof.bosCount).toBe(1);
  });

  test('one token more is nothing certain where the template does not show', async () => {
    const template = gemma({ bos: '<bos>' });
    const { proof, names } = await hidden({ prompting: { template }, stored: { template: undefined } as never });
    expect(names).toEqual(['not-provable warning', 'token-count-differs fault']);
    expect(proof.bosCount).toBeUndefined();
    expect(proof.findings[0]?.message).toContain('nothing in common');
  });

  test('a lost system text is guessed from the template where no request is left to count', async () => {
    const planted = { prompting: { template: gemma({ losesSystem: true }) }, uncounted: true };
    const stored = { template: '<start_of_turn>user\n{{ .Prompt }}<end_of_turn>\n<start_of_turn>model\n' };
    expect((await hidden({ ...planted, stored })).names).toContain('system-lost fault');
    expect((await hidden(planted)).names).toContain('token-count-differs fault');
  });
});

describe('what is not known is asked', () => {
  test.each<[string, Planted]>([
    ['whether a BOS is added', { unread: true }],
    ['the tokens of a chat', { uncounted: true }],
    ['both', { unread: true, uncounted: true }],
  ])('%s', async (_, planted) => {
    const { proof } = await hidden(planted);
    expect(proof).toMatchObject({ verdict: 'proven-by-count', bosCount: 1, findings: [] });
    expect(proof.requests).toBeLessThanOrEqual(6);
    expect(proof.generatedTokens).toBeLessThanOrEqual(8);
    expect(verdictsOf(proof)).toMatchObject({ 'multi-turn': 'equal-by-count' });
  });

  test('what was measured counts more than what the file says', async () => {
    const { proof, names } = await hidden({ prompting: { addsBos: false }, request: { addsBos: true } });
    expect(names).toEqual(['missing-bos fault']);
    expect(proof.bosCount).toBe(0);
  });
});

describe('a server that tells nothing', () => {
  test('is not provable, and says why', async () => {
    const { proof, names } = await hidden({ prompting: { counts: false } });
    expect(proof).toMatchObject({ verdict: 'not-provable', shapes: [], expected: '' });
    expect(names).toEqual(['not-provable warning']);
    expect(proof.findings[0]).toMatchObject({
      message: expect.stringContaining('neither shows'),
      remedy: expect.stringContaining('0.11.5'),
    });
  });

  test('may still lack a stop token', async () => {
    const { proof, names } = await hidden({ prompting: { counts: false }, stored: { stop: ['<eos>'] } });
    expect(proof.verdict).toBe('differs');
    expect(names).toEqual(['missing-stop fault', 'not-provable warning']);
  });

  test('nor its context and its stop tokens', async () => {
    const planted = { prompting: { counts: false, contextLength: undefined }, stored: { stop: undefined } };
    const { proof, names } = await hidden(planted as never);
    expect(names).toEqual(Array(3).fill('not-provable warning'));
    expect(proof.stop).toEqual([]);
    expect(proof.context).toEqual({ wanted: 512 });
  });
});

test.each(['render', 'countRaw', 'chat', 'loaded'] as const)('what %s throws is thrown', async (method) => {
  const error = new ProvisionError('runtime-died', 'gone');
  await expect(hidden({ uncounted: true, failure: { method, error } })).rejects.toBe(error);
});

test('a context that is too short for a count is told, not thrown', async () => {
  const tooLong = new ProvisionError('bad-usage', 'no room');
  const { proof } = await hidden({ uncounted: true, failure: { method: 'countRaw', error: tooLong } });
  expect(proof.verdict).toBe('not-provable');
  const chat = await hidden({ uncounted: true, failure: { method: 'chat', error: tooLong } });
  expect(chat.proof.verdict).toBe('not-provable');
  expect(verdictsOf(chat.proof)).toEqual({ user: 'unknown', 'multi-turn': 'unknown' });
});

test('a context that may have cut a prompt makes counts of it worthless', async () => {
  const { proof, names } = await hidden({ prompting: { contextLength: 150 }, stored: { contextLength: 150 } });
  expect(proof.verdict).toBe('not-provable');
  expect(names).toEqual(['not-provable warning']);
  expect(verdictsOf(proof)).toEqual({ user: 'equal-by-count', 'multi-turn': 'unknown' });
  const untold = { prompting: { contextLength: undefined }, stored: { contextLength: 150 } } as never;
  expect(verdictsOf((await hidden(untold)).proof)).toMatchObject({ 'multi-turn': 'unknown' });
});

test('pictures are in no raw prompt: such a chat does not count', async () => {
  const counted = { messages: [{ ...USER_TURN[0], images: ['AAAA'] }], promptTokens: 999 } as never;
  const { proof } = await proven({ request: { counted } });
  expect(proof).toMatchObject({ verdict: 'proven-by-count', bosCount: 1, findings: [] });
});

test('a counted conversation of several turns takes the place of the user turn', async () => {
  const messages = [{ role: 'system', content: 'Be kind.' }, ...USER_TURN] as const;
  const promptTokens = 46 + [...'Be kind.\n\n'].length;
  const { proof } = await proven({ request: { counted: { messages, promptTokens } } });
  expect(proof).toMatchObject({ verdict: 'proven', bosCount: 1, requests: 6 });
  expect(Object.keys(verdictsOf(proof))).toEqual(['smoke', 'system-user', 'multi-turn', 'markers']);
});
