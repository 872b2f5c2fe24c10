/** From what the user gave (a name, a quant, a file, a folder, or little of it) to one model, one quant and one file. */
import type { Model } from '../../catalog/schema.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { GgufFacts } from '../../gguf/schema.ts';
import { availableQuants, findFile, findPlaced, findSingle, nothingToInstall } from './available.ts';
import { overrideReasons, rank, tooLarge } from './fit-check.ts';
import { checkHeader, type Identified, identifyByHeader, identifyByName, quantOf } from './identify.ts';
import type { SourceFile } from './plan.ts';
import type { InstallRequest, PlanningInputs } from './request.ts';
import { fileNameOf, placeOf } from './source-file.ts';

/** The default model: the one of the card that this tool started from. */
export const DEFAULT_MODEL = 'gemma-3n-e4b';

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
    const reasons = ['this quant was requested', ...(await againstChoice(named, named.quant, request, inputs))];
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
  const header = await inputs.readHeader(file);
  const identified = identifyByHeader(inputs.catalog, header, fileNameOf(file), request.family);
  const quant = identified.quant ?? header.declaredQuant?.toLowerCase() ?? 'unknown';
  return {
    identified: { ...identified, quant },
    file,
    header,
    reasons: [`this is the quant of ${fileNameOf(file)}`],
    freeQuant: false,
  };
}

/** The quant is known: finds its file and compares the file with the catalog. */
async function settleQuant(
  named: Identified,
  quant: string,
  reasons: readonly string[],
  request: InstallRequest,
  inputs: PlanningInputs,
): Promise<Settled> {
  const file =
    request.from === undefined
      ? await findPlaced(named.model, quant, request, inputs)
      : await findFile(request.from, { model: named.model, quant }, request, inputs);
  if (file === undefined) throw nothingToInstall(named.model, quant);
  const header = await inputs.readHeader(file);
  checkHeader(named, header, placeOf(file));
  const actual = quantOf(named.model, header, '').quant;
  if (actual !== undefined && actual !== quant) {
    throw new ProvisionError('bad-usage', `${placeOf(file)} has the quant ${actual}, not ${quant}`, {
      suggestions: [`Install it as ${named.model.id}:${actual}, or specify the ${quant} file.`],
    });
  }
  return { identified: { ...named, quant }, file, header, reasons, freeQuant: false };
}

/** No quant was requested: a single file decides, otherwise the best available one that fits. */
async function settleAuto(named: Identified, request: InstallRequest, inputs: PlanningInputs): Promise<Settled> {
  if (request.from !== undefined) {
    const single = await findSingle(request.from, request, inputs);
    if (single !== undefined) {
      const header = await inputs.readHeader(single);
      checkHeader(named, header, placeOf(single));
      const quant = quantOf(named.model, header, fileNameOf(single)).quant;
      if (quant !== undefined)
        return settleQuant(named, quant, [`this is the quant of ${fileNameOf(single)}`], request, inputs);
      throw new ProvisionError(
        'quant-not-found',
        `${placeOf(single)} does not specify its quant of ${named.model.id}`,
        {
          suggestions: ['Specify it with --quant.'],
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
    return settleQuant(named, best.quant, ['forced, although nothing fits'], request, inputs);
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
