/** Two versions under one name, through the built command line: whatever goes wrong, one that was tested answers. */
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Home, makeHome, within } from '../../helpers/cli.ts';
import { type Origin, sha256, startOrigin } from '../../helpers/origin.ts';
import { cached, errorText, FILES, filesUnder, fromOrigin, installOf, NAME, OLD, quantsOf, snapshot } from './host.ts';

const LONG = { timeout: 120_000 };
const PROMPT = 'What is 2 + 2?';
/** The first MiB, which is read for the header before the download begins. */
const HEADER = 'bytes=0-1048575';
const EMBEDDED = ['--runtime', 'embedded'];

let home: Home;
let origin: Origin;
let silent: boolean;

beforeEach(async () => {
  home = makeHome();
  silent = false;
  origin = await startOrigin({
    files: FILES,
    behave: (_, { range }) => (silent && range !== HEADER ? { silent: 200_000 } : {}),
  });
  expect(await installOf(home, fromOrigin(origin.url, '/old.gguf'))).toMatchObject({ code: 0, ok: true });
});
afterEach(async () => {
  home.remove();
  await origin.close();
});

const upgradeArgs = () => fromOrigin(origin.url, '/new.gguf');
const answer = async () => (await home.json('run', [NAME, PROMPT, ...EMBEDDED])).data?.response;
const rollback = (...more: string[]) => home.json('rollback', [NAME, ...EMBEDDED, ...more]);

/** A suite of one check, which the tiny model passes when `reply` is `4`. */
function suiteThatWants(reply: string): string {
  const path = join(home.path, 'suite.json');
  const judges = [{ kind: 'exactly', text: reply }];
  const check = { id: 'adds', level: 'answers', title: 'adds', messages: [{ role: 'user', content: PROMPT }], judges };
  writeFileSync(path, JSON.stringify({ schemaVersion: 1, id: 'own', title: 'own', checks: [check] }));
  return path;
}

/** As the user would for a model that is tested. */
const tested = (reply: string) => [
  ...upgradeArgs().filter((arg) => arg !== '--no-smoke'),
  '--suite',
  suiteThatWants(reply),
];

test(
  'row 44: a new version that fails its smoke test never gets the name: exit 17, and nothing has changed',
  LONG,
  async () => {
    const before = snapshot(home);
    const failed = await installOf(home, tested('I am a cat.'));
    expect(failed, errorText(failed)).toMatchObject({ code: 17, error: { code: 'smoke-failed' } });
    expect(snapshot(home)).toEqual(before);
    expect(await quantsOf(home)).toEqual(['q2_k']);
    expect(await answer()).toBe('4');

    expect(await installOf(home, tested('4'))).toMatchObject({ code: 0, data: { changed: true } });
    expect(await quantsOf(home)).toEqual(['q4_k_m']);
    expect(await answer()).toBe('4');
  },
);

describe('a rollback', () => {
  test(
    'row 44: rolls back and forth between two versions, and a version that fails its test does not get the name',
    LONG,
    async () => {
      await installOf(home, upgradeArgs());
      const before = snapshot(home);
      const failed = await rollback('--suite', suiteThatWants('I am a cat.'));
      expect(failed).toMatchObject({ code: 17, error: { code: 'smoke-failed' } });
      expect(snapshot(home)).toEqual(before);

      expect(await rollback('--suite', suiteThatWants('4'))).toMatchObject({ code: 0, data: { quant: 'q2_k' } });
      expect(await quantsOf(home)).toEqual(['q2_k']);
      expect(await answer()).toBe('4');
      expect(await rollback('--no-smoke')).toMatchObject({ code: 0, data: { quant: 'q4_k_m' } });
      expect(await quantsOf(home)).toEqual(['q4_k_m']);
      expect(filesUnder(home.path, 'data/journal')).toEqual([]);
    },
  );

  test(
    'row 45: the previous version’s file is missing: exit 18, and the current version is unchanged',
    LONG,
    async () => {
      await installOf(home, upgradeArgs());
      rmSync(join(home.path, 'data/embedded/blobs', sha256(OLD).replace(':', '-')));
      const before = snapshot(home);
      const refused = await rollback('--no-smoke');
      expect(refused).toMatchObject({ code: 18, error: { code: 'needs-repair' } });
      expect(refused.error.message).toContain('Nothing was changed');
      expect(refused.error.suggestions.join('\n')).toContain(`install --from ${origin.url}/old.gguf`);
      expect(snapshot(home)).toEqual(before);
      expect(await quantsOf(home)).toEqual(['q4_k_m']);
      expect(await answer()).toBe('4');
    },
  );
});

test(
  'row 46: killed after the create and before the rename: the old model answers, and the next run continues',
  LONG,
  async () => {
    const killed = home.start(['install', ...upgradeArgs()], { env: { GEMMA_PROVISION_CRASH_AT: 'stage' } });
    await killed.ended;
    expect(killed.child.signalCode).toBe('SIGKILL');
    expect(await quantsOf(home)).toEqual(['q2_k']);
    expect(await answer()).toBe('4');

    const next = await installOf(home, upgradeArgs());
    expect(next, errorText(next)).toMatchObject({ code: 0, data: { changed: true, bytesMoved: 0 } });
    expect(next.warnings).toContainEqual(expect.stringContaining('continuing with the staged model'));
    expect(await quantsOf(home)).toEqual(['q4_k_m']);
    expect(filesUnder(home.path, 'data/journal')).toEqual([]);
  },
);

describe('what is not for us to take', () => {
  test('row 49: a model without a record of this tool is neither replaced nor removed', LONG, async () => {
    for (const path of filesUnder(home.path, 'data/registry')) rmSync(join(home.path, path));
    const before = snapshot(home);
    const refused = await installOf(home, upgradeArgs());
    expect(refused, errorText(refused)).toMatchObject({ code: 16, error: { code: 'foreign-model' } });
    expect(errorText(refused)).toContain('--name');
    const kept = await home.json('remove', [NAME, ...EMBEDDED]);
    expect(kept).toMatchObject({ code: 16, error: { code: 'foreign-model' } });
    expect(snapshot(home)).toEqual(before);
    expect(await answer()).toBe('4');
  });

  test(
    'row 49: a removal during an install of the same name waits, then names the run that holds the lock',
    LONG,
    async () => {
      silent = true;
      const running = home.start(['install', ...upgradeArgs()]);
      await expect.poll(() => cached(home).partial.length, { timeout: 30_000 }).toBeGreaterThan(0);
      const refused = await home.json('remove', [NAME, ...EMBEDDED]);
      expect(refused).toMatchObject({ code: 15, error: { code: 'busy' } });
      expect(refused.error.message).toContain(`process ${running.child.pid}`);
      expect(await quantsOf(home)).toEqual(['q2_k']);
      running.child.kill('SIGTERM');
      expect((await within(5000, running.ended)).code).toBe(143);
      expect(readdirSync(join(home.path, 'data/embedded/models'))).toHaveLength(1);
      expect(await home.json('remove', [NAME, ...EMBEDDED])).toMatchObject({ code: 0, ok: true });
      expect(await quantsOf(home)).toEqual([]);
    },
  );
});
