import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type Home, makeHome, ROOT } from '../../helpers/cli.ts';

const home: Home = makeHome();
afterAll(() => home.remove());

function start(
  args: readonly string[],
  stdout: 'pipe' | number,
): { child: ChildProcess; ended: Promise<number | null> } {
  const { PATH = '', HOME = '' } = process.env;
  const env = { PATH, HOME, GEMMA_PROVISION_HOME: home.path, OLLAMA_HOST: '127.0.0.1:1', GEMMA_PROVISION_GPU: 'off' };
  const child = spawn(process.execPath, [join(ROOT, 'bin/run.js'), ...args], {
    env,
    stdio: ['ignore', stdout, 'pipe'],
  });
  return { child, ended: new Promise((resolve) => child.once('close', resolve)) };
}

describe.skipIf(!existsSync('/dev/full'))('row 20: a full disk behind stdout', () => {
  test.each([
    ['catalog', 'list'],
    ['catalog', 'list', '--json'],
    ['completion', 'bash'],
    ['install', '--help'],
    ['bogus', '--json'],
  ])('%s %s ends with 12 and one line', async (...args) => {
    const full = openSync('/dev/full', 'w');
    const { child, ended } = start(args, full);
    closeSync(full);
    let stderr = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    expect(await ended).toBe(12);
    expect(stderr).toBe('Error: The answer cannot be written to standard output: the disk is full.\n');
  });
});

test('an install goes on when nobody reads its progress any more', async () => {
  const args = ['install', 'tiny-gemma-3n', '--runtime', 'embedded', '--accept-license', '--no-smoke'];
  const { child, ended } = start(args, 'pipe');
  child.stdout?.resume();
  child.stderr?.once('data', () => child.stderr?.destroy());
  expect(await ended).toBe(0);
  expect((await home.run(['list'])).stdout).toContain('tiny-gemma-3n:q4_k_m');
  expect((await home.run(['gc'])).stdout).toContain('There are no leftovers.');
});
