import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { compatibilityPage } from '../../../scripts/compatibility-page.ts';
import { matrix } from '../../../src/compat/matrix.ts';

const rows = matrix();
const page = compatibilityPage(rows);
const lines = page.split('\n');

describe('docs/compatibility.md', () => {
  test('is what the matrix gives now; else run npm run generate', () => {
    expect(readFileSync('docs/compatibility.md', 'utf8')).toBe(page);
  });

  test('names every row of the matrix', () => {
    for (const part of ['architectures', 'library', 'capabilities', 'options', 'dangers'] as const)
      for (const { id } of rows[part])
        expect(
          lines.some((line) => line.startsWith('|') && line.includes(id)),
          id,
        ).toBe(true);
  });

  test('every row has as many cells as its heading', () => {
    const cellsOf = (line: string) => line.match(/(?<!\\)\|/g)?.length ?? 0;
    lines.forEach((line, index) => {
      if (line.startsWith('|') && lines[index - 1]?.startsWith('|'))
        expect(cellsOf(line), line).toBe(cellsOf(lines[index - 1] ?? ''));
    });
  });

  test('gives evidence for every row', () => {
    const proven = page.slice(page.indexOf('## Architectures')).split('\n');
    const body = proven.filter(
      (line) => line.startsWith('| ') && !line.startsWith('| ---') && !line.endsWith('Evidence |'),
    );
    expect(body.length).toBeGreaterThan(90);
    for (const line of body) expect(line).toMatch(/\| \*\*(seen|read|not verified: [^*]+)\*\*: \S/);
  });

  test('puts the servers that were run side by side', () => {
    const row = (question: string) => lines.find((line) => line.startsWith(`| ${question} |`));
    expect(lines).toContain(`|  | ${rows.seen.join(' | ')} |`);
    expect(row('runs `gemma3n`')).toBe('| runs `gemma3n` | no | no | yes | yes | yes | yes |');
    expect(row('is created from')).toContain('| Modelfile text | files | files |');
    expect(row('default context')).toContain('| 4096 / 32768 / 262144 |');
  });

  test('no report about GPUs is a plain yes', () => {
    for (const line of lines.filter((text) => text.includes('| GPU |')))
      expect(line).toMatch(/\| (reported|not known) \|/);
    expect(lines.filter((text) => text.includes('| CPU |')).every((line) => line.includes('| yes |'))).toBe(true);
  });

  test('texts of the matrix stay text', () => {
    const [first] = rows.architectures;
    if (first === undefined) throw new Error('no architecture');
    const changed = compatibilityPage({ ...rows, architectures: [{ ...first, note: 'a|b <bos>\nc' }] });
    expect(changed).toContain('a\\|b &lt;bos> c');
  });

  test('a change of the matrix changes the page', () => {
    expect(compatibilityPage({ ...rows, newestKnown: '0.34.0' })).not.toBe(page);
  });
});
