/**
 * Checks that docs/reliability.md names real tests: each title exists in its file, is part of the last `npm test`, and
 * passed. A skipped test is accepted, as some need a real server or another program, but every row needs one that ran.
 * `--write` renews the list of tests on the page from the titles in the test files.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import {
  type NamedTest,
  type RunTest,
  renderTests,
  rowsOfPage,
  runsOf,
  testsOfFile,
  testsOfPage,
} from './reliability-page.ts';

const ROOT = join(import.meta.dirname, '..');
const PAGE = join(ROOT, 'docs/reliability.md');
const SUMMARY = join(ROOT, '.test-summary.json');
const [START, END] = ['<!-- tests: begin -->', '<!-- tests: end -->'];

const page = readFileSync(PAGE, 'utf8');
const rows = rowsOfPage(page);
const existing = globSync('test/**/*.test.ts', { cwd: ROOT })
  .toSorted()
  .flatMap((file) => testsOfFile(file, readFileSync(join(ROOT, file), 'utf8')));

if (process.argv.includes('--write')) {
  const [before, after] = [page.indexOf(START) + START.length, page.indexOf(END)];
  writeFileSync(PAGE, `${page.slice(0, before)}\n\n${renderTests(rows, existing)}\n\n${page.slice(after)}`);
} else {
  const faults = [...comparePage(testsOfPage(page)), ...compareRun(testsOfPage(page))];
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) process.exitCode = 1;
}

/** Differences between the page and the titles in the test files. */
function comparePage(named: readonly NamedTest[]): string[] {
  const keysOnPage = new Set(named.map(keyOf));
  const keysInFiles = new Set(existing.map(keyOf));
  return [
    ...[...keysOnPage]
      .filter((key) => !keysInFiles.has(key))
      .map((key) => `Named on the page, but not in the file: ${key}`),
    ...[...keysInFiles].filter((key) => !keysOnPage.has(key)).map((key) => `Missing from the page: ${key}`),
  ];
}

function keyOf({ row, file, title }: NamedTest): string {
  return `row ${row}, ${file}: ${title}`;
}

/** Named tests that the last run did not contain or that failed, and rows of which no test ran. */
function compareRun(named: readonly NamedTest[]): string[] {
  const run = readRun();
  const results = named.map((test) => ({
    test,
    statuses: runsOf(test, run.get(test.file) ?? []).map(({ status }) => status),
  }));
  const passed = new Set(results.filter(({ statuses }) => statuses.includes('passed')).map(({ test }) => test.row));
  const skipped = results.filter(({ statuses }) => statuses.length > 0 && !statuses.includes('passed'));
  console.log(`${named.length} tests for ${rows.length} rows; ${skipped.length} skipped:`);
  for (const { test } of skipped) console.log(`  ${keyOf(test)}`);
  return [
    ...results
      .filter(({ statuses }) => statuses.length === 0)
      .map(({ test }) => `Not part of the last run: ${keyOf(test)}`),
    ...results.filter(({ statuses }) => statuses.includes('failed')).map(({ test }) => `Failed: ${keyOf(test)}`),
    ...rows
      .filter(({ number }) => !passed.has(number))
      .map(({ number }) => `Row ${number}: no test of it ran and passed.`),
  ];
}

/** The tests of the last run by file. */
function readRun(): Map<string, readonly RunTest[]> {
  const { testResults } = JSON.parse(readFileSync(SUMMARY, 'utf8')) as {
    testResults: { name: string; assertionResults: RunTest[] }[];
  };
  return new Map(testResults.map(({ name, assertionResults }) => [relative(ROOT, name), assertionResults]));
}
