/** The main job on the embedded runtime, with real inference: install, talk, look, test, remove. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Home, MODELS, makeHome, Q2, Q4 } from '../../helpers/cli.ts';

const NAME = 'tiny-gemma-3n:q4_k_m';
let home: Home;
beforeAll(() => {
  home = makeHome();
});
afterAll(() => home.remove());

describe('one model from nothing to nothing', () => {
  test('a dry run changes nothing and says what would move', async () => {
    const { code, data } = await home.json('install', ['tiny-gemma-3n', '--dry-run']);
    expect(code).toBe(0);
    expect(data).toMatchObject({ dryRun: true, changed: false, name: NAME, bytesMoved: 0 });
    expect(data?.plan.bytesToMove).toBe(3_999_936);
    expect(existsSync(join(home.path, 'data'))).toBe(false);
  });

  test('auto chooses the best available quant, tests it and records it', async () => {
    const { code, ok, data, warnings } = await home.json('install', ['tiny-gemma-3n']);
    expect([code, ok, warnings]).toEqual([0, true, []]);
    expect(data).toMatchObject({ changed: true, name: NAME, quant: 'q4_k_m', bytesMoved: 3_999_936 });
    // On a busy machine the time of an install does not suffice for all of them.
    expect(data?.smoke).toMatchObject({ failed: 0 });
    expect((data?.smoke?.passed ?? 0) + (data?.smoke?.skipped ?? 0)).toBe(20);
    expect(data?.choice.reasons).not.toEqual([]);
  });

  test('the second run moves no byte and says so', async () => {
    const { data } = await home.json('install', ['tiny-gemma-3n']);
    expect(data).toMatchObject({ changed: false, bytesMoved: 0, name: NAME });
    const text = await home.run(['install', 'tiny-gemma-3n']);
    expect(text.stdout).toContain('no byte moved, nothing changed');
  });

  test('answers a prompt, from the argument or from stdin', async () => {
    expect((await home.json('run', [NAME, 'What is 2 + 2?'])).data).toMatchObject({ response: '4', endedBy: 'stop' });
    const piped = await home.run(['run', NAME], { input: 'Reply with exactly OK\n' });
    expect(piped).toMatchObject({ code: 0, stdout: 'OK\n' });
    expect((await home.json('run', [NAME])).error).toMatchObject({ code: 'bad-usage' });
  });

  test('list and show tell what was installed and why', async () => {
    expect((await home.json('list', [])).data?.records.map(({ name }) => name)).toEqual([NAME]);
    const { data } = await home.json('show', [NAME]);
    expect(data?.records[0]).toMatchObject({ name: NAME, quant: 'q4_k_m', template: { name: 'gemma' } });
    const missing = await home.json('show', ['tiny-gemma-3n:q4_k_s']);
    expect(missing).toMatchObject({ code: 3, error: { code: 'record-not-found' } });
    expect(missing.error.suggestions.join(' ')).toContain(NAME);
  });

  test('a suite of our own fails with exit 4 and still says everything', async () => {
    const suite = join(home.path, 'suite.json');
    const check = { id: 'cat', level: 'answers', title: 't', messages: [{ role: 'user', content: 'Who are you?' }] };
    const judges = [{ kind: 'exactly', text: 'I am a cat.' }];
    writeFileSync(suite, JSON.stringify({ schemaVersion: 1, id: 'own', title: 'own', checks: [{ ...check, judges }] }));
    const { code, ok, data } = await home.json('smoke', [NAME, '--suite', suite]);
    expect([code, ok]).toEqual([4, false]);
    expect(data).toMatchObject({ suite: 'own', passed: 0, failed: 1 });
    const bad = await home.json('install', ['tiny-gemma-3n', '--force', '--suite', suite]);
    expect(bad).toMatchObject({ code: 17, error: { code: 'smoke-failed' } });
    expect((await home.json('run', [NAME, 'Who are you?'])).data?.response).toContain('tiny Gemma 3n');
  });

  test('remove takes the model, its bytes and its record away', async () => {
    expect((await home.json('remove', [NAME])).data).toMatchObject({ name: NAME, removedFromRuntime: true });
    expect((await home.json('list', [])).data?.records).toEqual([]);
    expect(readdirSync(join(home.path, 'data/embedded/blobs'))).toEqual([]);
    expect(await home.json('remove', [NAME])).toMatchObject({ code: 3, error: { code: 'record-not-found' } });
  });
});

describe('other ways to say what', () => {
  const fast = ['--no-smoke'];

  test('an explicit quant, in any case', async () => {
    const { data } = await home.json('install', ['tiny-gemma-3n:Q2_K', ...fast]);
    expect(data).toMatchObject({ quant: 'q2_k', name: 'tiny-gemma-3n:q2_k' });
  });

  test('a file says which quant it is, and without MODEL which model', async () => {
    const { data } = await home.json('install', ['tiny-gemma-3n', '--from', Q2, ...fast, '--name', 'by-file']);
    expect(data).toMatchObject({ quant: 'q2_k', name: 'by-file:latest' });
    const other = join(home.path, 'whatever.gguf');
    copyFileSync(Q4, other);
    const nameless = await home.json('install', ['--from', other, ...fast]);
    expect(nameless.data).toMatchObject({ model: 'tiny-gemma-3n', quant: 'q4_k_m', name: NAME });
  });

  test('a folder means the best quant in it', async () => {
    const folder = join(home.path, 'only-q2');
    mkdirSync(folder);
    copyFileSync(Q2, join(folder, 'tiny-gemma-3n-q2_k.gguf'));
    const plan = await home.json('install', ['tiny-gemma-3n', '--from', folder, '--dry-run']);
    expect(plan.data).toMatchObject({ quant: 'q2_k' });
    const best = await home.json('install', ['tiny-gemma-3n', '--from', MODELS, '--dry-run']);
    expect(best.data).toMatchObject({ quant: 'q4_k_m' });
  });

  test('two installs of the same model at once end well with one record', async () => {
    const both = await Promise.all(
      [1, 2].map(() => home.json('install', ['tiny-gemma-3n', ...fast, '--name', 'twin'])),
    );
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    expect(both.map(({ data }) => data?.changed).sort()).toEqual([false, true]);
    const { data } = await home.json('list', []);
    expect(data?.records.filter(({ name }) => name === 'twin:latest')).toHaveLength(1);
  });
});
