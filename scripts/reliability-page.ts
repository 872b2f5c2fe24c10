/** The tests that docs/reliability.md names for each promise: read from the page, from the test files, and from a run. */
import ts from 'typescript';

/** A promise of the page's table. */
export interface PromiseRow {
  readonly number: number;
  readonly what: string;
}

/** One test, group of tests or line of a test table that verifies a row. */
export interface NamedTest {
  readonly row: number;
  /** Path from the root of the repository. */
  readonly file: string;
  /** Its title in the file; `…` for what a test table fills in. */
  readonly title: string;
}

/** What vitest's JSON reporter reports of one test. */
export interface RunTest {
  readonly ancestorTitles: readonly string[];
  readonly title: string;
  readonly status: string;
}

const LABEL = /^rows? (\d+(?:(?:, and |, | and )\d+)*): /;
/** Placeholders of `test.each`. */
const PLACEHOLDER = /%[sdifjop#$]|\$[\w.]+/g;

/** The rows of the table, in its order. */
export function rowsOfPage(page: string): PromiseRow[] {
  return [...page.matchAll(/^\| (\d+) \| (.*?) \|/gm)].map(([, number, what = '']) => ({
    number: Number(number),
    what,
  }));
}

/** The tests that the list below the table names. */
export function testsOfPage(page: string): NamedTest[] {
  const tests: NamedTest[] = [];
  let row = 0;
  let file = '';
  for (const line of page.split('\n')) {
    row = Number(/^\*\*Row (\d+)\*\*/.exec(line)?.[1] ?? row);
    file = /^- \[(test\/[^\]]+)\]/.exec(line)?.[1] ?? file;
    const title = /^ {2}- (.*)$/.exec(line)?.[1];
    if (title !== undefined && row > 0) tests.push({ row, file, title });
  }
  return tests;
}

/** The titles of a test file that begin with `row 7: ` or `rows 6 and 7: `. Comments do not count. */
export function testsOfFile(file: string, text: string): NamedTest[] {
  const tests: NamedTest[] = [];
  const visit = (node: ts.Node): void => {
    const title = titleOf(node)?.replace(PLACEHOLDER, '…');
    const numbers = LABEL.exec(title ?? '')?.[1]?.split(/, and |, | and /) ?? [];
    for (const number of numbers) tests.push({ row: Number(number), file, title: title ?? '' });
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest));
  return tests;
}

function titleOf(node: ts.Node): string | undefined {
  if (ts.isStringLiteralLike(node)) return node.text;
  if (!ts.isTemplateExpression(node)) return undefined;
  return [node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)].join('…');
}

/** The list for the page: for every row its test files, for every file its titles. */
export function renderTests(rows: readonly PromiseRow[], tests: readonly NamedTest[]): string {
  return rows
    .map(({ number, what }) => {
      const own = Map.groupBy(
        tests.filter(({ row }) => row === number),
        ({ file }) => file,
      );
      const files = [...own].map(([file, named]) =>
        [`- [${file}](../${file})`, ...new Set(named.map(({ title }) => `  - ${title}`))].join('\n'),
      );
      return [`**Row ${number}**: ${what}`, '', ...files].join('\n');
    })
    .join('\n\n');
}

/** What a run reports of a named test: every test with that title, or in a group or a table line with it. */
export function runsOf({ title }: NamedTest, run: readonly RunTest[]): RunTest[] {
  const pattern = new RegExp(`^${title.split('…').map(escapeForPattern).join('.*')}`, 's');
  return run.filter((each) => [...each.ancestorTitles, each.title].some((name) => pattern.test(name)));
}

function escapeForPattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
