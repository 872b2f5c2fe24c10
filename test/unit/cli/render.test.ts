import { Writable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { completionScript } from '../../../src/cli/completion.ts';
import { failureOf } from '../../../src/cli/failure.ts';
import { createOutput, printable } from '../../../src/cli/output.ts';
import { failureText } from '../../../src/cli/render/failure.ts';
import { barText, progressRenderer } from '../../../src/cli/render/progress.ts';
import { pairs, table } from '../../../src/cli/render/table.ts';
import { installRequest, settingsOf } from '../../../src/cli/requests.ts';
import { paint, type Terminal } from '../../../src/cli/terminal.ts';
import { ProvisionError } from '../../../src/core/errors.ts';
import { isAbort } from '../../../src/core/failure.ts';
import { GIB, MIB } from '../../../src/core/units.ts';

function screen(columns = 80): { terminal: Terminal; text(): string } {
  let written = '';
  const stream = new Writable({
    write(chunk, _encoding, done) {
      written += String(chunk);
      done();
    },
  });
  const output = createOutput(stream, (each) => each);
  const terminal = { out: output, err: output, interactive: true, columns, color: false };
  return { terminal, text: () => written };
}

describe('progress', () => {
  const bytes = (done: number) => ({ type: 'bytes', id: 'upload', done, total: 100 * MIB }) as const;

  test('lines: phases, checks, and one line every ten percent', () => {
    const { terminal, text } = screen();
    const renderer = progressRenderer({ terminal, now: () => 0, mode: 'lines' });
    renderer.show({ type: 'phase', id: 'store', title: 'Create', status: 'started' });
    for (let done = 0; done <= 100; done += 5) renderer.show(bytes(done * MIB));
    renderer.show({ type: 'phase', id: 'store', title: 'Create', status: 'done' });
    renderer.show({ type: 'check', id: 'ok', level: 'obeys', passed: false, detail: 'said no', ms: 1500 });
    renderer.show({ type: 'warning', message: 'mind\u001b[31m this' });
    const lines = text().trimEnd().split('\n');
    expect(lines).toHaveLength(1 + 10 + 1 + 1);
    expect(lines[1]).toBe('  upload: 10.0 MiB of 100.0 MiB (10 %)');
    expect(lines.slice(-2)).toEqual(['  ✗ ok (obeys) said no, 1.5 s', '! mind this']);
  });

  test('bar: redraws one line, not more often than people see, and cleans up', () => {
    const { terminal, text } = screen();
    let now = 0;
    const renderer = progressRenderer({ terminal, now: () => now, mode: 'bar' });
    for (const [at, done] of [
      [0, 0],
      [10, 1],
      [1000, 50],
      [1010, 51],
      [2000, 100],
    ] as const) {
      now = at;
      renderer.show(bytes(done * MIB));
    }
    renderer.stop();
    const drawn = text().split('\r\u001b[2K').slice(1);
    expect(drawn).toHaveLength(4);
    expect(drawn[1]).toContain('50.0 MiB / 100.0 MiB  50.0 MiB/s  1.0 s left');
    expect(drawn[3]).toBe('');
  });

  test('none writes nothing', () => {
    const { terminal, text } = screen();
    progressRenderer({ terminal, now: () => 0, mode: 'none' }).show(bytes(5));
    expect(text()).toBe('');
  });

  test('a bar never outgrows the terminal, and does without a size or a rate', () => {
    expect(barText({ id: 'pull', done: GIB }, MIB)).toBe('  pull 1.00 GiB  1.0 MiB/s');
    expect(barText({ id: 'pull', done: 0, total: MIB }, 0)).not.toContain('left');
    expect(barText({ id: 'pull', done: 5, total: 4 }, 1)).toContain('█'.repeat(24));
    const { terminal, text } = screen(30);
    progressRenderer({ terminal, now: () => 0, mode: 'bar' }).show(bytes(MIB));
    expect(text().replace('\r\u001b[2K', '').length).toBeLessThan(30);
  });
});

describe('failures', () => {
  test('of ours keep code, causes and advice', () => {
    const error = new ProvisionError('disk-full', 'full', { suggestions: ['Free some.'], cause: new Error('ENOSPC') });
    const failure = failureOf(error);
    expect(failure).toEqual({
      code: 'disk-full',
      message: 'full',
      suggestions: ['Free some.'],
      causes: ['ENOSPC'],
      exitCode: 12,
    });
    expect(failureText(failure, screen().terminal)).toBe('Error: full\n  caused by: ENOSPC\n  → Free some.');
  });

  test.each([
    ['ENOSPC', 'disk-full'],
    ['EACCES', 'file-access'],
    ['ENOENT', 'file-not-found'],
    ['ENOTDIR', 'bad-path'],
    ['EISDIR', 'bad-path'],
    ['EWHAT', 'bug'],
  ])('of the system: %s is %s', (errno, code) => {
    expect(failureOf(Object.assign(new Error('x'), { code: errno })).code).toBe(code);
  });

  test('a signal explains whatever an abort broke, but not a verdict that was reached before it', () => {
    const abort = new DOMException('stopped', 'AbortError');
    const wrapped = new ProvisionError('runtime-died', 'x', { cause: abort });
    expect(isAbort(wrapped)).toBe(true);
    expect(failureOf(wrapped, { interruptedBy: 'SIGINT' }).exitCode).toBe(130);
    expect(failureOf(new Error('socket'), { interruptedBy: 'SIGTERM' }).exitCode).toBe(143);
    expect(failureOf(new ProvisionError('smoke-failed', 'x'), { interruptedBy: 'SIGINT' }).exitCode).toBe(17);
    expect(failureOf(abort).code).toBe('bug');
  });
});

test('tables align, numbers to the right, escape codes take no room', () => {
  const text = printable(
    table(
      ['A', 'SIZE'],
      [
        ['x', '1'],
        [paint({ color: true }, 'green', 'long'), '1000'],
      ],
      [1],
    ),
  );
  expect(text).toBe('A     SIZE\nx        1\n\u001b[32mlong\u001b[39m  1000');
  expect(
    pairs([
      ['a', '1'],
      ['long', '2'],
    ]),
  ).toBe('a     1\nlong  2');
  expect(pairs([])).toBe('');
});

describe('requests', () => {
  test('flags win over the settings file, and only what was asked is there', () => {
    const settings = { 'use-case': 'edge', sampling: 'google' };
    expect(installRequest('m', { 'use-case': 'chatbot', quant: 'AUTO' }, settings)).toEqual({
      model: 'm',
      useCase: 'chatbot',
      sampling: 'google',
      settings: {},
      force: false,
    });
    expect(settingsOf({ ctx: 512, 'flash-attn': 'auto', 'kv-type': 'q8_0' })).toEqual({
      contextLength: 512,
      kvType: 'q8_0',
    });
    expect(settingsOf({ 'flash-attn': 'off' })).toEqual({ flashAttention: false });
  });

  test('digests are taken in the forms that tools print', () => {
    const hex = 'A'.repeat(64);
    for (const digest of [hex, `sha256:${hex}`, `SHA256-${hex}`]) {
      expect(installRequest('m', { digest }, {}).digest).toBe(`sha256:${hex.toLowerCase()}`);
    }
    expect(() => installRequest('m', { digest: 'abc' }, {})).toThrow(expect.objectContaining({ code: 'bad-usage' }));
  });

  test('a wrong use case of the settings file is bad configuration', () => {
    const wrong = () => installRequest('m', {}, { 'use-case': 'chatbt' });
    expect(wrong).toThrow(expect.objectContaining({ code: 'bad-configuration' }));
  });
});

test('completion scripts quote what descriptions may hold', () => {
  const flags = [{ name: 'x', description: "it's [a: b]", options: [], takesValue: true, isPath: false }];
  const commands = [{ words: 'catalog list', summary: "user's", flags }];
  expect(completionScript('fish', commands)).toContain("-d 'it\\'s [a: b]'");
  expect(completionScript('zsh', commands)).toContain("'--x[it’s  a  b ]:x: '");
});
