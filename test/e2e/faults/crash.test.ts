/** The built command line, killed by itself at every state that a crash can leave: the next run converges. */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CHECKPOINTS } from '../../../src/provision/install/crash.ts';
import { type Home, MODELS, makeHome } from '../../helpers/cli.ts';
import { type Origin, sha256, startOrigin } from '../../helpers/origin.ts';

const NAME = 'crashed:latest';
const OLD = 'tiny-gemma-3n-q2_k.gguf';
const NEW = 'tiny-gemma-3n-q4_k_m.gguf';
/** `FAULT_ROUNDS=20` goes round all checkpoints so many times. */
const ROUNDS = Number(process.env.FAULT_ROUNDS ?? 1);

let home: Home;
let origin: Origin;
const bytes = (file: string) => readFileSync(join(MODELS, file));

beforeAll(async () => {
  home = makeHome();
  origin = await startOrigin({ files: { [`/${OLD}`]: bytes(OLD), [`/${NEW}`]: bytes(NEW) } });
});
afterAll(async () => {
  home.remove();
  await origin.close();
});

const argsFor = (file: string) => [
  ...['--from', `${origin.url}/${file}`, '--digest', sha256(bytes(file)), '--name', NAME, '--runtime', 'embedded'],
  '--no-smoke',
];
const install = (file: string, env: Record<string, string> = {}) => home.json('install', argsFor(file), { env });
const answer = async () => (await home.run(['run', NAME, 'Hi', '--runtime', 'embedded'])).stdout.trim();
const filesIn = (folder: string) => {
  try {
    return readdirSync(join(home.path, folder));
  } catch {
    return [];
  }
};

async function quantNow(): Promise<string[]> {
  const { data } = await home.json('list', []);
  return (data?.records ?? []).map(({ quant }) => quant);
}

describe.each(Array.from({ length: ROUNDS }, (_, round) => round))('round %i', () => {
  test.each(CHECKPOINTS.filter((name) => !['remove', 'forget'].includes(name)))(
    'row 22: killed at %s of an upgrade: the name still answers, and repeating the install completes it',
    { timeout: 120_000 },
    async (checkpoint) => {
      for (const folder of ['data', 'cache']) rmSync(join(home.path, folder), { recursive: true, force: true });
      expect(await install(OLD)).toMatchObject({ code: 0, data: { changed: true } });

      const { child, ended } = home.start(['install', ...argsFor(NEW)], {
        env: { GEMMA_PROVISION_CRASH_AT: checkpoint },
      });
      await ended;
      expect(child.signalCode).toBe('SIGKILL');
      expect(await answer()).not.toBe('');
      expect(['q2_k', 'q4_k_m']).toContain((await quantNow())[0]);

      expect(await install(NEW)).toMatchObject({ code: 0 });
      expect(await quantNow()).toEqual(['q4_k_m']);
      expect(await answer()).not.toBe('');
      expect(filesIn('data/journal')).toEqual([]);
      expect(filesIn('cache/partial')).toEqual([]);
      // The one that answers, and the one that is kept for a rollback.
      expect(filesIn('data/embedded/models')).toHaveLength(2);
      expect(filesIn('data/embedded/blobs')).toHaveLength(2);
      const again = await install(NEW);
      expect(again).toMatchObject({ code: 0, data: { changed: false, bytesMoved: 0 } });
    },
  );

  test.each(['remove', 'forget', 'clean'] as const)(
    'row 22: killed at %s of a removal: repeating the removal completes it',
    { timeout: 120_000 },
    async (checkpoint) => {
      for (const folder of ['data', 'cache']) rmSync(join(home.path, folder), { recursive: true, force: true });
      expect(await install(OLD)).toMatchObject({ code: 0 });
      const remove = ['remove', NAME, '--runtime', 'embedded'];
      await home.start(remove, { env: { GEMMA_PROVISION_CRASH_AT: checkpoint } }).ended;
      await home.run(remove);
      expect(await quantNow()).toEqual([]);
      expect(filesIn('data/embedded/models')).toEqual([]);
      expect(filesIn('data/embedded/blobs')).toEqual([]);
      expect(filesIn('data/journal')).toEqual([]);
    },
  );
});
