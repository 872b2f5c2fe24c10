/** State of this tool: private, free of secrets, and out of the hands of other users. */

import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Home, makeHome, Q4 } from '../../helpers/cli.ts';
import { type FakeOllama, fakeOllama } from '../../helpers/fake-ollama.ts';
import { filesUnder } from './host.ts';

const LONG = { timeout: 120_000 };
const isRoot = process.getuid?.() === 0;
const STRANGER = 65_533;
const PASSWORD = 'Sup3rSecretPw';

let home: Home;
let server: FakeOllama | undefined;

beforeEach(() => {
  home = makeHome();
});
afterEach(async () => {
  home.remove();
  await server?.close();
  server = undefined;
});

const embedded = ['install', '--from', Q4, '--name', 'm', '--runtime', 'embedded', '--no-smoke', '--accept-license'];

test('row 42: no state file contains the arguments of a run, a released lock contains nothing', LONG, async () => {
  server = await fakeOllama('0.24.0');
  const host = `http://alice:${PASSWORD}@${server.host}`;
  const args = ['install', '--from', Q4, '--name', 'm', '--host', host, '--no-smoke', '--accept-license'];
  const lock = () => filesUnder(home.path, 'data/locks').map((path) => readFileSync(join(home.path, path), 'utf8'));
  await home.run(args, { env: { GEMMA_PROVISION_CRASH_AT: 'ready' } });
  expect(lock()).toEqual([expect.stringContaining('"command":"install"')]);
  expect(lock().join('')).not.toContain('alice');
  expect(await home.run(args)).toMatchObject({ code: 0 });
  expect(lock()).toEqual(['released\n']);
  const texts = filesUnder(home.path, '.').map((path) => readFileSync(join(home.path, path), 'latin1'));
  expect(texts.filter((text) => text.includes(PASSWORD))).toEqual([]);
});

test(
  'row 42: released locks of an earlier version are emptied, and folders that others may read are closed',
  LONG,
  async () => {
    expect(await home.run(embedded)).toMatchObject({ code: 0 });
    for (const folder of ['data', 'data/locks']) chmodSync(join(home.path, folder), 0o755);
    const old = join(home.path, 'data/locks/ollama-other-0123456789.1.lock');
    writeFileSync(old, `released\n341,"command":"install m http://alice:${PASSWORD}@127.0.0.1"}\n`);
    expect(await home.run([...embedded, '--force'])).toMatchObject({ code: 0 });
    expect(readFileSync(old, 'utf8')).toBe('released\n');
    for (const folder of ['data', 'data/locks']) expect(lstatSync(join(home.path, folder)).mode & 0o777).toBe(0o700);
  },
);

test.skipIf(process.platform !== 'linux')('row 47: a home below /proc or a file ends at once', LONG, async () => {
  const below = (path: string) => home.run(embedded, { env: { GEMMA_PROVISION_HOME: path } });
  expect(await below('/proc/gemma-provision')).toMatchObject({ code: 14 });
  const answer = await below(Q4);
  expect(answer.code).toBe(2);
  expect(answer.stderr).toContain(`${Q4} is not a folder`);
});

describe.skipIf(!isRoot)('row 47: root in the home of another user (skipped where not root)', () => {
  let theirs: string;
  let precious: string;

  beforeEach(() => {
    theirs = join(home.path, 'theirs');
    precious = join(home.path, 'important.conf');
    writeFileSync(precious, 'precious');
    mkdirSync(theirs);
    mkdirSync(join(theirs, 'cache'));
    symlinkSync(precious, join(theirs, 'cache/digests.json'));
    for (const path of ['.', 'cache']) chownSync(join(theirs, path), STRANGER, STRANGER);
    lchownSync(join(theirs, 'cache/digests.json'), STRANGER, STRANGER);
  });

  test('an install writes through none of their links, and leaves nothing of root there', LONG, async () => {
    const answer = await home.run(embedded, { env: { GEMMA_PROVISION_HOME: theirs } });
    expect(answer.code).toBe(14);
    expect(answer.stderr).toContain(`${theirs} belongs to #${STRANGER}`);
    expect(readFileSync(precious, 'utf8')).toBe('precious');
    expect(readdirSync(theirs)).toEqual(['cache']);
    expect(readdirSync(join(theirs, 'cache'))).toEqual(['digests.json']);
  });

  test('the compile cache is used only where no other user can put another folder in its place', LONG, async () => {
    const cache = join(theirs, 'cache/compile-cache');
    mkdirSync(cache, { mode: 0o700 });
    expect((await home.run(['--help'], { env: { GEMMA_PROVISION_HOME: theirs } })).code).toBe(0);
    expect(readdirSync(cache)).toEqual([]);
    // That user may do this at any time, with a folder of root as well.
    renameSync(cache, join(theirs, 'cache/aside'));
    expect((await home.run(['--help'])).code).toBe(0);
    expect(existsSync(join(home.path, 'cache/compile-cache'))).toBe(true);
  });
});

test.skipIf(!isRoot)('a user without an entry in the list of users (skipped where not root)', LONG, async () => {
  const path = join(home.path, 'own');
  mkdirSync(path);
  chmodSync(home.path, 0o755);
  chownSync(path, STRANGER, STRANGER);
  const answer = await home.run(embedded, { user: STRANGER, cwd: '/', env: { GEMMA_PROVISION_HOME: path } });
  expect(answer, answer.stderr).toMatchObject({ code: 0 });
});
