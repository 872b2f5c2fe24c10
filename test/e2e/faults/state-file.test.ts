/** Killed, or failed by the kernel, at every system call that writes a state file: the old text is there, or the new one. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const CHILD = join(import.meta.dirname, 'state-child.ts');
const OLD = '{"old":true}\n';
const NEW = `{"new":"${'x'.repeat(20_000)}"}\n`;
/** One thread of the pool makes all file calls, so that counting them per thread counts them all. */
const env = { PATH: process.env.PATH, UV_THREADPOOL_SIZE: '1', NODE_NO_WARNINGS: '1' };

/** Why strace cannot be used here: not installed, or tracing is forbidden (some containers). */
function noStrace(): string | undefined {
  const tried = spawnSync('strace', ['-qq', '-o', '/dev/null', 'true']);
  if (tried.error !== undefined) return 'strace is not on the PATH';
  return tried.status === 0 ? undefined : 'tracing is forbidden here';
}
const missing = noStrace();

let folder: string;
let path: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'state-'));
  path = join(folder, 'state.json');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Outcome {
  readonly killed: boolean;
  readonly code: number | null;
  readonly output: string;
  readonly text: string;
}

/** Writes NEW over OLD while the kernel does `fault` at the `when`-th `call` of a thread. */
function writeWith(call: string, fault: string, when: number): Outcome {
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
  writeFileSync(path, OLD);
  const inject = `inject=${call}:${fault}:when=${when}`;
  const strace = ['-f', '-qq', '-o', '/dev/null', '-e', `trace=${call}`, '-e', inject];
  const run = spawnSync('strace', [...strace, process.execPath, CHILD, path, NEW], {
    env,
    encoding: 'utf8',
    timeout: 30_000,
  });
  const killed = run.signal !== null || (run.status ?? 0) > 128;
  return { killed, code: run.status, output: run.stdout, text: readFileSync(path, 'utf8') };
}

/** Faults at the first call, the second, … until the write came through untouched, `most` times at most. */
function everyTime(call: string, fault: string, most = 16): Outcome[] {
  const outcomes: Outcome[] = [];
  for (let when = 1; when <= most; when += 1) {
    const outcome = writeWith(call, fault, when);
    outcomes.push(outcome);
    if (!outcome.killed && outcome.code === 0) break;
  }
  return outcomes;
}

describe.skipIf(missing !== undefined)(`a state file${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  test.each(['write', 'fsync', 'rename'])(
    'row 23: killed at any %s, the file is the complete old or new text',
    { timeout: 240_000 },
    (call) => {
      const outcomes = everyTime(call, 'signal=KILL');
      expect(outcomes.length).toBeGreaterThan(1);
      for (const { text } of outcomes) expect([OLD, NEW]).toContain(text);
      expect(outcomes.filter(({ killed }) => killed)).not.toEqual([]);
      // Node writes to itself as well, more often than is worth waiting for.
      if (call !== 'write') expect(outcomes.at(-1)).toMatchObject({ killed: false, code: 0, text: NEW });
    },
  );

  test('row 24: an fsync that fails is reported, and the file is complete: old before the rename, new after it', {
    timeout: 120_000,
  }, () => {
    const [file, afterRename] = everyTime('fsync', 'error=EIO');
    expect(file).toMatchObject({ killed: false, code: 14, output: 'file-access', text: OLD });
    expect(afterRename).toMatchObject({ killed: false, code: 14, output: 'file-access', text: NEW });
  });

  test('row 24: a rename that fails is reported, and the old text stays', { timeout: 60_000 }, () => {
    expect(writeWith('rename', 'error=EROFS', 1)).toMatchObject({ code: 14, output: 'file-access', text: OLD });
    expect(readdirSync(folder)).toEqual(['state.json']);
  });
});
