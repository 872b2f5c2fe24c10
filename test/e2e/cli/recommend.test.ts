import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Home, makeHome, ROOT } from '../../helpers/cli.ts';

let home: Home;
beforeAll(() => {
  home = makeHome();
});
afterAll(() => home.remove());

const PROFILES = join(ROOT, 'test/fixtures/profiles');
const SMALL_GPU = ['gemma-3n-e4b', '--profile', join(PROFILES, 'nvidia-gtx-1650-4gb.json')];

describe('recommend', () => {
  test('the page is written from the same data, and its path is printed', async () => {
    const file = join(home.path, 'fit.html');
    const { code, data } = await home.json('recommend', [...SMALL_GPU, '--html', file, '--table']);
    expect([code, data?.html]).toEqual([0, file]);
    const page = readFileSync(file, 'utf8');
    for (const { quant } of data?.candidates ?? []) expect(page).toContain(`<h3>${quant}`);
    expect(data?.table?.rows).toHaveLength(15);
    expect(data?.changes.map(({ kind }) => kind)).toContain('free-vram');
  });

  test('a file that this tool did not write is left alone', async () => {
    const file = join(home.path, 'notes.html');
    writeFileSync(file, 'mine');
    expect(await home.json('recommend', [...SMALL_GPU, '--html', file])).toMatchObject({
      code: 2,
      error: { code: 'bad-usage' },
    });
    expect(readFileSync(file, 'utf8')).toBe('mine');
  });

  test('a page is written where nothing fits too', async () => {
    const file = join(home.path, 'none.html');
    const { code } = await home.json('recommend', ['gemma-3n-e4b', '--what-if', 'ram=1GiB,vram=0', '--html', file]);
    expect([code, existsSync(file)]).toEqual([4, true]);
  });

  test('the policy is a flag, a variable and a setting, in this order', async () => {
    const chosen = async (args: readonly string[], env?: Readonly<Record<string, string>>) => {
      const { data } = await home.json('recommend', [...SMALL_GPU, ...args], env === undefined ? {} : { env });
      expect(data?.choice?.picks).toEqual({ best: 'q3_k_l', card: 'q3_k_m' });
      return [data?.choice?.policy, data?.choice?.quant];
    };
    expect(await chosen([])).toEqual(['best', 'q3_k_l']);
    expect(await chosen(['--policy', 'card'])).toEqual(['card', 'q3_k_m']);
    expect(await chosen([], { GEMMA_PROVISION_POLICY: 'card' })).toEqual(['card', 'q3_k_m']);
    const file = join(home.path, 'config/config.json');
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, '{"policy": "card"}');
    expect(await chosen([])).toEqual(['card', 'q3_k_m']);
    expect(await chosen(['--policy', 'best'])).toEqual(['best', 'q3_k_l']);
    writeFileSync(file, '{"policy": "bset"}');
    const wrong = await home.json('recommend', SMALL_GPU);
    expect(wrong).toMatchObject({ code: 2, error: { code: 'bad-configuration' } });
    expect(wrong.error?.message).toContain('policy');
    rmSync(file);
    expect(await home.json('recommend', [...SMALL_GPU, '--policy', 'bset'])).toMatchObject({ code: 2 });
  });

  test('a named quant tells what it means against the choice', async () => {
    const { data } = await home.json('recommend', [...SMALL_GPU, '--quant', 'q2_k']);
    expect(data?.candidates).toHaveLength(1);
    expect(data?.choice?.reasons.join('\n')).toMatch(
      /Without --quant the choice would be \S+; compared with that, q2_k means: /,
    );
  });

  test.each<[string, (profile: Record<string, unknown>) => unknown]>([
    ['an unknown field', (profile) => ({ ...profile, colour: 'red' })],
    ['a negative size', (profile) => ({ ...profile, memory: { total: -1, available: -1, usable: -1 } })],
    [
      'more memory than any machine has',
      (profile) => ({ ...profile, memory: { total: 2 ** 52, available: 1, usable: 1 } }),
    ],
    ['no number', (profile) => ({ ...profile, memory: { total: 'NaN', available: null, usable: 1 } })],
  ])('a profile with %s is refused', async (_what, change) => {
    const profile = JSON.parse(readFileSync(join(PROFILES, 'cpu-only-8gb.json'), 'utf8'));
    const file = join(home.path, 'profile.json');
    writeFileSync(file, JSON.stringify(change(profile)));
    expect(await home.json('recommend', ['--profile', file])).toMatchObject({
      code: 16,
      error: { code: 'bad-profile' },
    });
  });
});
