import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Home, MODELS, makeHome, ROOT } from '../../helpers/cli.ts';

const FIXTURES = join(ROOT, 'test/fixtures/models');

let home: Home;
let folder: string;
beforeAll(async () => {
  home = makeHome();
  folder = await mkdtemp(join(tmpdir(), 'quality-'));
  for (const from of [FIXTURES, MODELS]) {
    const files = (await readdir(from)).filter((name) => name.endsWith('.gguf'));
    await Promise.all(files.map((name) => copyFile(join(from, name), join(folder, name))));
  }
});
afterAll(async () => {
  home.remove();
  await rm(folder, { recursive: true, force: true });
});

describe('the quality of quants by the probabilities of the engine', () => {
  test('Q8_0, Q4_K_M and Q2_K differ in that order from F16, by more than twice the error', async () => {
    const args = ['tiny-gemma-3n', '--against', 'F16', '--from', folder];
    const { code, data } = await home.json('bench quality', args);
    expect(code).toBe(0);
    const rows = data?.quants ?? [];
    expect(rows.map(({ quant }) => quant)).toEqual(['q8_0', 'q4_k_m', 'q2_k']);
    for (const [index, { divergence, agreement }] of rows.entries()) {
      const better = rows[index - 1];
      if (better === undefined) continue;
      const error = Math.hypot(divergence.error, better.divergence.error);
      expect(divergence.mean - better.divergence.mean).toBeGreaterThan(2 * error);
      expect(agreement.mean).toBeLessThan(better.agreement.mean);
    }
    // A file is no further from itself than from anything else.
    expect(rows[0]?.divergence.mean).toBeGreaterThan(0);
    const kept = JSON.parse(await readFile(join(home.path, 'data/quality.json'), 'utf8'));
    expect(kept.measurements).toHaveLength(3);
    expect(kept.measurements[0]).toMatchObject({ reference: data?.reference.digest, text: data?.text.digest });
    const planned = await home.json('install', ['tiny-gemma-3n:q4_k_m', '--dry-run']);
    expect(planned.data?.choice.reasons).toContainEqual(
      expect.stringMatching(/^this file was measured on .*KL divergence .* from f16, .* of the text that ships/),
    );
    expect(await readdir(join(home.path, 'cache'))).not.toContainEqual(expect.stringMatching(/^scores-/));
  });

  test('the same file is equal to itself; a second run replaces what was recorded', async () => {
    const args = ['tiny-gemma-3n', '--against', 'q8_0', '--quant', 'q2_k', '--positions', '64'];
    for (const _ of [1, 2]) {
      const { data } = await home.json('bench quality', [...args, '--from', folder]);
      expect(data).toMatchObject({ positions: 64, quants: [{ quant: 'q2_k' }] });
    }
    const kept = JSON.parse(await readFile(join(home.path, 'data/quality.json'), 'utf8'));
    expect(kept.measurements).toHaveLength(4);
  });

  test('a quant after the colon is measured alone, in any spelling', async () => {
    const args = ['tiny-gemma-3n:Q4-K-M', '--against', 'Q8-0', '--positions', '64', '--from', folder];
    const { data } = await home.json('bench quality', args);
    expect(data).toMatchObject({ reference: { quant: 'q8_0' } });
    expect(data?.quants.map(({ quant }) => quant)).toEqual(['q4_k_m']);
  });

  test('a single file, a file of another model and one of another quant are not compared', async () => {
    const single = await home.json('bench quality', [
      'tiny-gemma-3n',
      '--from',
      join(folder, 'tiny-gemma-3n-q2_k.gguf'),
    ]);
    expect(single).toMatchObject({ code: 2, error: { code: 'bad-usage' } });
    expect(single.error?.message).toMatch(/q2_k\.gguf is not a folder or repository/);
    const absent = await home.json('bench quality', ['tiny-gemma-3n', '--from', join(folder, 'nope')]);
    expect(absent).toMatchObject({ code: 3, error: { message: expect.stringContaining('nope') } });
    expect(absent.error?.message).not.toContain('there is no file of');

    const other = join(folder, 'other');
    await mkdir(other);
    await copyFile(join(folder, 'tiny-gemma-3n-f16.gguf'), join(other, 'tiny-gemma-3n-f16.gguf'));
    await copyFile(join(folder, 'tiny-gemma-3n-q2_k.gguf'), join(other, 'tiny-gemma-3n-q8_0.gguf'));
    const lying = await home.json('bench quality', ['tiny-gemma-3n', '--from', other]);
    expect(lying).toMatchObject({
      code: 2,
      error: { message: expect.stringContaining('has the quant q2_k, not q8_0') },
    });

    for (const quant of ['f16', 'Q4_K_M'])
      await copyFile(join(folder, 'tiny-gemma-3n-f16.gguf'), join(other, `gemma-3-1b-it-${quant}.gguf`));
    const names = await home.json('bench quality', ['gemma-3-1b', '--quant', 'q4_k_m', '--from', other]);
    expect(names).toMatchObject({ error: { code: 'wrong-architecture' } });
  });

  test('what is to be compared is known before anything is fetched', async () => {
    const none = await home.json('bench quality', ['gemma-3-1b', '--against', 'q8_0', '--offline']);
    expect(none).toMatchObject({ code: 3, error: { message: expect.stringContaining('to compare') } });
    const itself = await home.json('bench quality', ['gemma-3-1b', '--quant', 'f16', '--offline']);
    expect(itself).toMatchObject({ code: 2, error: { message: expect.stringContaining('f16 is the reference') } });
  });

  test('what cannot be compared is told', async () => {
    const run = (...args: string[]) => home.json('bench quality', ['tiny-gemma-3n', ...args]);
    expect(await run('--against', 'q9_9')).toMatchObject({ code: 3, error: { code: 'quant-not-found' } });
    const absent = await run('--from', FIXTURES, '--quant', 'q2_k');
    expect(absent).toMatchObject({ code: 3, error: { code: 'source-not-found' } });
    const short = join(folder, 'short.txt');
    await writeFile(short, 'Hello.');
    const tooShort = await run('--from', folder, '--text', short);
    expect(tooShort).toMatchObject({ code: 2, error: { message: expect.stringContaining('too few to be scored') } });
  });
});
