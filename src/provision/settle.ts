/** From what the user gave (a name, a quant, a file, a folder, or little of it) to one model, one quant and one file. */
import { basename } from 'node:path';
import type { Model } from '../catalog/schema.ts';
import { ProvisionError } from '../core/errors.ts';
import type { GgufFacts } from '../gguf/schema.ts';
import type { ResolvedSource } from '../sources/contract.ts';
import { overrideReasons, rank, tooLarge } from './fit-check.ts';
import { checkHeader, type Identified, identifyByHeader, identifyByName, quantOf } from './identify.ts';
import type { InstallRequest, PlanningInputs } from './request.ts';

/** The model that is meant when nobody names one: the card that this tool starts from. */
export const DEFAULT_MODEL = 'gemma-3n-e4b';

type SourceFile = Extract<ResolvedSource, { kind: 'file' }>;

/** A model with its quant, its file and what the file's header says. */
export interface Settled {
  readonly identified: Identified & { readonly quant: string };
  readonly file: SourceFile;
  readonly header: GgufFacts;
  readonly reasons: readonly string[];
  /** Nobody named the quant, and there may be others to be had. */
  readonly freeQuant: boolean;
}

/** Finds model, quant and file, whichever of them the user gave. */
export async function settle(request: InstallRequest, inputs: PlanningInputs): Promise<Settled> {
  const named =
    request.model === undefined && request.from !== undefined
      ? undefined
      : identifyByName(inputs.catalog, request.model ?? DEFAULT_MODEL, request.quant);
  if (named === undefined) return settleByFile(request, inputs);
  if (named.quant !== undefined) {
    const reasons = ['you asked for this quant', ...(await againstChoice(named, named.quant, request, inputs))];
    return settleQuant(named, named.quant, reasons, request, inputs);
  }
  return settleAuto(named, request, inputs);
}

/** What a named quant means against the one that would be chosen among those that can be had; a single file leaves no choice. */
async function againstChoice(
  { family, model }: Identified,
  quant: string,
  request: InstallRequest,
  inputs: PlanningInputs,
): Promise<string[]> {
  if (request.from !== undefined && (await findSingle(request.from, request, inputs)) !== undefined) return [];
  const quants = await availableQuants(model, request, inputs);
  return overrideReasons(quant, rank({ ...model, quants }, family, request, inputs));
}

/** Only a file is given: its header says what it is. */
async function settleByFile(request: InstallRequest, inputs: PlanningInputs): Promise<Settled> {
  const file = await findFile(request.from ?? '', undefined, request, inputs);
  const header = await inputs.readHeader(file.path, file.sizeBytes);
  const identified = identifyByHeader(inputs.catalog, header, basename(file.path), request.family);
  const quant = identified.quant ?? header.declaredQuant?.toLowerCase() ?? 'unknown';
  return {
    identified: { ...identified, quant },
    file,
    header,
    reasons: [`it is the quant of ${basename(file.path)}`],
    freeQuant: false,
  };
}

/** A quant is settled: find its file and hold the file against the catalog. */
async function settleQuant(
  named: Identified,
  quant: string,
  reasons: readonly string[],
  request: InstallRequest,
  inputs: PlanningInputs,
): Promise<Settled> {
  const entry = named.model.quants.find(({ id }) => id === quant);
  const ref = request.from ?? (entry?.bundled === undefined ? undefined : inputs.bundledPath(entry.bundled));
  if (ref === undefined) throw nothingToInstall(named.model, quant);
  const file = await findFile(ref, { model: named.model, quant }, request, inputs);
  const header = await inputs.readHeader(file.path, file.sizeBytes);
  checkHeader(named, header, file.path);
  const actual = quantOf(named.model, header, '').quant;
  if (actual !== undefined && actual !== quant) {
    throw new ProvisionError('bad-usage', `${file.path} says it is ${actual}, not ${quant}`, {
      suggestions: [`Install it as ${named.model.id}:${actual}, or give the ${quant} file.`],
    });
  }
  return { identified: { ...named, quant }, file, header, reasons, freeQuant: false };
}

/** Nobody named a quant: a single file decides, else the best one that fits among those that can be had. */
async function settleAuto(named: Identified, request: InstallRequest, inputs: PlanningInputs): Promise<Settled> {
  if (request.from !== undefined) {
    const single = await findSingle(request.from, request, inputs);
    if (single !== undefined) {
      const header = await inputs.readHeader(single.path, single.sizeBytes);
      checkHeader(named, header, single.path);
      const quant = quantOf(named.model, header, basename(single.path)).quant;
      if (quant !== undefined)
        return settleQuant(named, quant, [`it is the quant of ${basename(single.path)}`], request, inputs);
      throw new ProvisionError(
        'quant-not-found',
        `${single.path} does not say which quant of ${named.model.id} it is`,
        {
          suggestions: ['Say it with --quant.'],
        },
      );
    }
  }
  const settled = await settleBest(named, request, inputs);
  return { ...settled, freeQuant: true };
}

/** The best quant that fits among those that can be had. */
async function settleBest(named: Identified, request: InstallRequest, inputs: PlanningInputs): Promise<Settled> {
  const all = await availableQuants(named.model, request, inputs);
  const available = all.filter(({ id }) => !request.without?.includes(id));
  if (available.length === 0) throw nothingToInstall(named.model, undefined);
  const kept = request.force ? undefined : await earlierChoice(named.model, available, request, inputs);
  if (kept !== undefined) return settleQuant(named, kept.quant, kept.choice.reasons, request, inputs);
  const ranking = rank({ ...named.model, quants: available }, named.family, request, inputs);
  if (ranking.choice === undefined) {
    const [best] = ranking.candidates;
    if (!request.force || best === undefined)
      throw best ? tooLarge(named.model, best) : nothingToInstall(named.model, undefined);
    return settleQuant(named, best.quant, ['forced although nothing fits'], request, inputs);
  }
  return settleQuant(named, ranking.choice.quant, ranking.choice.reasons, request, inputs);
}

/**
 * What was chosen here before, for the same use. A model that is loaded takes the memory that the next look at the host
 * misses: choosing anew would give the same command another answer every time.
 */
async function earlierChoice(
  model: Model,
  available: Model['quants'],
  request: InstallRequest,
  inputs: PlanningInputs,
) {
  const record = await inputs.installed(model.id, request.name);
  if (record === undefined || record.choice.useCase !== request.useCase) return undefined;
  return available.some(({ id }) => id === record.quant) ? record : undefined;
}

/** A `--from` that is one file rather than a folder. */
async function findSingle(
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

/** The quants whose bytes can be had: in the given folder, or shipped with this package. */
async function availableQuants(
  model: Model,
  request: InstallRequest,
  inputs: PlanningInputs,
): Promise<Model['quants']> {
  if (request.from === undefined) return model.quants.filter(({ bundled }) => bundled !== undefined);
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

async function findFile(
  ref: string,
  wanted: { model: Model; quant: string } | undefined,
  request: InstallRequest,
  inputs: PlanningInputs,
): Promise<SourceFile> {
  const entry = wanted?.model.quants.find(({ id }) => id === wanted.quant);
  const digest = request.digest ?? (request.from === undefined ? entry?.digest : undefined);
  const resolved = await inputs.resolve({
    ref,
    ...(entry !== undefined && { fileName: entry.file }),
    ...(digest !== undefined && { expected: { digest: digest as `sha256:${string}` } }),
  });
  if (resolved.kind === 'file') return resolved;
  throw new ProvisionError('bad-usage', `${ref} is no file`);
}

function nothingToInstall(model: Model, quant: string | undefined): ProvisionError {
  const wanted = quant === undefined ? model.id : `${model.id}:${quant}`;
  const file = model.quants.find(({ id }) => id === quant)?.file;
  const suggestions = [
    `Download ${file ?? 'a GGUF of it'} and pass it: --from ./${file ?? 'FILE.gguf'} (or the folder that holds it)`,
  ];
  if (model.library) suggestions.push(`Let Ollama pull its own build: --from ollama:${model.library.name}`);
  return new ProvisionError('source-not-found', `no bytes of ${wanted} are at hand: it does not ship with this tool`, {
    suggestions,
  });
}
