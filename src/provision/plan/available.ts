/** Which files of a model can be had, and where: in what the user named, shipped with this package, or where the catalog says. */
import type { Model, Quant } from '../../catalog/schema.ts';
import type { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { SourceFile } from './plan.ts';
import type { InstallRequest, PlanningInputs } from './request.ts';

/** A `--from` that is one file rather than a folder. */
export async function findSingle(
  ref: string,
  request: InstallRequest,
  inputs: PlanningInputs,
): Promise<SourceFile | undefined> {
  try {
    return await findFile(ref, undefined, request, inputs);
  } catch (error) {
    if (error instanceof ProvisionError && error.code === 'bad-usage') return undefined;
    throw error;
  }
}

/** The quants whose bytes can be had: in the given folder or repository, shipped with this package, or from a source of the catalog. */
export async function availableQuants(
  model: Model,
  request: InstallRequest,
  inputs: PlanningInputs,
): Promise<Model['quants']> {
  if (request.from === undefined) return model.quants.filter((quant) => placesOf(quant, inputs).length > 0);
  const found: Model['quants'] = [];
  for (const quant of model.quants) {
    try {
      await inputs.resolve({ ref: request.from, fileName: quant.file });
      found.push(quant);
    } catch (error) {
      if (!(error instanceof ProvisionError) || error.code !== 'source-not-found') throw error;
    }
  }
  return found;
}

/** What the user named with `--from`; in a folder or a repository, the file of the wanted quant. */
export async function findFile(
  ref: string,
  wanted: { model: Model; quant: string } | undefined,
  request: InstallRequest,
  inputs: PlanningInputs,
): Promise<SourceFile> {
  const entry = wanted?.model.quants.find(({ id }) => id === wanted.quant);
  return fileAt(ref, entry?.file, request.digest === undefined ? {} : { digest: request.digest }, inputs);
}

interface Place {
  readonly ref: string;
  readonly expected: { readonly digest?: Digest; readonly sizeBytes?: number };
}

/** Where a quant's file is by default: in this package, else at the sources of the catalog in their order. */
function placesOf({ bundled, digest, sources = [] }: Quant, inputs: PlanningInputs): Place[] {
  const own = bundled === undefined ? [] : [{ ref: inputs.bundledPath(bundled) }];
  return [...own, ...sources].map(
    (source: { ref: string; digest?: Digest | undefined; sizeBytes?: number | undefined }) => {
      const wanted = source.digest ?? digest;
      return {
        ref: source.ref,
        expected: {
          ...(wanted !== undefined && { digest: wanted }),
          ...(source.sizeBytes !== undefined && { sizeBytes: source.sizeBytes }),
        },
      };
    },
  );
}

/** Faults of one place that another may not have. */
const ELSEWHERE: ReadonlySet<string> = new Set(['network', 'remote-fault', 'source-not-found', 'unauthorised']);

/** A quant's file from the first of its places that has it. Undefined when it has none; throws what the last one throws. */
export async function findPlaced(
  model: Model,
  quant: string,
  request: InstallRequest,
  inputs: PlanningInputs,
): Promise<SourceFile | undefined> {
  const entry = model.quants.find(({ id }) => id === quant);
  let failure: unknown;
  for (const { ref, expected } of entry === undefined ? [] : placesOf(entry, inputs)) {
    try {
      const digest = request.digest ?? expected.digest;
      return await fileAt(ref, entry?.file, { ...expected, ...(digest !== undefined && { digest }) }, inputs);
    } catch (error) {
      if (!(error instanceof ProvisionError) || !ELSEWHERE.has(error.code)) throw error;
      failure = error;
    }
  }
  if (failure !== undefined) throw failure;
  return undefined;
}

async function fileAt(
  ref: string,
  fileName: string | undefined,
  expected: Place['expected'],
  inputs: PlanningInputs,
): Promise<SourceFile> {
  const resolved = await inputs.resolve({ ref, ...(fileName !== undefined && { fileName }), expected });
  if (resolved.kind !== 'library') return resolved;
  throw new ProvisionError('bad-usage', `${ref} is not a file`);
}

/** `from`: the reference in which there is no such file. */
export function nothingToInstall(model: Model, quant: string | undefined, from?: string): ProvisionError {
  const wanted = quant === undefined ? model.id : `${model.id}:${quant}`;
  const file = model.quants.find(({ id }) => id === quant)?.file;
  const suggestions = [
    `Download ${file ?? 'a GGUF of it'} and pass it: --from ./${file ?? 'FILE.gguf'} (or the folder that contains it)`,
  ];
  if (model.library) suggestions.push(`Have Ollama pull its own build: --from ollama:${model.library.name}`);
  const message =
    from === undefined
      ? `${wanted} has no source: it is not bundled with this tool`
      : `${from} does not contain a file of ${wanted}`;
  return new ProvisionError('source-not-found', message, {
    suggestions,
  });
}
