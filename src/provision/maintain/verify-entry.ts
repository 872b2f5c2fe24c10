/** Is what the runtime says of a name still what its record says? */
import { digestOf } from '../../core/digest.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import type { StoredModel } from '../../runtimes/contract.ts';
import { isJinja } from '../../runtimes/jinja.ts';
import { parameterDifferences } from '../../runtimes/ollama/compare.ts';
import { parseParameters } from '../../runtimes/ollama/parameters.ts';
import type { Problem } from './verify-schema.ts';

type Recorded = Pick<InstallRecord, 'name' | 'stored' | 'template' | 'parameters'>;

/**
 * In what the entry is not what was recorded. The digest of the whole entry covers template and parameters: only where it
 * is another one, or the runtime tells none, are these looked at, to say what changed.
 */
export function entryProblems(record: Recorded, found: StoredModel): Problem[] {
  const { name, stored } = record;
  const isSame = stored.entryDigest !== undefined && stored.entryDigest === found.entryDigest;
  return [
    ...digestProblem('entry-drift', `the entry of ${name}`, stored.entryDigest, found.entryDigest),
    ...digestProblem('layer-drift', `the model layer of ${name}`, stored.layerDigest, found.layerDigest),
    ...(isSame ? [] : [...templateProblem(record, found), ...parameterProblems(record, found)]),
  ];
}

function digestProblem(
  kind: Problem['kind'],
  what: string,
  recorded: string | undefined,
  now: string | undefined,
): Problem[] {
  if (recorded === undefined || now === undefined || recorded === now) return [];
  return [{ kind, detail: `${what} is ${now}; ${recorded} was recorded` }];
}

function templateProblem({ name, template }: Recorded, found: StoredModel): Problem[] {
  // Servers that show the file's own Jinja template may still use the one that was sent.
  if (found.template === undefined || isJinja(found.template)) return [];
  const now = digestOf(found.template);
  if (now === template.digest) return [];
  return [
    {
      kind: 'template-drift',
      detail: `the template of ${name} is ${now}; ${template.name}, ${template.digest}, was recorded`,
    },
  ];
}

function parameterProblems({ name, parameters }: Recorded, found: StoredModel): Problem[] {
  // Nothing is recorded of the parameters of a library model.
  if (Object.keys(parameters).length === 0) return [];
  return parameterDifferences(parameters, parseParameters(found.parameters ?? '')).map((difference) => ({
    kind: 'parameter-drift',
    detail: `${name}: ${difference}`,
  }));
}
