import { defaultModel } from '../../catalog/lookup.ts';
import type { Model } from '../../catalog/schema.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { GgufFacts } from '../../gguf/schema.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import { sameModel } from '../../runtimes/names.ts';
import { type Elsewhere, type InstallRequest, type PlanningInputs, type SourceFile, usersPath } from './contract.ts';
import { overrideReasons, rank } from './fit-check.ts';
import {
  checkHeader,
  checkQuant,
  type Identified,
  identifyByHeader,
  identifyByName,
  notInCatalog,
  quantOf,
} from './identify.ts';
import { nothingInFolder, nothingToInstall } from './nothing-to-install.ts';
import {
  blamingMirror,
  fileAt,
  fileNameOf,
  locationOf,
  type OpenedFile,
  openFile,
  openPlaced,
  placesOf,
  quantsHere,
} from './quant-places.ts';
import { tooLarge } from './too-large.ts';

/** A model with its quant, its file and what the file's header says. */
export interface ResolvedRequest {
  readonly identified: Identified & { readonly quant: string };
  readonly file: SourceFile;
  readonly header: GgufFacts;
  readonly reasons: readonly string[];
  readonly elsewhere?: Elsewhere;
  /** No quant was requested, and others may be available. */
  readonly freeQuant: boolean;
}

/** Finds model, quant and file, whichever of them the user gave. */
export async function resolveRequest(request: InstallRequest, inputs: PlanningInputs): Promise<ResolvedRequest> {
  const named =
    request.model === undefined && request.from !== undefined
      ? undefined
      : identifyByName(inputs.catalog, request.model ?? defaultModel(inputs.catalog), request.quant);
  if (named === undefined) return resolveByFile(request, inputs);
  requireFamily(named, request.family);
  const kept = await keptInstall(named, request, inputs);
  if (kept !== undefined) return kept;
  if (named.quant !== undefined) {
    const reasons =
      request.quantOrigin === undefined
        ? ['this quant was requested', ...(await againstChoice(named, named.quant, request, inputs))]
        : [request.quantOrigin.reason];
    return resolveQuant(named, named.quant, reasons, request, inputs);
  }
  return resolveAutomatically(named, request, inputs);
}

/** `--family` describes a file that is not in the catalog. Throws `bad-usage` for another family than that of the named model. */
export function requireFamily({ family, model }: Identified, typed: string | undefined): void {
  if (typed === undefined || typed.toLowerCase() === family.id) return;
  throw new ProvisionError(
    'bad-usage',
    `--family ${typed} cannot be used with ${model.id}: its family is ${family.id}`,
    {
      suggestions: ['Omit --family, or omit the model and pass a file with --from.'],
    },
  );
}

/** Compares a requested quant with the one that would be chosen among those available; a single file leaves no choice. */
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
async function resolveByFile(request: InstallRequest, inputs: PlanningInputs): Promise<ResolvedRequest> {
  const file = await findFile(request.from ?? '', undefined, request, inputs);
  const header = await inputs.readHeader(file);
  const identified = identifyByHeader(inputs.catalog, header, fileNameOf(file), request.family);
  const { expectedModel } = request;
  if (expectedModel !== undefined && identified.model.id !== expectedModel)
    throw notInCatalog(expectedModel, `its file would become ${identified.model.id}`);
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
async function resolveQuant(
  named: Identified,
  quant: string,
  reasons: readonly string[],
  request: InstallRequest,
  inputs: PlanningInputs,
): Promise<ResolvedRequest> {
  const found =
    request.from === undefined
      ? await openPlaced(named.model, quant, request, inputs)
      : await openFile(await findFile(request.from, { model: named.model, quant }, request, inputs), inputs);
  if (found === undefined) throw nothingToInstall(named.model, quant, request, inputs);
  const { file, header } = found;
  try {
    checkHeader(named, header, locationOf(file));
    checkQuant(named.model, quant, header, locationOf(file));
  } catch (error) {
    throw blamingMirror(file, error);
  }
  return {
    identified: { ...named, quant },
    file,
    header,
    reasons: [...reasons, ...(found.reasons ?? [])],
    ...(found.elsewhere !== undefined && { elsewhere: found.elsewhere }),
    freeQuant: false,
  };
}

/** No quant was requested: a single file decides, otherwise the best available one that fits. */
async function resolveAutomatically(
  named: Identified,
  request: InstallRequest,
  inputs: PlanningInputs,
): Promise<ResolvedRequest> {
  if (request.from !== undefined) {
    const single = await findSingle(request.from, request, inputs);
    if (single !== undefined) {
      const header = await inputs.readHeader(single);
      checkHeader(named, header, locationOf(single));
      const quant = quantOf(named.model, header, fileNameOf(single)).quant;
      if (quant !== undefined)
        return resolveQuant(named, quant, [`this is the quant of ${fileNameOf(single)}`], request, inputs);
      throw new ProvisionError(
        'quant-not-found',
        `${locationOf(single)} does not specify its quant of ${named.model.id}`,
        {
          suggestions: ['Specify it with --quant.'],
        },
      );
    }
  }
  const resolved = await resolveBest(named, request, inputs);
  return { ...resolved, freeQuant: true };
}

/** The best quant that fits among those that can be had. */
async function resolveBest(
  named: Identified,
  request: InstallRequest,
  inputs: PlanningInputs,
): Promise<ResolvedRequest> {
  const all = await availableQuants(named.model, request, inputs);
  const available = all.filter(({ id }) => !request.without?.includes(id));
  if (available.length === 0)
    throw (
      (await nothingInFolder(named.model, request, inputs)) ?? nothingToInstall(named.model, undefined, request, inputs)
    );
  const kept = request.force ? undefined : await earlierChoice(named.model, available, request, inputs);
  if (kept !== undefined) return resolveQuant(named, kept.quant, [keptChoice(kept)], request, inputs);
  const ranking = rank({ ...named.model, quants: available }, named.family, request, inputs);
  if (ranking.choice === undefined) {
    const [best] = ranking.candidates;
    if (!request.force || best === undefined)
      throw best
        ? tooLarge({ ...named, model: { ...named.model, quants: available } }, best, request, inputs)
        : nothingToInstall(named.model, undefined, request, inputs);
    return resolveQuant(named, best.quant, ['forced, although nothing fits'], request, inputs);
  }
  const { quant, reasons } = ranking.choice;
  const compared = available.map(({ id }) => id).join(', ');
  const limited = inputs.offline === true ? [`only what is on this machine was compared (--offline): ${compared}`] : [];
  return resolveQuant(named, quant, [...reasons, ...limited], request, inputs);
}

/**
 * What is installed under the requested name already. It keeps its quant, its source and its digest, also where a newer
 * catalog would choose otherwise: the same command twice changes nothing. Undefined where the user asks for something else
 * (`--from`, `--digest`, `--force`, another quant or use), and for `upgrade` and lock files, which decide by themselves.
 */
async function keptInstall(
  named: Identified,
  request: InstallRequest,
  inputs: PlanningInputs,
): Promise<ResolvedRequest | undefined> {
  const { from, digest, force, quantOrigin, without, load } = request;
  const decides = [from, digest, quantOrigin, without, load].some((each) => each !== undefined);
  if (force || decides) return undefined;
  const records = await inputs.installed(named.model.id);
  const record = records.find((each) => isKept(each, named, request));
  if (record === undefined) return undefined;
  const { quant } = record;
  const found = await openRecorded(record, inputs);
  if (found === undefined) return undefined;
  const reasons = [...(named.quant === undefined ? [keptChoice(record)] : []), keptSource(record)];
  return { identified: { ...named, quant }, ...found, reasons, freeQuant: named.quant === undefined };
}

function isKept(record: InstallRecord, named: Identified, request: InstallRequest): boolean {
  const { name, useCase } = request;
  const { ref, digest } = record.source;
  if (digest === undefined || ref.startsWith('ollama:') || record.rebuilt !== undefined) return false;
  if (named.quant === undefined)
    return isSameChoice(record, useCase) && (name === undefined || sameModel(record.name, name));
  return record.quant === named.quant && sameModel(record.name, name ?? `${named.model.id}:${named.quant}`);
}

/** This tool chose it, for the same use. */
function isSameChoice({ choice }: InstallRecord, useCase: InstallRequest['useCase']): boolean {
  return choice.automatic === true && choice.useCase === useCase;
}

/**
 * The recorded bytes: at their path on this machine, as the runtime has them, or from where they came. Undefined where
 * they are nowhere any more: then they are to be had anew.
 */
async function openRecorded(record: InstallRecord, inputs: PlanningInputs): Promise<OpenedFile | undefined> {
  const { path, pinnedRef, digest } = record.source;
  const at = async (reference: string) => {
    try {
      const expected = { ...(digest !== undefined && { digest }) };
      return await openFile(await fileAt(reference, undefined, expected, inputs), inputs);
    } catch (error) {
      // A file that was deleted or changed after its install is no source any more.
      const isGone = error instanceof ProvisionError && ['source-not-found', 'digest-mismatch'].includes(error.code);
      if (isGone) return undefined;
      throw error;
    }
  };
  const own = path === undefined ? undefined : await at(path);
  if (own !== undefined) return own;
  const stored = await inputs.storedFile?.(record);
  if (stored !== undefined) return openFile(stored, inputs);
  return pinnedRef === undefined ? undefined : at(pinnedRef);
}

/**
 * What this tool chose from this folder or repository before, for the same use. A model that is loaded takes the memory that
 * the next look at the host misses: choosing again would give the same command another answer every time.
 */
async function earlierChoice(
  model: Model,
  available: Model['quants'],
  request: InstallRequest,
  inputs: PlanningInputs,
): Promise<InstallRecord | undefined> {
  const { from, name, useCase } = request;
  if (from === undefined) return undefined;
  const records = (await inputs.installed(model.id)).filter(
    (record) =>
      isSameChoice(record, useCase) &&
      (name === undefined || sameModel(record.name, name)) &&
      available.some(({ id }) => id === record.quant),
  );
  for (const record of records) {
    const file = await findFile(from, { model, quant: record.quant }, request, inputs);
    if (isFrom(file, record)) return record;
  }
  return undefined;
}

function keptChoice({ installedAt }: InstallRecord): string {
  return `chosen automatically when it was installed on ${installedAt.slice(0, 10)}; --force chooses again`;
}

function keptSource({ name, source, installedAt }: InstallRecord): string {
  const from = source.pinnedRef ?? source.ref;
  return `installed on ${installedAt.slice(0, 10)} from ${from}, which stays its source; for a newer one: gemma-provision upgrade ${name}`;
}

function isFrom(file: SourceFile, { source }: InstallRecord): boolean {
  const path = usersPath(file);
  return path === undefined ? file.ref === source.ref : path === source.path;
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

/** The quants whose bytes can be had: in the given folder or repository, shipped with this package, or from a source of the catalog. */
async function availableQuants(
  model: Model,
  request: InstallRequest,
  inputs: PlanningInputs,
): Promise<Model['quants']> {
  if (request.from === undefined) {
    const placed = model.quants.filter((quant) => placesOf(quant, inputs).length > 0);
    return inputs.offline === true ? quantsHere(placed, request, inputs) : placed;
  }
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
async function findFile(
  ref: string,
  wanted: { model: Model; quant: string } | undefined,
  request: InstallRequest,
  inputs: PlanningInputs,
): Promise<SourceFile> {
  const entry = wanted?.model.quants.find(({ id }) => id === wanted.quant);
  return fileAt(ref, entry?.file, request.digest === undefined ? {} : { digest: request.digest }, inputs);
}
