/** The built command line, stopped at moments that it does not choose: by a signal, or killed in a download. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Home, makeHome, within } from '../../helpers/cli.ts';
import { type Behaviour, type Origin, startOrigin } from '../../helpers/origin.ts';
import {
  cached,
  FILES,
  filesUnder,
  fromOrigin,
  installOf,
  NEW,
  quantsOf,
  type Snapshot,
  snapshot,
  withOldModel,
} from './host.ts';

const LONG = { timeout: 120_000 };
const MIB = 1024 ** 2;
/** The promise is 2 s; a machine that is busy with other tests is given more. */
const STOP_MS = 5000;
/** All kills come before the file is whole, and cost more than is allowed when nothing is gone on from. */
const KILLS = 2;
const KILL_AFTER_BYTES = 1_500_000;
const KILL_SPREAD_BYTES = 200_000;

let home: Home;
let origin: Origin;
let behave: Behaviour;
let before: Snapshot;

beforeEach(async () => {
  home = makeHome();
  behave = {};
  origin = await startOrigin({ files: FILES, behave: () => behave });
  before = await withOldModel(home);
});
afterEach(async () => {
  home.remove();
  await origin.close();
});

const args = () => fromOrigin(origin.url, '/new.gguf');
/** With the whole smoke suite, which takes long enough to be met. */
const testedArgs = () => args().filter((arg) => arg !== '--no-smoke');

/** Steps that the journals of a home speak of. */
function steps(): string[] {
  return filesUnder(home.path, 'data/journal').flatMap((path) => {
    try {
      return [JSON.parse(readFileSync(join(home.path, path), 'utf8')).step as string];
    } catch {
      // Just replaced, or just removed.
      return [];
    }
  });
}

async function converges(): Promise<void> {
  behave = {};
  expect(await installOf(home, args())).toMatchObject({ code: 0, ok: true });
  expect(await quantsOf(home)).toEqual(['q4_k_m']);
  expect(cached(home)).toEqual({ partial: [], blobs: [NEW.length] });
  expect(filesUnder(home.path, 'data/journal')).toEqual([]);
}

describe.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s', (signal, code) => {
  test('row 28: stopped during a request to a server: it ends at once and nothing has changed', LONG, async () => {
    behave = { silent: 'no-headers' };
    const { child, ended } = home.start(['install', ...args()]);
    await expect.poll(() => origin.requests.length, { timeout: 30_000 }).toBe(1);
    child.kill(signal);
    expect((await within(STOP_MS, ended)).code).toBe(code);
    expect(snapshot(home)).toEqual(before);
    await converges();
  });

  test(
    'row 28: stopped in a smoke test: it ends at once, the old model is unchanged, and the next run continues',
    LONG,
    async () => {
      const { child, ended } = home.start(['install', ...testedArgs()]);
      await expect.poll(steps, { timeout: 30_000, interval: 10 }).toEqual(['prove']);
      child.kill(signal);
      expect((await within(STOP_MS, ended)).code).toBe(code);
      expect(await quantsOf(home)).toEqual(['q2_k']);
      // What could not be taken back in the short time is in the journal, for the next run.
      if (steps().length === 0) expect(snapshot(home)).toEqual(before);
      await converges();
    },
  );
});

test(`row 22: killed ${KILLS} times in a download, somewhere: each costs at most 1 MiB again`, LONG, async () => {
  for (let kill = 1; kill <= KILLS; kill += 1) {
    behave = { bytesPerSecond: 400_000 };
    const until = fileBytes() + KILL_AFTER_BYTES + Math.random() * KILL_SPREAD_BYTES;
    const { child, ended } = home.start(['install', ...args()]);
    await expect.poll(fileBytes, { timeout: 60_000, interval: 10 }).toBeGreaterThanOrEqual(until);
    child.kill('SIGKILL');
    await ended;
    expect(child.signalCode).toBe('SIGKILL');
    expect(snapshotWithoutJournal()).toEqual(before);
    expect(cached(home).blobs).toEqual([]);
  }
  await converges();
  // Started from 0 each time, it would be the file and KILLS times what came before the kill.
  expect(fileBytes()).toBeLessThanOrEqual(NEW.length + KILLS * MIB);
});

/** Bytes of the file that were sent so far, without its first MiB, which is read for the header before the download. */
function fileBytes(): number {
  const bodies = origin.requests.filter(({ range }) => range !== `bytes=0-${MIB - 1}`);
  return bodies.reduce((sum, { sent }) => sum + sent, 0);
}

function snapshotWithoutJournal(): Snapshot {
  return Object.fromEntries(Object.entries(snapshot(home)).filter(([path]) => !path.startsWith('data/journal/')));
}
