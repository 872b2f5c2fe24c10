import { digestOf } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { ProgressEvent } from '../../core/progress.ts';
import { slug } from '../../core/slug.ts';
import type { Held } from '../../registry/index.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import type { Runtime, StoredModel } from '../../runtimes/contract.ts';
import { parseModelName, sameModel } from '../../runtimes/names.ts';
import { stagingNameOf } from '../plan/names.ts';

/** What names of the runtime answer with, compared by digests. */

/** A name that exists and that the runtime cannot read: a full disk leaves manifests of 0 bytes. */
export const BROKEN = Symbol('broken');

/** What a name holds; undefined when there is nothing, `BROKEN` when the runtime cannot read it. */
export async function findModel(
  runtime: Pick<Runtime, 'find'>,
  name: string,
  signal: AbortSignal,
): Promise<StoredModel | typeof BROKEN | undefined> {
  try {
    return await runtime.find(name, signal);
  } catch (error) {
    if (error instanceof ProvisionError && error.code === 'needs-repair') return BROKEN;
    throw error;
  }
}

export function identityOf({ entryDigest, layerDigest }: Held): Held {
  return { ...(entryDigest && { entryDigest }), ...(layerDigest && { layerDigest }) };
}

/** By the whole entry where both sides have its digest, else by the model layer; what cannot be compared counts as the same. */
export function sameModelIdentity(a: Held, b: Held): boolean {
  if (a.entryDigest !== undefined && b.entryDigest !== undefined) return a.entryDigest === b.entryDigest;
  return a.layerDigest === undefined || b.layerDigest === undefined || a.layerDigest === b.layerDigest;
}

/** True only when both sides report the digest of the entry (or, where one does not, of the model layer) and it is equal. */
export function isSurelySame(a: Held, b: Held): boolean {
  if (a.entryDigest !== undefined && b.entryDigest !== undefined) return a.entryDigest === b.entryDigest;
  return a.layerDigest !== undefined && a.layerDigest === b.layerDigest;
}

/**
 * Whether a run on `owner` may have touched a name: its own, those that this tool derives from it, and names of a library,
 * which have no namespace. A journal that says another name was written by somebody else.
 */
export function mayBelongTo(name: string, owner: string): boolean {
  return isDerivedFrom(name, owner) || sameModel(name, owner) || !name.includes('/');
}

/** A name that only this tool makes, for this model. */
function isDerivedFrom(name: string, owner: string): boolean {
  return sameModel(name, stagingNameOf(owner)) || name.startsWith(`${KEPT_PREFIX}:${slug(owner, 60)}-`);
}

/**
 * Removes a name that a journal or a record says is ours: one that only this tool makes for `owner`, or one that still has
 * what we put there. Any other is left alone. Returns whether the name is gone.
 */
export async function removeIfOurs(
  name: string,
  { owner, made }: { readonly owner: string; readonly made: readonly Held[] },
  runtime: Pick<Runtime, 'find' | 'remove'>,
  signal: AbortSignal,
): Promise<boolean> {
  if (!isDerivedFrom(name, owner)) {
    if (!mayBelongTo(name, owner)) return false;
    const now = await findModel(runtime, name, signal);
    if (now === undefined) return true;
    if (now === BROKEN || !made.some((held) => isSurelySame(now, held))) return false;
  }
  await runtime.remove(name, signal);
  return true;
}

/** What is reported of a name that holds another model than the one that this tool put there. */
export function leftAlone(name: string): ProgressEvent {
  return { type: 'warning', message: `${name} has a model that this tool did not put there; it was left alone` };
}

/** Model part of the names under which replaced versions wait for a rollback. */
const KEPT_PREFIX = 'gemma-provision-previous';

/**
 * Where a version of a model is kept. Different for every version: the one before stays kept until the new one has its
 * record, and a name in a record always means the version that the record speaks of.
 */
export function previousNameOf(name: string, { entryDigest, layerDigest }: Held): string {
  const what = JSON.stringify([parseModelName(name).canonical, entryDigest ?? layerDigest ?? '']);
  return `${KEPT_PREFIX}:${slug(name, 60)}-${digestOf(what).slice('sha256:'.length).slice(0, 12)}`;
}

/** True for names under which this tool keeps replaced versions, whether a record still speaks of them or not. */
export function isPreviousName(name: string): boolean {
  return name.startsWith(`${KEPT_PREFIX}:`);
}

export type Previous = NonNullable<InstallRecord['previous']>;

interface Replacing {
  /** Versions are kept for a rollback. */
  readonly keep: boolean;
  /** What is installed now is the version that was there. */
  readonly isSame: boolean;
  /** What the version that was there had replaced is still kept. */
  readonly isEarlierThere: boolean;
  /** Where the version that was there is kept. */
  readonly keptAs?: string;
}

/** The version to go back to, as the new record describes it. One that can be gone back to is never given up for one that cannot. */
export function previousOf(
  before: InstallRecord | undefined,
  { keep, isSame, isEarlierThere, keptAs }: Replacing,
): Previous | undefined {
  if (before === undefined) return undefined;
  const { previous: earlier, ...body } = before;
  const isKept = keep && isEarlierThere;
  if (isSame) return isKept || earlier === undefined ? earlier : notKept(earlier);
  if (keptAs !== undefined) return { ...body, keptAs };
  return isKept && earlier !== undefined ? earlier : body;
}

function notKept({ keptAs: _, ...body }: Previous): Previous {
  return body;
}
