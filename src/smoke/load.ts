import { join } from 'node:path';
import { messageOf, ProvisionError } from '../core/errors.ts';
import { parseDocument } from '../core/parse.ts';
import { didYouMean } from '../core/suggest.ts';
import { faultsOf } from './faults.ts';
import { Check, Suite } from './schema.ts';

export interface SuiteFiles {
  /** Undefined when there is no such file. */
  readText(path: string): Promise<string | undefined>;
  /** Names in a folder. */
  list(folder: string): Promise<string[]>;
}

const KNOWN_FIELDS = [...Object.keys(Suite.shape), ...Object.keys(Check.shape)];

/** Ids of the suites in a folder, sorted. */
export async function suiteIds(files: SuiteFiles, folder: string): Promise<string[]> {
  const names = await files.list(folder);
  return names.flatMap((name) => (name.endsWith('.json') ? [name.slice(0, -'.json'.length)] : [])).sort();
}

/** A suite of the catalog by its id. Throws `file-not-found` with the nearest id, `bad-suite`. */
export async function loadBuiltInSuite(files: SuiteFiles, folder: string, id: string): Promise<Suite> {
  const ids = await suiteIds(files, folder);
  if (!ids.includes(id))
    throw new ProvisionError('file-not-found', `There is no prompt suite ${JSON.stringify(id)}.`, {
      suggestions: [...didYouMean(id, ids), 'For a suite of your own pass its file: --suite ./suite.json'],
    });
  return loadSuiteFile(files, join(folder, `${id}.json`));
}

/** A suite from a file. Throws `file-not-found`, `file-access`, and `bad-suite` with the JSON path of every fault. */
export async function loadSuiteFile(files: SuiteFiles, path: string): Promise<Suite> {
  const text = await readText(files, path);
  const suggestions = ['Compare it with a suite of the catalog, or check it against schemas/suite.schema.json.'];
  const suite = parseDocument(Suite, text, { name: path, code: 'bad-suite', suggestions }, KNOWN_FIELDS);
  const issues = await faultsOf(suite);
  if (issues.length === 0) return suite;
  const lines = issues.map((issue) => `  ${issue.path}: ${issue.message}`);
  throw new ProvisionError('bad-suite', `${path} is not valid:\n${lines.join('\n')}`, { suggestions });
}

async function readText(files: SuiteFiles, path: string): Promise<string> {
  let text: string | undefined;
  try {
    text = await files.readText(path);
  } catch (cause) {
    throw new ProvisionError('file-access', `${path} cannot be read: ${messageOf(cause)}.`, {
      cause,
      suggestions: ['Check that the path names a file that this user may read.'],
    });
  }
  if (text !== undefined) return text;
  throw new ProvisionError('file-not-found', `There is no suite file ${path}.`, { suggestions: ['Check the path.'] });
}
