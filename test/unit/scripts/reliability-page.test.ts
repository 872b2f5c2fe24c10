import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  type NamedTest,
  renderTests,
  rowsOfPage,
  runsOf,
  testsOfFile,
  testsOfPage,
} from '../../../scripts/reliability-page.ts';

const FILE = 'test/unit/x.test.ts';
const ROWS = [
  { number: 6, what: 'a' },
  { number: 7, what: 'b' },
];
const label = (row: number, title: string) => `row ${row}: ${title}`;

test('the titles of a test file count, its comments and other texts do not', () => {
  const text = [
    '/** row 1: a comment */',
    "test('row 6: it works', () => call('no row 7: here'));",
    "test.each([['rows 6, 7: first'], ['other']])('%s ends', () => {});",
    `describe(\`row 7: after \${TIMES} times\`, () => {});`,
    "test.each([1])('row 7: %i and $name', () => {});",
  ].join('\n');
  expect(testsOfFile(FILE, text).map(({ row, title }) => `${row}|${title}`)).toEqual([
    '6|row 6: it works',
    '6|rows 6, 7: first',
    '7|rows 6, 7: first',
    '7|row 7: after … times',
    '7|row 7: … and …',
  ]);
});

test('what the page shows is read back as it was written', () => {
  const tests: NamedTest[] = [
    { row: 6, file: FILE, title: label(6, 'a … b') },
    { row: 6, file: FILE, title: label(6, 'c') },
    { row: 7, file: 'test/e2e/y.test.ts', title: label(7, 'd') },
  ];
  const table = '| # | what |\n| --- | --- |\n| 6 | a | b |\n| 7 | b | c |\n\n';
  expect(rowsOfPage(table)).toEqual(ROWS);
  expect(testsOfPage(table + renderTests(ROWS, tests))).toEqual(tests);
});

test('a title is found in a run by itself, by its group, and by its line of a table', () => {
  const run = [
    { ancestorTitles: [], title: label(6, 'a cut of 3 MiB (all) is resumed'), status: 'passed' },
    { ancestorTitles: [label(6, 'group')], title: 'one', status: 'passed' },
    { ancestorTitles: [], title: `${label(6, 'line')}: refused`, status: 'failed' },
  ];
  const found = (title: string) =>
    runsOf({ row: 6, file: FILE, title: label(6, title) }, run).map(({ status }) => status);
  expect(found('a cut of … (all) is resumed')).toEqual(['passed']);
  expect(found('group')).toEqual(['passed']);
  expect(found('line')).toEqual(['failed']);
  expect(found('another')).toEqual([]);
});

test('the page has all 52 rows, each with a test', () => {
  const page = readFileSync('docs/reliability.md', 'utf8');
  const numbers = Array.from({ length: 52 }, (_, index) => index + 1);
  expect(rowsOfPage(page).map(({ number }) => number)).toEqual(numbers);
  expect(new Set(testsOfPage(page).map(({ row }) => row))).toEqual(new Set(numbers));
});
