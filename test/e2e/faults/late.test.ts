/** A signal, and a disk that takes longer to remove a file than the time that is left then. strace makes it slow. */
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { makeHome, ROOT } from '../../helpers/cli.ts';
import { sha256 } from '../../helpers/origin.ts';
import { filesUnder, installOf, NEW } from './host.ts';

const hasStrace = spawnSync('strace', ['-qq', '-o', '/dev/null', 'true']).status === 0;
const SLOW_MICROSECONDS = 4_000_000;

const home = makeHome();
afterAll(() => home.remove());

test.skipIf(!hasStrace)(
  'row 28: what a signal leaves no time to roll back is reported, and the next run does it',
  async () => {
    const blob = join(home.path, 'data/embedded/blobs', sha256(NEW).replace(':', '-'));
    const slow = `inject=unlink,unlinkat,rmdir:delay_enter=${SLOW_MICROSECONDS}`;
    const strace = ['-D', '-f', '-qq', '-o', '/dev/null', '-P', blob, '-e', 'trace=unlink,unlinkat,rmdir', '-e', slow];
    const args = ['install', 'tiny-gemma-3n', '--runtime', 'embedded', '--accept-license'];
    const { PATH = '', HOME = '' } = process.env;
    const env = { PATH, HOME, GEMMA_PROVISION_HOME: home.path, OLLAMA_HOST: '127.0.0.1:1', GEMMA_PROVISION_GPU: 'off' };
    const child = spawn('strace', [...strace, process.execPath, join(ROOT, 'bin/run.js'), ...args], { env });
    let stderr = '';
    let sent = false;
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      if (sent || !stderr.includes('› Smoke test')) return;
      sent = true;
      child.kill('SIGINT');
    });
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    expect(code).toBe(130);
    expect(stderr).toContain('stopped by SIGINT before everything could be rolled back: a journal has what is left');
    expect(filesUnder(home.path, 'data/journal')).toHaveLength(1);

    expect(await installOf(home, ['tiny-gemma-3n', '--runtime', 'embedded', '--no-smoke'])).toMatchObject({ code: 0 });
    expect(filesUnder(home.path, 'data/journal')).toEqual([]);
  },
);
