/** The places where the bytes of a quant can be had, in their order: which one is taken, and what is said of the others. */
import { basename } from 'node:path';
import type { Model, Quant } from '../../catalog/schema.ts';
import type { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { GgufFacts } from '../../gguf/schema.ts';
import {
  type Elsewhere,
  type InstallRequest,
  type OtherPlace,
  type PlanningInputs,
  type SourceFile,
  usersPath,
} from './contract.ts';

/** Where nothing may be downloaded: the quants that are on this machine; all where there is none, so that the best one is named as missing. */
export async function quantsHere(
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

interface Place {
  readonly ref: string;
  readonly expected: { readonly digest?: Digest; readonly sizeBytes?: number };
}

/** Where a quant's file is by default: in this package, else at the sources of the catalog in their order. */
export function placesOf({ bundled, digest, sources = [] }: Quant, inputs: PlanningInputs): Place[] {
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
export interface OpenedFile {
  readonly file: SourceFile;
  readonly header: GgufFacts;
  /** Why it is not from the first place. */
  readonly reasons?: readonly string[];
  readonly elsewhere?: Elsewhere;
}

export async function openFile(file: SourceFile, inputs: PlanningInputs): Promise<OpenedFile> {
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
export function blamingMirror(file: SourceFile, error: unknown): unknown {
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
export async function openPlaced(
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

export async function fileAt(
  ref: string,
  fileName: string | undefined,
  expected: Place['expected'],
  inputs: PlanningInputs,
): Promise<SourceFile> {
  const resolved = await inputs.resolve({ ref, ...(fileName !== undefined && { fileName }), expected });
  if (resolved.kind !== 'library') return resolved;
  throw new ProvisionError('bad-usage', `${ref} is not a file`);
}

/** The name that its publisher gave a file: it may say which quant it is. */
export function fileNameOf(file: SourceFile): string {
  return file.fileName ?? basename(file.kind === 'file' ? file.path : file.ref);
}

/** Where a file is, for messages. */
export function locationOf(file: SourceFile): string {
  return usersPath(file) ?? file.ref;
}
