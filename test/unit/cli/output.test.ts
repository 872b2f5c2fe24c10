import { EventEmitter } from 'node:events';
import { describe, expect, test } from 'vitest';
import { survive } from '../../../src/cli/lost-output.ts';
import { createOutput, type Output } from '../../../src/cli/output.ts';
import { paint } from '../../../src/cli/terminal.ts';

interface Written {
  readonly output: Output;
  text(): string;
}

function into(isTTY: boolean, hide = (text: string) => text): Written {
  const pieces: string[] = [];
  const output = createOutput({ isTTY, write: (piece: string | Uint8Array) => pieces.push(String(piece)) > 0 }, hide);
  return { output, text: () => pieces.join('') };
}

/** A new title, a copy into the clipboard, colours, a jump, a bell, and letters in the wrong order. */
const HOSTILE =
  'a\u001b]0;PWNED\u0007b\u001b]52;c;eA==\u001b\\c\u001b[31md\u001b[2J\u0007\u009b31me\u202ef\rg\u0000h\u007fi';

describe('text for a person', () => {
  test.each([true, false])('controls no terminal, now or when the file is shown (TTY %o)', (isTTY) => {
    const { output, text } = into(isTTY);
    output.text(`${HOSTILE}\n\tj`);
    expect(text()).toBe('abcdefghi\n\tj');
  });

  test('nor does what is drawn over the current line', () => {
    const { output, text } = into(true);
    output.redraw(HOSTILE);
    expect(text()).toBe('\r\u001b[2Kabcdefghi');
  });

  test('keeps the colours of this tool, and only those', () => {
    const { output, text } = into(true);
    output.text(`${paint({ color: true }, 'red', `✗ ${HOSTILE}`)} \u001b[32mgreen\u001b[39m`);
    expect(text()).toBe('\u001b[31m✗ abcdefghi\u001b[39m green');
  });

  test('a colour code without the key of this process is no colour of this tool', () => {
    const { output, text } = into(true);
    output.text('\u001b[31;1;2;3;4mred\u001b[39;1;2;3;4m');
    expect(text()).toBe('red');
  });

  test('an escape code that comes in two pieces is broken', () => {
    const { output, text } = into(true);
    output.data('a\u001b');
    output.data(']0;title\u0007b');
    expect(text()).toBe('a]0;titleb');
  });

  test('without secrets', () => {
    const { output, text } = into(true, (each) => each.replaceAll('s3cret', '***'));
    output.text('s3cret');
    output.redraw('s3cret');
    output.json({ a: 's3cret' });
    expect(text()).not.toContain('s3cret');
  });
});

describe('data', () => {
  test('is text on a terminal, and unchanged in a pipe', () => {
    const terminal = into(true);
    terminal.output.data(HOSTILE);
    expect(terminal.text()).toBe('abcdefghi');
    const pipe = into(false);
    pipe.output.data(HOSTILE);
    expect(pipe.text()).toBe(HOSTILE);
  });
});

describe('JSON', () => {
  test('has the same value, and no control character or direction mark in its text', () => {
    const { output, text } = into(true);
    output.json({ [HOSTILE]: [HOSTILE, '\u0085\u2066'] });
    expect(JSON.parse(text())).toEqual({ [HOSTILE]: [HOSTILE, '\u0085\u2066'] });
    expect(text()).not.toMatch(/(?!\n)\p{Cc}|\p{Bidi_Control}/u);
  });
});

describe('a stream that cannot be written', () => {
  function streams() {
    const stdout = new EventEmitter();
    const lines: string[] = [];
    const stderr = Object.assign(new EventEmitter(), {
      write: (line: string | Uint8Array) => lines.push(String(line)) > 0,
    });
    const codes: number[] = [];
    survive({ stdout, stderr }, (code) => codes.push(code));
    return { stdout, stderr, lines, codes };
  }
  const fault = (code: string) => Object.assign(new Error(`${code}: write failed`), { code });

  test('row 20: a full disk behind stdout ends with 12 and one line, however often it is reported', () => {
    const { stdout, lines, codes } = streams();
    stdout.emit('error', fault('ENOSPC'));
    stdout.emit('error', fault('ENOSPC'));
    expect(lines).toEqual(['Error: The answer cannot be written to standard output: the disk is full.\n']);
    expect(codes).toEqual([12]);
  });

  test('any other fault of stdout is named', () => {
    const { stdout, lines, codes } = streams();
    stdout.emit('error', fault('EIO'));
    expect(lines.join('')).toContain('EIO: write failed');
    expect(codes).toEqual([12]);
  });

  test('a reader of stdout that leaves is no fault', () => {
    const { stdout, lines, codes } = streams();
    stdout.emit('error', fault('EPIPE'));
    expect([lines, codes]).toEqual([[], [0]]);
  });

  test('the run goes on when nobody reads stderr', () => {
    const { stderr, codes } = streams();
    stderr.emit('error', fault('EPIPE'));
    expect(codes).toEqual([]);
  });
});
