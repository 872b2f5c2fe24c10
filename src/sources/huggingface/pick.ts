import { ProvisionError } from '../../core/errors.ts';
import { didYouMean } from '../../core/suggest.ts';
import { formatHubRef, type HubRef, isPath } from './reference.ts';

/** Files beside a model that are no model by themselves. */
const BESIDE = /(^|[^a-z])(mmproj|imatrix)/i;

/**
 * The path of the wanted file among those of a repository. Without a path in the reference: the file of the chosen quant
 * by its name, in whatever folder, or the only GGUF there is. Throws `source-not-found`, `bad-usage`.
 */
export function pickFile(ref: HubRef, files: readonly string[], fileName: string | undefined): string {
  const models = files.filter((file) => /\.gguf$/i.test(file) && isPath(file)).sort();
  if (ref.file !== undefined) return files.includes(ref.file) ? ref.file : missing(ref, ref.file, models);
  if (fileName !== undefined) return byName(ref, fileName, models);
  const [only, ...others] = models.filter((file) => !BESIDE.test(baseOf(file)));
  if (only !== undefined && others.length === 0) return only;
  const example = only === undefined ? [] : [`Name one: ${formatHubRef({ ...ref, file: only })}`];
  throw new ProvisionError('bad-usage', `${formatHubRef(ref)} is a repository, but no file is specified.`, {
    suggestions: [...example, ...listed(models)],
  });
}

function byName(ref: HubRef, wanted: string, models: readonly string[]): string {
  const same = models.filter((file) => baseOf(file) === wanted);
  const near = same.length > 0 ? same : models.filter((file) => baseOf(file).toLowerCase() === wanted.toLowerCase());
  const [found, ...others] = near;
  if (found === undefined) return missing(ref, wanted, models);
  if (others.length === 0) return found;
  throw new ProvisionError('bad-usage', `${formatHubRef(ref)} contains more than one ${wanted}: ${near.join(', ')}.`, {
    suggestions: [`Name one: ${formatHubRef({ ...ref, file: found })}`],
  });
}

function missing(ref: HubRef, wanted: string, models: readonly string[]): never {
  const base = baseOf(wanted);
  const near = didYouMean(base, models.map(baseOf), 0);
  throw new ProvisionError(
    'source-not-found',
    `${formatHubRef({ repo: ref.repo, revision: ref.revision })} has no file ${wanted}.`,
    {
      suggestions: [...near, ...listed(models)],
    },
  );
}

function listed(models: readonly string[]): string[] {
  if (models.length === 0) return ['It contains no .gguf file: use a repository with GGUF files of the model.'];
  const more = models.length > 20 ? `, and ${models.length - 20} more` : '';
  return [`It contains: ${models.slice(0, 20).join(', ')}${more}.`];
}

function baseOf(file: string): string {
  return file.slice(file.lastIndexOf('/') + 1);
}
