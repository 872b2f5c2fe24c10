/** Many processes, signals and a network that is gone, through the built command line. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Home, makeHome, Q2, Q4, within } from '../../helpers/cli.ts';
import { type Behaviour, type Origin, sha256, startOrigin } from '../../helpers/origin.ts';

const NAME = 'together:latest';
const q2 = readFileSync(Q2);
const q4 = readFileSync(Q4);
/** A file of 3.3 MiB takes two seconds. */
const SLOW: Behaviour = { bytesPerSecond: 1_700_000 };

let home: Home;
let origin: Origin;
let behave: () => Behaviour;

beforeEach(async () => {
  home = makeHome();
  behave = () => ({});
  origin = await startOrigin({ files: { '/q2.gguf': q2, '/q4.gguf': q4 }, behave: () => behave() });
});
afterEach(async () => {
  home.remove();
  await origin.close();
});

const from = (file: 'q2' | 'q4', ...more: string[]) => [
  ...['install', '--from', `${origin.url}/${file}.gguf`, '--digest', sha256(file === 'q2' ? q2 : q4)],
  ...['--name', NAME, '--runtime', 'embedded', '--json', ...more],
];
const recorded = async () => (await home.json('list', [])).data?.records.map(({ quant }) => quant);
const files = (folder: string): string[] => {
  try {
    return readdirSync(join(home.path, folder));
  } catch {
    return [];
  }
};
/** Bytes of the model that went over the network, without those of its header. */
const bodies = () => origin.requests.filter(({ method, sent }) => method === 'GET' && sent > 2_000_000);

test('row 26: of 20 processes that install one model, one downloads it, and the others wait or report the lock', {
  timeout: 240_000,
}, async () => {
  const ended = await Promise.all(Array.from({ length: 20 }, () => home.run(from('q2', '--no-smoke'))));
  expect(ended.filter(({ code }) => code === 0).length).toBeGreaterThan(0);
  for (const { code, stdout } of ended) expect([0, 15], stdout).toContain(code);
  const fetched = origin.requests.filter(({ method }) => method === 'GET').reduce((sum, { sent }) => sum + sent, 0);
  // The file once, and at most its first MiB for the header that each of the 20 may read.
  expect(fetched).toBeLessThan(q2.length + 20 * 1_100_000);
  expect(bodies().length).toBeLessThanOrEqual(1);
  expect(await recorded()).toEqual(['q2_k']);
  expect(files('cache/blobs')).toHaveLength(1);
  expect(files('cache/partial')).toEqual([]);
  expect(files('data/journal')).toEqual([]);
});

test('row 16: a cached file installs without a network', { timeout: 120_000 }, async () => {
  expect((await home.run(from('q2', '--no-smoke'))).code).toBe(0);
  expect((await home.run(['remove', NAME, '--runtime', 'embedded'])).code).toBe(0);
  const args = from('q2', '--no-smoke');
  await origin.close();
  const again = await home.run(args);
  expect(again.code, again.stdout).toBe(0);
  expect(await recorded()).toEqual(['q2_k']);
});

test('row 2: a download that never recovers is exit 10, its bytes are kept, and the next run continues from there', {
  timeout: 240_000,
}, async () => {
  expect((await home.run(from('q2', '--no-smoke'))).code).toBe(0);
  const before = origin.sentBytes();
  // The header comes, and a part of the rest; then nothing more, ever.
  behave = () => ({ cutAfter: origin.sentBytes() - before < 2_000_000 ? 1_500_000 : 0 });
  const cut = await home.run(from('q4', '--no-smoke'));
  behave = () => ({});
  expect(cut.code, cut.stdout).toBe(10);
  expect(cut.stdout).toContain('127.0.0.1');
  expect(await recorded()).toEqual(['q2_k']);
  expect((await home.run(from('q4', '--no-smoke'))).code).toBe(0);
  // Every cut costs at most 1 MiB again.
  expect(origin.sentBytes() - before).toBeLessThan(q4.length + origin.requests.length * 1_048_576);
  expect(await recorded()).toEqual(['q4_k_m']);
  expect(files('cache/partial')).toEqual([]);
});

test('rows 6 and 7: right size, wrong bytes: exit 11, the old one answers, nothing is left of them', {
  timeout: 120_000,
}, async () => {
  expect((await home.run(from('q2', '--no-smoke'))).code).toBe(0);
  behave = () => ({ flip: [3_000_000] });
  const wrong = await home.run(from('q4', '--no-smoke'));
  expect(wrong.code, wrong.stdout).toBe(11);
  expect(wrong.stdout).toContain(sha256(q4));
  expect(await recorded()).toEqual(['q2_k']);
  expect(files('cache/partial')).toEqual([]);
  expect(files('cache/blobs')).toHaveLength(1);
});

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)(
  'row 28: %s during a download ends it at once, the old model answers, and the next run continues',
  { timeout: 120_000 },
  async (signal, code) => {
    expect((await home.run(from('q2', '--no-smoke'))).code).toBe(0);
    behave = () => SLOW;
    const { child, ended } = home.start(from('q4', '--no-smoke'));
    await expect.poll(() => files('cache/partial').length, { timeout: 20_000 }).toBeGreaterThan(0);
    child.kill(signal);
    // 2 s, and as much again for a machine that is busy with other tests.
    expect((await within(4000, ended)).code).toBe(code);
    expect(await recorded()).toEqual(['q2_k']);
    behave = () => ({});
    const again = await home.run(from('q4', '--no-smoke'));
    expect(again.code, again.stdout).toBe(0);
    expect(await recorded()).toEqual(['q4_k_m']);
    expect(files('cache/partial')).toEqual([]);
    expect(files('data/journal')).toEqual([]);
  },
);
