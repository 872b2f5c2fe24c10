/** The errors for a model or quant without a file, each with what can be done about it. */
import { basename } from 'node:path';
import type { Model } from '../../catalog/schema.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { InstallRequest, PlanningInputs } from './contract.ts';
import { identifyByHeader } from './identify.ts';
import { placesOf } from './quant-places.ts';

/** At most so many files of a folder are named. */
const NAMED_FILES = 5;

/** What a folder has instead of a model's files, and why each of them is none; undefined for anything but a folder. */
export async function nothingInFolder(
  model: Model,
  { from }: InstallRequest,
  inputs: PlanningInputs,
): Promise<ProvisionError | undefined> {
  const files = from === undefined ? undefined : await inputs.filesIn?.(from);
  if (files === undefined) return undefined;
  const found: { readonly line: string; readonly path?: string; readonly isReadable: boolean }[] = [];
  for (const file of files) {
    const name = basename(file.path);
    try {
      const header = await inputs.readHeader({ kind: 'file', ...file });
      const { model: own, quant = 'unknown quant' } = identifyByHeader(inputs.catalog, header, name, undefined);
      const isWanted = own.id === model.id;
      found.push({ line: `${name}: ${own.id}:${quant}`, isReadable: true, ...(isWanted && { path: file.path }) });
    } catch (error) {
      if (!(error instanceof ProvisionError)) throw error;
      const why = error.message.replace(`${file.path}: `, '').replace(`${name} `, 'it ');
      found.push({ line: `${name}: ${why}`, isReadable: error.code === 'wrong-architecture' });
    }
  }
  const readable = found.filter(({ isReadable }) => isReadable).length;
  const count = `${files.length} .gguf ${files.length === 1 ? 'file' : 'files'}`;
  const state = readable === 0 ? ', none can be read' : readable < files.length ? `, ${readable} can be read` : '';
  const more = found.length > NAMED_FILES ? [`  and ${found.length - NAMED_FILES} more`] : [];
  const lines = [...found.slice(0, NAMED_FILES).map(({ line }) => `  ${line}`), ...more];
  const wanted = found.find(({ path }) => path !== undefined)?.path;
  return new ProvisionError(
    'source-not-found',
    [`${from} does not contain a file of ${model.id}: ${count}${files.length === 0 ? '' : state}`, ...lines].join('\n'),
    {
      suggestions: [
        wanted === undefined
          ? `Pass a folder that contains a file of the catalog, for example ${model.quants[0]?.file}.`
          : `To use a file with another name, pass its path: --from ${wanted}`,
      ],
    },
  );
}

/** Quant of Ollama's own builds of Gemma when the tag names none. */
export const LIBRARY_QUANT = 'q4_k_m';

/** There is no file of the wanted quant, or of any, in what was given or in the sources of the catalog. */
export function nothingToInstall(
  model: Model,
  quant: string | undefined,
  request: InstallRequest,
  inputs: PlanningInputs,
): ProvisionError {
  const { from } = request;
  const wanted = quant === undefined ? model.id : `${model.id}:${quant}`;
  const file = model.quants.find(({ id }) => id === quant)?.file;
  const own = `./${file ?? 'FILE.gguf'}`;
  const placed = model.quants.filter((each) => placesOf(each, inputs).length > 0).map(({ id }) => id);
  const suggestions =
    quant !== undefined && from === undefined && placed.length > 0
      ? [
          `Choose a quant that has a source: ${placed.join(', ')}.`,
          wayToMake(quant, own, placed, passing(own, request)),
        ]
      : [`Download ${file ?? 'a GGUF of it'} and ${passing(own, request)} (or the folder that contains it)`];
  const isPulled = inputs.facts.pullRefusal(model.library?.minimumVersion) === undefined;
  if (model.library && isPulled && (quant ?? LIBRARY_QUANT) === LIBRARY_QUANT)
    suggestions.push(`Have Ollama pull its own build: ${passed(`ollama:${model.library.name}`, request)}`);
  const message =
    from === undefined
      ? `${wanted} has no source: the catalog knows no publisher of it`
      : `${from} does not contain a file of ${wanted}`;
  return new ProvisionError('source-not-found', message, { suggestions });
}

/** F16 is made of nothing; every other quant is made of it, whoever has it. */
function wayToMake(quant: string, file: string, placed: readonly string[], pass: string): string {
  if (quant === 'f16') return `If you have an F16 file of the model, ${pass}`;
  const origin = placed.includes('f16')
    ? 'Make it with llama.cpp from an F16 file of the model'
    : 'The catalog has no source of F16 either: if you have an F16 file of the model, make it with llama.cpp';
  return `${origin} (llama-quantize F16.gguf ${file.slice('./'.length)} ${quant}) and ${pass}`;
}

function passing(ref: string, request: InstallRequest): string {
  return request.quantOrigin === undefined ? `pass it: ${passed(ref, request)}` : `install it: ${passed(ref, request)}`;
}

/** `upgrade` takes no file: an install under the same name does. */
function passed(ref: string, { model, quant, name, quantOrigin }: InstallRequest): string {
  if (quantOrigin === undefined) return `--from ${ref}`;
  const subject = ref.startsWith('ollama:') ? '' : ` ${model ?? 'MODEL'}${quant === undefined ? '' : `:${quant}`}`;
  return `gemma-provision install${subject} --from ${ref} --name ${name ?? 'NAME'}`;
}
