/** Installing from a lock file: the request that it describes, and every difference between it and a plan. */

import { posix, resolve } from 'node:path';
import type { Digest } from '../core/digest.ts';
import { ProvisionError } from '../core/errors.ts';
import { RAW_TEMPLATE } from '../modelfile/templates.ts';
import type { LockFile } from './lock-file.ts';

export interface Difference {
  /** JSON path in the lock file. */
  readonly path: string;
  /** As JSON; absent where the one side has nothing there. */
  readonly wanted?: string;
  readonly got?: string;
}

/** Says who wrote the lock and what the publisher tells beside the bytes: nothing of it changes what is installed. */
const INFORMATIVE_PATHS: ReadonlySet<string> = new Set(['toolVersion', 'catalog.version', 'version']);

export interface DifferenceOptions {
  /** False where no smoke test is to be run. */
  readonly suite?: boolean;
}

/** Everything in which an install would not be what the lock file says, in the order of the paths. */
export function compareLocks(lock: LockFile, now: LockFile, { suite = true }: DifferenceOptions = {}): Difference[] {
  const skipped = (path: string) =>
    INFORMATIVE_PATHS.has(path) ||
    path.startsWith('source.provenance.') ||
    (!suite && path.startsWith('suite.')) ||
    (['source', 'projector'] as const).some((file) => saysNothing(path, file, lock, now));
  const [wanted, got] = [flatten(lock), flatten(now)];
  const paths = [...new Set([...wanted.keys(), ...got.keys()])].filter((path) => !skipped(path)).sort();
  return paths.flatMap((path) => {
    const [a, b] = [wanted.get(path), got.get(path)];
    if (a === b) return [];
    return [{ path, ...(a !== undefined && { wanted: a }), ...(b !== undefined && { got: b }) }];
  });
}

/**
 * True for the reference of a file where one side is a file of a machine: where that lies says nothing, and its digest is
 * compared in any case. Two references to publishers are compared: the lock names a revision.
 */
function saysNothing(path: string, file: 'source' | 'projector', lock: LockFile, now: LockFile): boolean {
  const [wanted, got] = [lock[file], now[file]];
  if (wanted === undefined || got === undefined) return false;
  if (isLocal(wanted.ref) || isLocal(got.ref)) return path === `${file}.ref` || path === `${file}.pinnedRef`;
  return path === `${file}.ref` && wanted.pinnedRef !== undefined && got.pinnedRef !== undefined;
}

function isLocal(ref: string): boolean {
  return ref.startsWith('file:') || ref.startsWith('package:');
}

/** Throws `lock-differs` that names every difference. */
export function requireNoDifferences(found: readonly Difference[], lockName: string): void {
  if (found.length === 0) return;
  throw new ProvisionError(
    'lock-differs',
    `this differs from ${lockName}:\n${found.map((each) => `  ${formatDifference(each)}`).join('\n')}`,
    {
      suggestions: [
        'Omit the flags that ask for something else.',
        'To accept the new state, update the lock file with: gemma-provision lock',
      ],
    },
  );
}

/** `parameters.num_ctx: wanted 8192, got 4096`. */
export function formatDifference({ path, wanted = 'nothing', got = 'nothing' }: Difference): string {
  return `${path}: wanted ${wanted}, got ${got}`;
}

/** The scalars and lists of a document by their paths, as JSON. */
function flatten(value: object, prefix = ''): Map<string, string> {
  const leaves = new Map<string, string>();
  for (const [key, member] of Object.entries(value)) {
    const path = prefix === '' ? key : `${prefix}.${key}`;
    if (member === undefined) continue;
    if (typeof member === 'object' && member !== null && !Array.isArray(member)) {
      for (const [inner, leaf] of flatten(member, path)) leaves.set(inner, leaf);
    } else {
      leaves.set(path, JSON.stringify(member));
    }
  }
  return leaves;
}

/** The part of an install's request that a lock file has a say in. */
export interface LockedRequest {
  readonly model?: string;
  readonly quant?: string;
  readonly from?: string;
  readonly name?: string;
  readonly family?: string;
  readonly sampling?: string;
  readonly chatTemplate?: 'family' | 'none';
  readonly digest?: Digest;
  readonly vision?: 'auto' | 'on' | 'off';
  readonly projector?: { readonly ref: string; readonly digest?: Digest };
  readonly settings: { readonly contextLength?: number; readonly batch?: number };
}

export interface LockedLoad {
  readonly settings: { readonly contextLength?: number; readonly batch?: number };
  readonly gpuLayers?: number;
}

export interface FrozenContext {
  /** Absolute folder of the lock file. */
  readonly folder: string;
  /** True when the catalog has the model; else its file's header says what it is. */
  readonly known: boolean;
}

const FROM_LOCK = { reason: 'the lock file specifies this quant', automatic: false };

/**
 * The request with everything from the lock file that the user did not name. What he named stays, so that it shows as a
 * difference instead of being ignored.
 */
export function fillFromLock<Request extends LockedRequest>(
  lock: LockFile,
  request: Request,
  { folder, known }: FrozenContext,
): Request & { readonly load?: LockedLoad; readonly quantOrigin?: typeof FROM_LOCK } {
  const model = request.model ?? (known ? lock.model : undefined);
  const quant = request.quant ?? (known && !request.model?.includes(':') ? lock.quant : undefined);
  const from = request.from ?? placeInLock(lock.source, folder);
  const family = request.family ?? (known ? undefined : lock.family);
  // A file of this machine is read in any case, and what it has is compared.
  const digest = request.digest ?? (from !== undefined && isRemote(from) ? lock.source.digest : undefined);
  const load = loadSettingsInLock(lock, request.settings);
  const givenTemplate = lock.template.name === RAW_TEMPLATE ? 'none' : 'family';
  return {
    ...request,
    ...(model !== undefined && { model }),
    ...(quant !== undefined && { quant }),
    ...(quant !== request.quant && { quantOrigin: FROM_LOCK }),
    ...(from !== undefined && { from }),
    ...(family !== undefined && { family }),
    name: request.name ?? lock.name,
    sampling: request.sampling ?? lock.profile,
    chatTemplate: request.chatTemplate ?? givenTemplate,
    ...(digest !== undefined && { digest }),
    ...projectorInLock(lock, request, folder),
    ...(load !== undefined && { load }),
  };
}

/** True for a reference with a scheme; one letter is a drive of Windows. */
function isRemote(ref: string): boolean {
  return /^(?!file:)[a-z][a-z0-9+.-]+:/i.test(ref);
}

/** A lock without a projector is one of a model for text: nothing is added to that. */
function projectorInLock(
  { projector }: LockFile,
  { vision, projector: given }: LockedRequest,
  folder: string,
): Pick<LockedRequest, 'vision' | 'projector'> {
  if (given !== undefined || vision === 'off') return {};
  if (projector === undefined) return { vision: vision ?? 'off' };
  const ref = placeInLock(projector, folder);
  if (ref === undefined) return {};
  return { projector: { ref, ...(isRemote(ref) && { digest: projector.digest }) } };
}

/** Where the bytes are to come from; undefined for a file that ships with this tool, which is found by its model. */
function placeInLock(
  { ref, pinnedRef }: { readonly ref: string; readonly pinnedRef?: string | undefined },
  folder: string,
): string | undefined {
  if (ref.startsWith('package:')) return undefined;
  if (!ref.startsWith('file:')) return pinnedRef ?? ref;
  const path = ref.slice('file:'.length);
  return posix.isAbsolute(path) ? path : resolve(folder, path);
}

/** Undefined when the user asks for another context or batch: then the plan is made anew, and differs. */
function loadSettingsInLock({ parameters }: LockFile, asked: LockedRequest['settings']): LockedLoad | undefined {
  const { num_ctx: contextLength, num_batch: batch, num_gpu: gpuLayers } = parameters;
  const differs = (wanted: number | undefined, locked: unknown) => wanted !== undefined && wanted !== locked;
  if (differs(asked.contextLength, contextLength) || differs(asked.batch, batch)) return undefined;
  return {
    settings: {
      ...(typeof contextLength === 'number' && { contextLength }),
      ...(typeof batch === 'number' && { batch }),
    },
    ...(typeof gpuLayers === 'number' && { gpuLayers }),
  };
}
