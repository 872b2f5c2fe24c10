/** `gc` through the command line, on the embedded runtime, after installs that were killed. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Home, makeHome } from '../../helpers/cli.ts';

const NAME = 'tiny-gemma-3n:q4_k_m';
const INSTALL = ['tiny-gemma-3n', '--no-smoke'];
let home: Home;

beforeEach(() => {
  home = makeHome();
});
afterEach(() => home.remove());

function blobs(): string[] {
  const folder = join(home.path, 'data/embedded/blobs');
  return existsSync(folder) ? readdirSync(folder) : [];
}

async function killed(checkpoint: string, args: readonly string[] = INSTALL): Promise<void> {
  const { code } = await home.run(['install', ...args], { env: { GEMMA_PROVISION_CRASH_AT: checkpoint } });
  expect(code).not.toBe(0);
}

test('row 22: what an install killed in its transfer left is shown, then removed', async () => {
  await killed('blob');
  expect(blobs()).toHaveLength(1);
  const shown = await home.json('gc', []);
  expect(shown).toMatchObject({ code: 0, ok: true, data: { applied: false, removed: 0 } });
  expect(shown.data?.items.map(({ kind }) => kind)).toEqual(['journal', 'stored-file']);
  expect(shown.data?.reclaimableBytes).toBeGreaterThan(3_900_000);
  expect(blobs()).toHaveLength(1);
  expect((await home.json('gc', ['--apply'])).data).toMatchObject({ applied: true, removed: 2 });
  expect([blobs(), readdirSync(join(home.path, 'data/journal'))]).toEqual([[], []]);
  expect((await home.run(['gc'])).stdout).toBe('There are no leftovers.\n');
});

test('row 22: what the next run can complete is reported and kept, and that run completes it', async () => {
  await killed('stage');
  const { data } = await home.json('gc', ['--apply']);
  expect(data?.items).toEqual([]);
  expect(data?.notes).toContain(`The install of ${NAME} was interrupted; the next run on it completes it.`);
  expect(blobs()).toHaveLength(1);
  expect(await home.json('install', INSTALL)).toMatchObject({ code: 0, data: { changed: true } });
  expect((await home.json('gc', [])).data).toMatchObject({ items: [], notes: [] });
});

test('--previous gives up the version that is kept for a rollback, and says so', async () => {
  await home.json('install', [...INSTALL, '--quant', 'q2_k', '--name', 'mine']);
  await home.json('install', [...INSTALL, '--quant', 'q4_k_m', '--name', 'mine', '--force']);
  expect(blobs()).toHaveLength(2);
  expect((await home.json('gc', ['--apply'])).data?.items).toEqual([]);
  const offered = await home.json('gc', ['--previous']);
  expect(offered.data?.items).toMatchObject([{ kind: 'previous-version' }]);
  expect(offered.data?.items[0]?.reason).toContain('rollback of mine:latest');
  expect((await home.json('gc', ['--previous', '--apply'])).data).toMatchObject({ removed: 1 });
  expect(blobs()).toHaveLength(1);
  expect((await home.json('show', ['mine'])).data?.records[0]?.previous?.keptAs).toBeUndefined();
  const back = await home.json('rollback', ['mine', '--no-smoke']);
  expect([back.ok, back.code === 0]).toEqual([false, false]);
  expect(blobs()).toHaveLength(1);
});
