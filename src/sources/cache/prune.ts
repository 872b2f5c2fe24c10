import { basename } from 'node:path';
import type { Digest } from '../../core/digest.ts';
import { messageOf, ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import { formatDuration } from '../../core/units.ts';
import { type ContentsParts, listContents } from './contents.ts';
import type { Exclusive } from './fetch-lock.ts';
import { fetchLock, quiet } from './fetch-lock.ts';
import { digestOfName, removePartial } from './layout.ts';
import type { CachePruning } from './schema.ts';

export interface PruneParts extends ContentsParts {
  readonly exclusive: Exclusive;
  readonly now: () => Date;
}

export interface PruneOptions {
  /** Digests of the sources of installed models. They are kept, so that a repair needs no network. */
  readonly inUse: ReadonlySet<Digest>;
  /** Only files that were stored at least this long ago, in ms. */
  readonly olderThanMs?: number;
  /** Also files that are in use or were just stored. */
  readonly all?: boolean;
  /** Without it nothing is removed. */
  readonly apply: boolean;
}

/** Files stored within this time, in ms, may belong to an install that is still running and has no record yet. */
export const GRACE_MS = 3_600_000;

type Item = CachePruning['items'][number];
type Candidate = Omit<Item, 'removed' | 'problem'>;

/**
 * Finds what of the cache nothing needs, and removes it with `apply`. What another process fetches at this moment stays.
 * Progress under the id `prune`. Throws `file-access`; an abort throws the signal's reason.
 */
export async function* pruneContents(
  parts: PruneParts,
  options: PruneOptions,
  signal: AbortSignal,
): Work<CachePruning> {
  const { folder, blobs, partials } = await listContents(parts);
  const candidates = [
    ...blobs.flatMap((blob) => candidate(parts, options, { ...blob, whole: true })),
    ...partials.flatMap((part) => candidate(parts, options, { ...part, ...digestIn(part.path), whole: false })),
  ];
  const items: Item[] = [];
  for (const each of candidates) {
    items.push({ ...each, ...(options.apply ? yield* remove(parts, each, signal) : { removed: false }) });
  }
  if (options.apply) await forgetRemoved(parts, items, signal);
  const gone = options.apply ? items.filter((each) => each.removed) : items;
  return {
    folder,
    applied: options.apply,
    items,
    reclaimableBytes: gone.reduce((sum, each) => sum + each.sizeBytes, 0),
    kept: blobs.length + partials.length - gone.length,
  };
}

interface Entry {
  readonly path: string;
  readonly sizeBytes: number;
  readonly since: string;
  readonly digest?: Digest | undefined;
  readonly fileName?: string | undefined;
  readonly whole: boolean;
}

/** The entry with the reason why it can go; nothing where it stays. */
function candidate(parts: PruneParts, options: PruneOptions, entry: Entry): Candidate[] {
  const ageMs = parts.now().getTime() - Date.parse(entry.since);
  if (options.olderThanMs !== undefined && ageMs < options.olderThanMs) return [];
  const inUse = entry.digest !== undefined && options.inUse.has(entry.digest);
  // A clock that was set back must not make a file look new indefinitely.
  const fresh = ageMs >= 0 && ageMs < GRACE_MS;
  if (options.all !== true && ((entry.whole && inUse) || fresh)) return [];
  const { path, sizeBytes, digest, fileName } = entry;
  const named = { ...(digest !== undefined && { digest }), ...(fileName !== undefined && { fileName }) };
  return [{ path, sizeBytes, ...named, reason: reasonOf(entry, inUse, ageMs) }];
}

function reasonOf(entry: Entry, inUse: boolean, ageMs: number): string {
  const age = ageMs < 0 ? 'its time is in the future' : `stored ${formatDuration(ageMs)} ago`;
  if (!entry.whole) return `partial download; ${age}`;
  return `${inUse ? 'source of an installed model' : 'not the source of an installed model'}; ${age}`;
}

/** A partial is called after its digest; files that belong to it have a longer name. */
function digestIn(path: string): { digest?: Digest } {
  const digest = digestOfName(basename(path).slice(0, 'sha256-'.length + 64));
  return digest === undefined ? {} : { digest };
}

/** Under the lock of its digest, so that nothing is taken away from a process that is writing it. */
async function* remove(
  parts: PruneParts,
  { path, digest }: Candidate,
  signal: AbortSignal,
): Work<Pick<Item, 'removed' | 'problem'>> {
  const { disk } = parts;
  try {
    const unlink = () => removePartial(disk, path);
    if (digest === undefined) await unlink();
    else yield* parts.exclusive(fetchLock(digest), signal, () => quiet(unlink));
    return { removed: true };
  } catch (error) {
    signal.throwIfAborted();
    const isBusy = error instanceof ProvisionError && error.code === 'busy';
    return { removed: false, problem: isBusy ? 'another process is downloading it' : messageOf(error) };
  }
}

async function forgetRemoved(parts: PruneParts, items: readonly Item[], signal: AbortSignal): Promise<void> {
  const gone = items.flatMap((each) => (each.removed && each.digest !== undefined ? [each.digest] : []));
  if (gone.length > 0) await parts.refs.forget(new Set(gone), signal);
}
