import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Home, makeHome, Q2, ROOT } from '../../helpers/cli.ts';
import { type FakeOllama, fakeOllama } from '../../helpers/fake-ollama.ts';
import { hasScript, onTerminal } from '../../helpers/tty.ts';

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

describe('hostile text', () => {
  const HOSTILE = 'hi \u001b]0;PWNED\u0007\u001b[31mRED\u202eevil';
  const CONTROL = /(?![\t\n])\p{Cc}|\p{Bidi_Control}/u;
  let server: FakeOllama;
  beforeAll(async () => {
    server = await fakeOllama('0.31.2');
    server.answer = () => HOSTILE;
    await home.run([
      'install',
      '--from',
      Q2,
      '--name',
      'hostile',
      '--accept-license',
      '--no-smoke',
      '--host',
      server.host,
    ]);
  });
  afterAll(() => server.close());

  test.skipIf(!hasScript())('of a model does not reach a terminal', async () => {
    const { code, screen } = await onTerminal(home, ['run', 'hostile', 'hello', '--host', server.host]);
    expect([code, screen]).toEqual([0, 'hi REDevil\r\n']);
  });

  test('of a model reaches a pipe unchanged', async () => {
    expect((await home.run(['run', 'hostile', 'hello', '--host', server.host])).stdout).toBe(`${HOSTILE}\n`);
  });

  test('of a model is escaped in JSON', async () => {
    const { stdout } = await home.run(['run', 'hostile', 'hello', '--host', server.host, '--json']);
    expect(JSON.parse(stdout).data.response).toBe(HOSTILE);
    expect(stdout).not.toMatch(CONTROL);
  });

  test('of a file name, a catalog and a profile is not printed', async () => {
    const folder = join(home.path, '\u001b]0;PWNED\u0007');
    await mkdir(folder);
    const model = join(folder, '\u001b[31mRED\u202em.gguf');
    await copyFile(Q2, model);
    const catalog = join(folder, 'catalog.json');
    await writeFile(catalog, JSON.stringify({ schemaVersion: 1, id: HOSTILE, [HOSTILE]: 1 }));
    const profile = join(folder, 'profile.json');
    const { data } = await home.json('hardware', []);
    await writeFile(profile, JSON.stringify({ ...data?.profile, warnings: [HOSTILE] }));
    for (const args of [
      ['install', '--from', model, '--name', 'file', '--accept-license', '--no-smoke', '--host', server.host],
      ['catalog', 'validate', catalog],
      ['recommend', 'tiny-gemma-3n', '--profile', profile],
    ]) {
      const { stdout, stderr } = await home.run(args);
      expect(stdout + stderr).not.toMatch(CONTROL);
    }
  });
});
