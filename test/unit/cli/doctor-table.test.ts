import { describe, expect, test } from 'vitest';
import { printable } from '../../../src/cli/output.ts';
import { doctorText } from '../../../src/cli/render/doctor.ts';

describe('the table', () => {
  const title = 'x';
  const checks = [
    { id: 'server', title, status: 'ok' as const, detail: 'Ollama answers.' },
    { id: 'a', title, status: 'skipped' as const, detail: 'No server.' },
    {
      id: 'proxy',
      title,
      status: 'warning' as const,
      detail: 'A proxy stands there.',
      remedy: 'Do this.\nOr that.',
    },
    { id: 'b', title, status: 'skipped' as const, detail: 'No server.' },
    { id: 'c', title, status: 'problem' as const, detail: 'word '.repeat(30).trim(), remedy: 'Go.' },
  ];
  test('marks, remedies, what was skipped for one reason in one place', () => {
    expect(doctorText({ checks, settings: [] }, { color: false, columns: 60 })).toMatchInlineSnapshot(`
      "✓ server  Ollama answers.
      - skipped  a, b: No server.
      ! proxy   A proxy stands there.
                → Do this.
                → Or that.
      ✗ c       word word word word word word word word word word
                word word word word word word word word word word
                word word word word word word word word word word
                → Go.

      1 ok, 1 warning, 1 problem, 2 skipped"
    `);
  });
  test('colours only where they are wanted', () => {
    const coloured = doctorText({ checks, settings: [] }, { color: true, columns: 60 });
    expect(printable(coloured)).toContain('\u001b[31m✗');
  });
});
