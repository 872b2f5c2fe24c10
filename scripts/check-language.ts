/**
 * Keeps phrases out of texts that users read which readers stumbled over: `npm run language`.
 *
 * Looks at string literals of the sources (not at identifiers, imports or comments) and at the pages in Markdown.
 */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const root = join(import.meta.dirname, '..');

/** A phrase, and what to write instead. */
const PHRASES: readonly (readonly [RegExp, string])[] = [
  [/(?<!\b[Tt]here )\b(?:is|are|was) no (?!longer\b|more\b|such\b|other\b|room\b|need\b)[A-Za-z]+/, 'is not a …'],
  [/\btold\b|\btells? (?!me\b)/, 'report, show, say'],
  [/\bat hand\b/, 'available'],
  [/\bstands? (?:in|for)\b/, 'is used instead of, is'],
  [/\blacks?\b/, 'is missing, does not have'],
  [/\bfor ever\b/, 'indefinitely'],
  [/\bonce more\b/, 'again'],
  [/\b(?:whoever|somebody|nobody)\b/, 'any process, another user, no one'],
  [/\b(?:heed|mend)\b/, 'check, fix'],
  [/\bput(?:s|ting)? right\b/, 'fix'],
  [/\b(?:gives?|given|took|taken|takes?) back\b/, 'restore, roll back'],
  [/\btakes it\b/, 'uses it'],
  [/\bis well\b/, 'is healthy'],
  [/\bis waited for\b/, 'waiting for'],
  [/\bheld against\b/, 'compared with'],
  [/\bhas no say\b/, 'cannot be combined with'],
];

interface Finding {
  readonly place: string;
  readonly text: string;
  readonly instead: string;
}

function judge(text: string, place: string): Finding[] {
  return PHRASES.flatMap(([phrase, instead]) => {
    const found = phrase.exec(text)?.[0];
    return found === undefined ? [] : [{ place, text: found, instead }];
  });
}

/** Texts in a source file: literals with a blank in them, since single words are ids. */
function judgeSource(file: string): Finding[] {
  const source = ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.Latest, true);
  const findings: Finding[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isRegularExpressionLiteral(node)) return;
    const isText = ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node);
    if (isText && node.text.includes(' ')) {
      const { line } = source.getLineAndCharacterOfPosition(node.getStart());
      findings.push(...judge(node.text, `${file}:${line + 1}`));
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return findings;
}

/** The list at the end of the reliability page quotes titles of tests. */
const TEST_TITLES = /^## Tests of each row$[\s\S]*/m;

function judgePage(file: string): Finding[] {
  const text = readFileSync(join(root, file), 'utf8').replace(TEST_TITLES, '');
  const withoutCode = text.replace(/```[\s\S]*?```/g, (code) => code.replace(/[^\n]/g, ''));
  return withoutCode.split('\n').flatMap((line, index) => judge(line.replace(/`[^`]*`/g, ''), `${file}:${index + 1}`));
}

const sources = globSync('src/**/*.ts', { cwd: root }).sort();
const pages = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...globSync('docs/*.md', { cwd: root }).sort()];
const findings = [...sources.flatMap(judgeSource), ...pages.flatMap(judgePage)];

for (const { place, text, instead } of findings) console.log(`${place}: "${text}" (write: ${instead})`);
console.log(`${sources.length} source files and ${pages.length} pages, ${findings.length} phrases to rewrite`);
if (findings.length > 0) process.exitCode = 1;
