/** What the built command line does when a server feeds a model another prompt than it was trained with. */
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Home } from '../../helpers/cli.ts';
import { type FakeOllama, fakeOllama } from '../../helpers/fake-ollama.ts';
import { homeWithOllama } from '../../helpers/home-with-ollama.ts';

const NAME = 'tiny-gemma-3n:q4_k_m';
let home: Home;
let ollama: FakeOllama;
beforeEach(async () => {
  const setup = await homeWithOllama();
  ({ home, ollama } = setup);
  return setup.remove;
});

function install(...args: string[]) {
  return home.json('install', ['tiny-gemma-3n', '--host', ollama.host, ...args]);
}

/** Makes the server wrong from now on: what it feeds is rewritten. */
function spoil(rewrite: (prompt: string) => string): void {
  const { prompt } = ollama;
  ollama.prompt = (messages) => rewrite(prompt(messages));
}

const DEFECTS: readonly (readonly [string, (prompt: string) => string, string])[] = [
  ['double-bos', (prompt) => `<bos>${prompt}`, '<bos><bos>'],
  ['wrong-role', (prompt) => prompt.replaceAll('<start_of_turn>model', '<start_of_turn>assistant'), 'assistant'],
  ['system-lost', (prompt) => prompt.replace(/user\n[^<]*\n\n(?=[^<]*<end)/, 'user\n'), ''],
  ['template-differs', (prompt) => prompt.replaceAll('<start_of_turn>', '<|im_start|>'), '<|im_start|>'],
];

describe('install', () => {
  test('proves the prompt, records the verdict, and does not ask again', async () => {
    const first = await install();
    expect(first.data?.prompt).toMatchObject({ verdict: 'proven', bosCount: 1, stop: ['<end_of_turn>'], findings: [] });
    expect(first.data?.record?.prompt).toMatchObject({ verdict: 'proven', winner: 'template' });
    expect(first.data?.prompt?.requests).toBeLessThanOrEqual(6);
    const chats = ollama.count('POST /api/chat');
    expect(await install()).toMatchObject({ code: 0, data: { changed: false } });
    expect(ollama.count('POST /api/chat')).toBe(chats);
  });

  test.each(DEFECTS)('%s is exit 17 by that name, and nothing stays behind', async (id, rewrite) => {
    spoil(rewrite);
    const result = await install();
    expect(result).toMatchObject({ code: 17, error: { code: 'prompt-differs', exitCode: 17 } });
    expect(result.error.message).toContain(`${id}: `);
    expect([...ollama.models]).toEqual([]);
    expect((await home.json('list', [])).data?.records).toEqual([]);
  });

  test('what nobody asked to be tested is not proven either', async () => {
    spoil((prompt) => `<bos>${prompt}`);
    expect(await install('--no-smoke')).toMatchObject({ code: 0, data: { changed: true } });
  });
});

describe('smoke --proof', () => {
  test.each(DEFECTS)('%s is exit 4 with the exact difference', async (id, rewrite, shown) => {
    await install();
    spoil(rewrite);
    const result = await home.json('smoke', [NAME, '--proof']);
    expect(result).toMatchObject({ code: 4, ok: false, data: { failed: 0, prompt: { verdict: 'differs' } } });
    const { findings = [], shapes = [] } = result.data?.prompt ?? {};
    expect(findings.map((finding) => finding.id)).toContain(id);
    const different = shapes.find(({ difference }) => difference !== undefined);
    expect(different).toMatchObject({ verdict: 'differs' });
    expect(different?.difference?.effective).not.toBe(different?.difference?.expected);
    expect(different?.effective).toContain(shown);
  });

  test('a lost stop token is reported', async () => {
    await install();
    const model = ollama.models.get(NAME);
    if (model) ollama.models.set(NAME, { ...model, parameters: { ...model.parameters, stop: [] } });
    const result = await home.json('smoke', [NAME, '--proof']);
    expect(result).toMatchObject({ code: 4, data: { prompt: { verdict: 'differs', stop: [] } } });
    expect(result.data?.prompt?.findings).toContainEqual(expect.objectContaining({ id: 'missing-stop' }));
  });

  test('without --proof nothing is said of the prompt', async () => {
    await install();
    const result = await home.json('smoke', [NAME]);
    expect(result).toMatchObject({ code: 0, data: { passed: 20 } });
    expect(result.data?.prompt).toBeUndefined();
  });

  test('a server that shows no prompt is proven by its counts, or says that it is not', async () => {
    await ollama.close();
    ollama = await fakeOllama('0.10.0');
    onTestFinished(ollama.close);
    await install();
    const counted = await home.json('smoke', [NAME, '--proof']);
    expect(counted).toMatchObject({ code: 0, data: { prompt: { verdict: 'proven-by-count', bosCount: 1 } } });
    spoil((prompt) => `<bos>${prompt}`);
    const longer = await home.json('smoke', [NAME, '--proof']);
    expect(longer).toMatchObject({ code: 4, data: { prompt: { verdict: 'differs' } } });
    // One token more: the template that the server shows has no BOS, so nobody can say that it is one.
    expect(longer.data?.prompt?.findings).toContainEqual(expect.objectContaining({ id: 'token-count-differs' }));
  });
});

test('smoke says what got worse since the install', async () => {
  await install();
  expect((await home.json('smoke', [NAME])).data?.baseline).toMatchObject({ changes: [], regressions: [] });
  const { answer } = ollama;
  ollama.answer = (prompt) => (/France/.test(prompt) ? 'The capital of France is Rome.' : answer(prompt));
  const worse = await home.json('smoke', [NAME]);
  expect(worse.code).toBe(4);
  expect(worse.data?.baseline?.regressions).toContainEqual(
    expect.objectContaining({ kind: 'failed', weight: 'worse', check: 'capital' }),
  );
});
