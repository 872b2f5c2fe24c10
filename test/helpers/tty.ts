/** The built command line on a terminal, which `script` of util-linux makes. */
import { execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { type Home, ROOT } from './cli.ts';

export function hasScript(): boolean {
  try {
    return execFileSync('script', ['--version'], { encoding: 'utf8' }).includes('util-linux');
  } catch {
    return false;
  }
}

/** Runs a command; `keys` are pressed when the screen shows `at`. No argument may need quotes. */
export async function onTerminal(
  home: Home,
  args: readonly string[],
  typed?: { readonly at: string; readonly keys: string },
): Promise<{ readonly code: number | null; readonly screen: string }> {
  const line = [process.execPath, join(ROOT, 'bin/run.js'), ...args].join(' ');
  const { PATH = '', HOME = '' } = process.env;
  const env = { PATH, HOME, GEMMA_PROVISION_HOME: home.path, GEMMA_PROVISION_GPU: 'off', TERM: 'xterm' };
  const child = spawn('script', ['--quiet', '--return', '--command', line, '/dev/null'], { env });
  let screen = '';
  let left = typed;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text;
    if (left === undefined || !screen.includes(left.at)) return;
    child.stdin.write(left.keys);
    left = undefined;
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, screen };
}
