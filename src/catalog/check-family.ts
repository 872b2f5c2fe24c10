/** What must hold between the parts of a family, and between families; a schema sees every field alone. */
import type { Issue } from '../core/parse.ts';
import { nearest } from '../core/suggest.ts';
import { modelIssues } from './check-model.ts';
import { sourceUpdateIssues } from './check-source.ts';
import { isRaw, issueAt, itemsAt, keysAt, member, numberAt, type Path, repeats, textAt } from './json-access.ts';

/** The names that a document may refer to: its own, and those of the family it is laid over. */
export interface Names {
  readonly profiles: ReadonlySet<string>;
  readonly models: ReadonlySet<string>;
  readonly quants: ReadonlySet<string>;
}

export function namesIn(...documents: readonly unknown[]): Names {
  const models = documents.flatMap((document) => itemsAt(document, 'models', []));
  return {
    profiles: new Set(documents.flatMap((document) => keysAt(document, 'profiles'))),
    models: texts(models.map(({ value }) => value)),
    quants: texts(models.flatMap(({ value }) => itemsAt(value, 'quants', [])).map(({ value }) => value)),
  };
}

function texts(values: readonly unknown[]): Set<string> {
  return new Set(values.map((value) => textAt(value, 'id')).filter((id) => id !== undefined));
}

/**
 * The cross checks of a whole family or of an overlay. `owners` maps the model ids of all other families to their family:
 * a model is asked for by its id alone, so ids are unique over the whole catalog.
 */
export function familyIssues(document: unknown, names: Names, owners: ReadonlyMap<string, string>): Issue[] {
  const models = itemsAt(document, 'models', []);
  return [
    ...repeats(models, 'id', 'the model'),
    ...models.flatMap(({ value, path }) => foreignIssues(textAt(value, 'id'), path, owners)),
    ...models.flatMap(modelIssues),
    ...defaultIssues(document, names),
    ...policyIssues(document, names),
    ...benchmarkIssues(document, names),
    ...requirementIssues(document, names),
    ...sourceUpdateIssues(document),
  ];
}

function foreignIssues(id: string | undefined, path: Path, owners: ReadonlyMap<string, string>): Issue[] {
  const owner = id === undefined ? undefined : owners.get(id);
  return owner === undefined
    ? []
    : [issueAt([...path, 'id'], `the model "${id}" already belongs to the family ${owner}`)];
}

/** An unknown name, with the nearest known one. */
function unknown(path: Path, what: string, name: string, known: ReadonlySet<string>): Issue[] {
  if (known.has(name)) return [];
  const near = nearest(name, [...known]);
  return [issueAt(path, `there is no ${what} "${name}"${near === undefined ? '' : `, did you mean ${near}?`}`)];
}

function defaultIssues(document: unknown, names: Names): Issue[] {
  const profile = textAt(document, 'defaultProfile');
  const model = textAt(document, 'defaultModel');
  return [
    ...(profile === undefined ? [] : unknown(['defaultProfile'], 'profile', profile, names.profiles)),
    ...(model === undefined ? [] : unknown(['defaultModel'], 'model', model, names.models)),
  ];
}

function policyIssues(document: unknown, names: Names): Issue[] {
  const policy = member(document, 'policy');
  const tiers = itemsAt(policy, 'tiers', ['policy']);
  const useCases = itemsAt(policy, 'useCases', ['policy']);
  const quants = [...tiers, ...useCases].flatMap(({ value, path }) => itemsAt(value, 'quants', path));
  return [
    ...repeats(tiers, 'id', 'the tier'),
    ...repeats(useCases, 'id', 'the use case'),
    ...quants.flatMap(({ value, path }) =>
      typeof value === 'string' ? unknown(path, 'quant in any model of the family named', value, names.quants) : [],
    ),
    ...tiers.flatMap(({ value, path }) => boundIssues(member(value, 'when'), [...path, 'when'])),
  ];
}

function boundIssues(when: unknown, path: Path): Issue[] {
  const low = numberAt(when, 'minVramGiB');
  const high = numberAt(when, 'maxVramGiB');
  if (low === undefined || high === undefined || low < high) return [];
  return [issueAt([...path, 'maxVramGiB'], `must be more than minVramGiB, ${low}`)];
}

function benchmarkIssues(document: unknown, names: Names): Issue[] {
  return itemsAt(document, 'benchmarks', []).flatMap(({ value, path }) =>
    keysAt(value, 'scores').flatMap((id) => unknown([...path, 'scores', id], 'model', id, names.models)),
  );
}

function requirementIssues(document: unknown, names: Names): Issue[] {
  const requirements = member(document, 'systemRequirements');
  if (!isRaw(requirements)) return [];
  const storage = member(requirements, 'storage');
  const low = numberAt(storage, 'minGiB');
  const high = numberAt(storage, 'maxGiB');
  const issues = itemsAt(requirements, 'ram', ['systemRequirements']).flatMap(({ value, path }) => {
    const quant = textAt(value, 'quant');
    return quant === undefined
      ? []
      : unknown([...path, 'quant'], 'quant in any model of the family named', quant, names.quants);
  });
  if (low !== undefined && high !== undefined && low > high)
    issues.push(issueAt(['systemRequirements', 'storage', 'maxGiB'], `must not be less than minGiB, ${low}`));
  return issues;
}
