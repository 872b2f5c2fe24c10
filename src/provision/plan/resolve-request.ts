/** From what the user gave (a name, a quant, a file, a folder, or little of it) to one model, one quant and one file. */
import { basename } from 'node:path';
import { defaultModel } from '../../catalog/lookup.ts';
import type { Model, Quant } from '../../catalog/schema.ts';
import type { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { GgufFacts } from '../../gguf/schema.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import { sameModel } from '../../runtimes/names.ts';
import {
  type Elsewhere,
  type InstallRequest,
  type OtherPlace,
  type PlanningInputs,
  type SourceFile,
  usersPath,
} from './contract.ts';
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

/** Where nothing may be downloaded: the quants that are on this machine; all where there is none, so that the best one is named as missing. */
async function quantsHere(
  quants: Model['quants'],
  request: InstallRequest,
  inputs: PlanningInputs,
): Promise<Model['quants']> {
  const here: Model['quants'] = [];
  for (const quant of quants) {
    for (const place of samePlaces(quant, request, inputs)) {
      if (!(await isHere(place, quant.file, inputs))) continue;
      here.push(quant);
      break;
    }
  }
  return here.length > 0 ? here : quants;
}

async function isHere({ ref, expected }: Place, fileName: string, inputs: PlanningInputs): Promise<boolean> {
  try {
    await fileAt(ref, fileName, expected, inputs);
    return true;
  } catch (error) {
    if (error instanceof ProvisionError && ELSEWHERE.has(error.code)) return false;
    throw error;
  }
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

/** A quant's first place, then the others that are known to have the same bytes. */
function samePlaces(quant: Quant, request: InstallRequest, inputs: PlanningInputs): Place[] {
  const [first, ...others] = placesOf(quant, inputs);
  if (first === undefined) return [];
  const wanted = request.digest ?? first.expected.digest;
  const { same } = sortPlaces(others, wanted);
  return [first, ...same].map(({ ref, expected }) => ({
    ref,
    expected: { ...expected, ...(wanted !== undefined && { digest: wanted }) },
  }));
}

/** A file with what its header says. */
interface OpenedFile {
  readonly file: SourceFile;
  readonly header: GgufFacts;
  /** Why it is not from the first place. */
  readonly reasons?: readonly string[];
  readonly elsewhere?: Elsewhere;
}

async function openFile(file: SourceFile, inputs: PlanningInputs): Promise<OpenedFile> {
  try {
    return { file, header: await inputs.readHeader(file) };
  } catch (error) {
    throw blamingMirror(file, error);
  }
}

/** What is wrong with a header. */
const OTHER_BYTES: ReadonlySet<string> = new Set(['bad-gguf', 'truncated-file', 'wrong-architecture', 'bad-usage']);

/**
 * The header that a mirror sends is read before its bytes have a digest. One that is not that of the wanted file is the
 * mirror's fault: what it says of itself is no advice.
 */
function blamingMirror(file: SourceFile, error: unknown): unknown {
  const isMirror = file.kind === 'remote' && file.servedBy !== undefined;
  if (!isMirror || !(error instanceof ProvisionError) || !OTHER_BYTES.has(error.code)) return error;
  return new ProvisionError(
    'digest-mismatch',
    `the mirror ${file.servedBy} serves other bytes than ${file.ref}: their header is not that of the file`,
    { suggestions: ['Correct the file at the mirror, or remove the mirror from the setting mirrors.'], cause: error },
  );
}

/** Faults of one place that another may not have. */
const ELSEWHERE: ReadonlySet<string> = new Set(['network', 'remote-fault', 'source-not-found', 'unauthorised']);

/** A quant's file from its first place, else from one that is known to have the same bytes. Undefined for a quant without a place. */
async function openPlaced(
  model: Model,
  quant: string,
  request: InstallRequest,
  inputs: PlanningInputs,
): Promise<OpenedFile | undefined> {
  const entry = model.quants.find(({ id }) => id === quant);
  if (entry === undefined) return undefined;
  const same = samePlaces(entry, request, inputs);
  if (same.length === 0) return undefined;
  const different = placesOf(entry, inputs).filter(({ ref }) => same.every((place) => place.ref !== ref));
  try {
    return await openFirst({ same, different, fileName: entry.file }, undefined, inputs);
  } catch (error) {
    const isDown = error instanceof ProvisionError && error.code === 'network' && inputs.offline !== true;
    throw isDown ? withWaysRoundTheNetwork(error, `${model.id}:${quant}`, same) : error;
  }
}

/** The user did not name the source, so a failed connection alone says too little. */
function withWaysRoundTheNetwork(error: ProvisionError, chosen: string, places: readonly Place[]): ProvisionError {
  const sources = places.map(({ ref }) => ref).join(', ');
  return new ProvisionError(
    error.code,
    `${error.message} (${chosen} was chosen; ${places.length === 1 ? 'its source is' : 'its sources are'} ${sources})`,
    {
      cause: error,
      suggestions: [
        ...error.suggestions,
        'If you have the file, pass it: --from FILE.',
        'Or name a mirror: HF_ENDPOINT, or the setting mirrors (docs/sources.md).',
      ],
    },
  );
}

interface Search {
  /** In their order; the first may be the only one whose digest is not known. */
  readonly same: readonly Place[];
  /** Places with other bytes, or of which that is not known. */
  readonly different: readonly Place[];
  readonly fileName: string;
}

function sortPlaces(places: readonly Place[], digest: Digest | undefined): Pick<Search, 'same' | 'different'> {
  const isSame = ({ expected }: Place) => digest !== undefined && expected.digest === digest;
  return { same: places.filter(isSame), different: places.filter((place) => !isSame(place)) };
}

/** A place that cannot be used, and why. */
interface FailedPlace {
  readonly ref: string;
  readonly error: ProvisionError;
}

/**
 * The file from the first place that has it; which ones failed is one of the reasons. Other bytes are never taken in its
 * place: two hosts would differ by chance. Throws what the first failed place throws, with the ways to other bytes.
 */
async function openFirst(search: Search, before: FailedPlace | undefined, inputs: PlanningInputs): Promise<OpenedFile> {
  const { same, different, fileName } = search;
  const failed = before === undefined ? [] : [before];
  for (const [index, { ref, expected }] of same.entries()) {
    try {
      const { file, header } = await openFile(await fileAt(ref, fileName, expected, inputs), inputs);
      const reasons = failed.length === 0 ? [] : [...failed.map(failureText), `The same bytes come from ${ref}.`];
      const warnings = [...reasons, ...(file.warnings ?? [])];
      const rest = sortPlaces([...same.slice(index + 1), ...different], file.digest);
      return {
        file: warnings.length > 0 ? { ...file, warnings } : file,
        header,
        reasons,
        elsewhere: async (failure) => {
          return withReasons(await openFirst({ ...rest, fileName }, { ref, error: faultOfPlace(failure) }, inputs));
        },
      };
    } catch (error) {
      failed.push({ ref, error: faultOfPlace(error) });
    }
  }
  const [first] = failed;
  if (first === undefined) throw new TypeError('a search has a place');
  throw withOtherPlaces(first.error, different);
}

function withReasons({ file, reasons = [], elsewhere }: OpenedFile): OtherPlace {
  return { file, reasons, ...(elsewhere !== undefined && { elsewhere }) };
}

function failureText({ ref, error }: FailedPlace): string {
  return `${ref} cannot be used: ${error.message}`;
}

/** Throws what no other place makes up for, such as a wrong digest or an abort. */
function faultOfPlace(error: unknown): ProvisionError {
  if (error instanceof ProvisionError && ELSEWHERE.has(error.code)) return error;
  throw error;
}

/** Other places have other bytes of the same quant: only the user can decide for them. A network that is down has none. */
function withOtherPlaces(error: ProvisionError, places: readonly Place[]): ProvisionError {
  if (places.length === 0 || error.code === 'network') return error;
  const ways = places.map(({ ref }) => `Take another publisher's file of this quant, with other bytes: --from ${ref}`);
  return new ProvisionError(error.code, error.message, { suggestions: [...error.suggestions, ...ways], cause: error });
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

/** At most so many files of a folder are named. */
const NAMED_FILES = 5;

/** What a folder has instead of a model's files, and why each of them is none; undefined for anything but a folder. */
async function nothingInFolder(
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
function nothingToInstall(
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

/** The name that its publisher gave a file: it may say which quant it is. */
export function fileNameOf(file: SourceFile): string {
  return file.fileName ?? basename(file.kind === 'file' ? file.path : file.ref);
}

/** Where a file is, for messages. */
export function locationOf(file: SourceFile): string {
  return usersPath(file) ?? file.ref;
}
