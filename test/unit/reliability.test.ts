/** `docs/reliability.md` promises that a test holds every row of the fault matrix: every test that it names says so itself. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const DOCS = join(import.meta.dirname, '../../docs');
const page = readFileSync(join(DOCS, 'reliability.md'), 'utf8');
const rows = [...page.matchAll(/^\| (\d+) \|.*\| (.*) \|$/gm)].map(([, number, tests = '']) => ({
  number: Number(number),
  files: [...tests.matchAll(/\]\(([^)]+)\)/g)].map(([, file = '']) => file),
}));

/** The rows that a test file says it covers: `row 7`, `rows 6 and 7`, `rows 7, 20, 30`. */
function rowsIn(text: string): number[] {
  const named = [...text.matchAll(/\brows? (\d+(?:(?:, and |, | and |-)\d+)*)/g)].map(([, list = '']) => list);
  return named.flatMap((list) =>
    list.split(/, and |, | and /).flatMap((part) => {
      const [first = 0, last = first] = part.split('-').map(Number);
      return Array.from({ length: last - first + 1 }, (_, index) => first + index);
    }),
  );
}

test('all 49 rows are there, each with a test', () => {
  expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: 49 }, (_, index) => index + 1));
  expect(rows.filter(({ files }) => files.length === 0)).toEqual([]);
});

test.each(rows)('row $number: its tests are there and name it', ({ number, files }) => {
  for (const file of files) {
    expect(existsSync(join(DOCS, file)), file).toBe(true);
    expect(rowsIn(readFileSync(join(DOCS, file), 'utf8')), file).toContain(number);
  }
});
