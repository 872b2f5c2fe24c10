/** The built command line on hosts whose clock is wrong by decades, beside one whose clock is right. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Ended, type Home, makeHome, ROOT } from '../../helpers/cli.ts';
import { type Origin, startOrigin } from '../../helpers/origin.ts';
import { cached, FILES, fromOrigin, NEW, quantsOf } from './host.ts';

const missing = spawnSync('faketime', ['--version']).error === undefined ? undefined : 'faketime is not on the PATH';

let home: Home;
let origin: Origin;
let slow = true;

beforeEach(async () => {
  home = makeHome();
  slow = true;
  origin = await startOrigin({ files: FILES, behave: () => (slow ? { bytesPerSecond: 1_000_000 } : {}) });
});
afterEach(async () => {
  home.remove();
  await origin.close();
});

const args = () => ['install', ...fromOrigin(origin.url, '/new.gguf'), '--json'];

/** As `home.run`, with the wall clock at another time; time passes as it does. */
function runAt(time: string): Promise<Ended> {
  const env = {
    ...{ PATH: process.env.PATH, HOME: process.env.HOME, GEMMA_PROVISION_HOME: home.path, OLLAMA_HOST: '127.0.0.1:1' },
    ...{ GEMMA_PROVISION_GPU: 'off', GEMMA_PROVISION_THREADS: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' },
  };
  const command = [time, process.execPath, join(ROOT, 'bin/run.js'), ...args()];
  return endOf(spawn('faketime', ['-f', ...command], { env, cwd: home.path, stdio: ['ignore', 'pipe', 'pipe'] }));
}

function endOf(child: ChildProcess): Promise<Ended> {
  const pieces = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    pieces.stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    pieces.stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...pieces }));
  });
}

const bodies = () => origin.requests.filter(({ method, sent }) => method === 'GET' && sent > 2_000_000);

describe.skipIf(missing !== undefined)(`a wrong clock${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  test.each([
    ['ten years ahead', '+10y'],
    ['in 1970', '@1970-01-02 00:00:00'],
  ])('row 48: %s: the lock of a live run is not taken over', { timeout: 120_000 }, async (_, time) => {
    const right = home.start(args()).ended;
    await expect.poll(() => cached(home).partial.length, { timeout: 30_000 }).toBeGreaterThan(0);
    const wrong = await runAt(time);
    expect([0, 15], wrong.stdout).toContain(wrong.code);
    const first = await right;
    expect(first.code, first.stdout).toBe(0);
    expect(bodies()).toHaveLength(1);
    expect(await quantsOf(home)).toEqual(['q4_k_m']);
    expect(cached(home)).toEqual({ partial: [], blobs: [NEW.length] });
  });

  test.each([
    ['ten years ahead', '+10y'],
    ['in 1970', '@1970-01-02 00:00:00'],
  ])('row 48: %s: the lock of a dead run is taken over at once', { timeout: 120_000 }, async (_, time) => {
    const dead = home.start(args());
    await expect.poll(() => cached(home).partial.length, { timeout: 30_000 }).toBeGreaterThan(0);
    dead.child.kill('SIGKILL');
    await dead.ended;
    slow = false;
    const began = performance.now();
    const next = await runAt(time);
    expect(next.code, next.stdout).toBe(0);
    // Not one time limit of the lock ran out: the shortest is 15 s.
    expect(performance.now() - began).toBeLessThan(15_000);
    expect(await quantsOf(home)).toEqual(['q4_k_m']);
    expect(cached(home)).toEqual({ partial: [], blobs: [NEW.length] });
  });
});
