import { join } from 'node:path';
import type { CageParts } from '../cage/cage.ts';
import { ProvisionError } from '../core/errors.ts';
import { type Issue, issueText, parseDocument } from '../core/parse.ts';
import { didYouMean } from '../core/suggest.ts';
import type { TextFiles } from '../disk/disk.ts';
import { diskError } from '../disk/errors.ts';
import { findSchemaError } from './json-schema.ts';
import { lettersOf } from './judges.ts';
import { Check, FILLER, type Judge, Suite } from './schema.ts';

const KNOWN_FIELDS = [...Object.keys(Suite.shape), ...Object.keys(Check.shape)];

/** The suite for a model of which neither a record nor the catalog names another. */
export const DEFAULT_SUITE = 'gemma';

/** Ids of the suites in a folder, sorted. */
export async function suiteIds(disk: TextFiles, folder: string): Promise<string[]> {
  const names = await disk.list(folder);
  return names.flatMap((name) => (name.endsWith('.json') ? [name.slice(0, -'.json'.length)] : [])).sort();
}

/** A suite of the catalog by its id. Throws `file-not-found` with the nearest id, `bad-suite`. */
export async function loadBuiltInSuite(disk: TextFiles, folder: string, id: string, parts: CageParts): Promise<Suite> {
  const ids = await suiteIds(disk, folder);
  if (!ids.includes(id))
    throw new ProvisionError('file-not-found', `There is no prompt suite ${JSON.stringify(id)}.`, {
      suggestions: [...didYouMean(id, ids), 'For a suite of your own pass its file: --suite ./suite.json'],
    });
  return loadSuiteFile(disk, join(folder, `${id}.json`), parts);
}

/** A suite from a file. Throws `file-not-found`, `file-access`, and `bad-suite` with the JSON path of every fault. */
export async function loadSuiteFile(disk: TextFiles, path: string, parts: CageParts): Promise<Suite> {
  const text = await readText(disk, path);
  const suggestions = ['Compare it with a suite of the catalog, or check it against schemas/suite.schema.json.'];
  const suite = parseDocument(Suite, text, { name: path, code: 'bad-suite', suggestions }, KNOWN_FIELDS);
  const issues = await findSuiteIssues(suite, parts);
  if (issues.length === 0) return suite;
  const lines = issues.map((issue) => `  ${issueText(issue)}`);
  throw new ProvisionError('bad-suite', `${path} is not valid:\n${lines.join('\n')}`, { suggestions });
}

async function readText(disk: TextFiles, path: string): Promise<string> {
  let text: string | undefined;
  try {
    text = await disk.readText(path);
  } catch (cause) {
    throw diskError('read', path, cause);
  }
  if (text !== undefined) return text;
  throw new ProvisionError('file-not-found', `There is no suite file ${path}.`, { suggestions: ['Check the path.'] });
}

/** What is wrong with a suite that its schema cannot say. */
export async function findSuiteIssues({ checks }: Suite, parts: CageParts): Promise<Issue[]> {
  const seen = new Set<string>();
  const faults: Issue[] = [];
  for (const [index, check] of checks.entries()) {
    const path = `checks[${index}]`;
    faults.push(...check.judges.flatMap((judge, at) => findJudgeIssues(check, judge, `${path}.judges[${at}]`)));
    if (seen.has(check.id)) faults.push({ path: `${path}.id`, message: `the id ${check.id} is used twice` });
    seen.add(check.id);
    faults.push(
      ...findMessageIssues(check, path),
      ...findModeIssues(check, path),
      ...(await findFormatIssues(check, path, parts)),
    );
  }
  return faults;
}

function findMessageIssues({ messages, fill }: Check, path: string): Issue[] {
  const faults: Issue[] = [];
  if (messages.at(-1)?.role !== 'user')
    faults.push({ path: `${path}.messages`, message: 'the last message must have the role user' });
  const places = messages.reduce((sum, { content }) => sum + content.split(FILLER).length - 1, 0);
  if (fill !== undefined && places !== 1)
    faults.push({
      path: `${path}.messages`,
      message: `a check with fill needs ${FILLER} exactly once, not ${places} times`,
    });
  return faults;
}

/** Fields that each make a check run in a way of its own. */
const MODES = ['repeat', 'fill', 'format', 'timing'] as const satisfies (keyof Check)[];

function findModeIssues(check: Check, path: string): Issue[] {
  const [first, second] = MODES.filter((way) => check[way] !== undefined);
  if (second === undefined) return [];
  return [{ path: `${path}.${second}`, message: `cannot be combined with ${first}: write two checks` }];
}

async function findFormatIssues({ format }: Check, path: string, parts: CageParts): Promise<Issue[]> {
  if (format === undefined) return [];
  const message = await findSchemaError(format, parts);
  return message === undefined ? [] : [{ path: `${path}.format`, message }];
}

function findJudgeIssues(check: Check, judge: Judge, path: string): Issue[] {
  if (judge.kind === 'script' && lettersOf(judge.script) === undefined)
    return [
      { path: `${path}.script`, message: `${judge.script} is not a Unicode script; write for example Latin or Han` },
    ];
  if (judge.kind === 'mentions' && judge.anyOf.some((word) => word.trim() === ''))
    return [{ path: `${path}.anyOf`, message: 'an empty word matches every answer' }];
  if (judge.kind === 'lacks' && judge.noneOf.some((word) => word.trim() === ''))
    return [{ path: `${path}.noneOf`, message: 'an empty word matches every answer' }];
  if (judge.kind === 'json' && check.format === undefined)
    return [{ path, message: 'the judge json requires a format in its check' }];
  return [];
}
