/** What a lock file asks for, where the user asks for nothing. */
import { posix, resolve } from 'node:path';
import type { Digest } from '../core/digest.ts';
import type { LockFile } from './lock-file.ts';

/** The part of an install's request that a lock file has a say in. */
export interface LockedRequest {
  readonly model?: string;
  readonly quant?: string;
  readonly from?: string;
  readonly name?: string;
  readonly family?: string;
  readonly sampling?: string;
  readonly digest?: Digest;
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

/**
 * The request with everything from the lock file that the user did not name. What he named stays, so that it shows as a
 * difference instead of being ignored.
 */
export function frozenRequest<Request extends LockedRequest>(
  lock: LockFile,
  request: Request,
  { folder, known }: FrozenContext,
): Request & { readonly load?: LockedLoad } {
  const model = request.model ?? (known ? lock.model : undefined);
  const quant = request.quant ?? (known && !request.model?.includes(':') ? lock.quant : undefined);
  const from = request.from ?? placeOf(lock, folder);
  const family = request.family ?? (known ? undefined : lock.family);
  // A file of this machine is read in any case, and what it has is compared.
  const digest = request.digest ?? (from !== undefined && isRemote(from) ? lock.source.digest : undefined);
  const load = loadOf(lock, request.settings);
  return {
    ...request,
    ...(model !== undefined && { model }),
    ...(quant !== undefined && { quant }),
    ...(from !== undefined && { from }),
    ...(family !== undefined && { family }),
    name: request.name ?? lock.name,
    sampling: request.sampling ?? lock.profile,
    ...(digest !== undefined && { digest }),
    ...(load !== undefined && { load }),
  };
}

/** True for a reference with a scheme; one letter is a drive of Windows. */
function isRemote(ref: string): boolean {
  return /^(?!file:)[a-z][a-z0-9+.-]+:/i.test(ref);
}

/** Where the bytes are to come from; undefined for a file that ships with this tool, which is found by its model. */
function placeOf({ source: { ref, pinnedRef } }: LockFile, folder: string): string | undefined {
  if (ref.startsWith('package:')) return undefined;
  if (!ref.startsWith('file:')) return pinnedRef ?? ref;
  const path = ref.slice('file:'.length);
  return posix.isAbsolute(path) ? path : resolve(folder, path);
}

/** Undefined when the user asks for another context or batch: then the plan is made anew, and differs. */
function loadOf({ parameters }: LockFile, asked: LockedRequest['settings']): LockedLoad | undefined {
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
