import { join } from 'node:path';
import type { Digest } from '../../core/digest.ts';
import { errnoOf, messageOf } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import { type Disk, type FileFacts, usedBytes } from '../../disk/disk.ts';
import { stateFileOf } from '../download/contract.ts';
import { cacheError } from './errors.ts';
import { digestOfName, regularFile, removeFile, requireInside } from './layout.ts';
import type { RefMemory } from './refs.ts';
import type { CacheContents, CachedPartial, CacheVerification } from './schema.ts';
import { type FindParts, verifyBlob } from './verified-blob.ts';

const STATE = stateFileOf('');

export interface ContentsParts extends FindParts {
  readonly refs: RefMemory;
}

/** What the cache holds, the newest first. Reads no file of it. Throws `file-access`. */
export async function listContents(parts: ContentsParts): Promise<CacheContents> {
  const { disk, layout } = parts;
  await requireInside(disk, layout);
  const refs = await parts.refs.all();
  const blobs = (await filesIn(disk, layout.blobs)).flatMap(({ name, path, facts }) => {
    const digest = digestOfName(name);
    if (digest === undefined) return [];
    const mine = refs.filter((each) => each.digest === digest);
    const fileName = mine.at(-1)?.fileName;
    const names = [...new Set(mine.flatMap((each) => [each.ref, each.pinnedRef]))];
    return [{ digest, path, ...sizeAndTime(facts), ...(fileName !== undefined && { fileName }), refs: names }];
  });
  const partials = partialsOf(await filesIn(disk, layout.partial));
  const totalBytes = [...blobs, ...partials].reduce((sum, each) => sum + each.sizeBytes, 0);
  return { folder: layout.folder, blobs: newestFirst(blobs), partials: newestFirst(partials), totalBytes };
}

/**
 * Reads every file of the cache and compares it with the digest in its name. With `remove`, what is corrupt is removed.
 * Progress under the id `verify`. Throws `file-access`; an abort throws the signal's reason.
 */
export async function* verifyContents(
  parts: ContentsParts,
  options: { readonly remove: boolean },
  signal: AbortSignal,
): Work<CacheVerification> {
  const { blobs, folder } = await listContents(parts);
  const results: CacheVerification['results'] = [];
  for (const { digest, path, sizeBytes } of blobs) {
    const state = yield* recheck(parts, digest, signal);
    if (state === undefined) continue;
    const removed = state.problem !== undefined && options.remove && (await tryRemove(parts.disk, path));
    results.push({ digest, path, sizeBytes, ok: state.problem === undefined, ...state, removed });
  }
  const gone = new Set(results.filter((each) => each.removed).map((each) => each.digest));
  if (gone.size > 0) await parts.refs.forget(gone, signal);
  return { folder, results };
}

/** What is wrong with a file, if anything; undefined when it is gone meanwhile. */
async function* recheck(
  parts: ContentsParts,
  digest: Digest,
  signal: AbortSignal,
): Work<{ problem?: string } | undefined> {
  try {
    const state = yield* verifyBlob(parts, digest, signal, 'again');
    if (state.kind === 'absent') return undefined;
    return state.kind === 'good' ? {} : { problem: state.problem };
  } catch (error) {
    signal.throwIfAborted();
    return { problem: messageOf(error) };
  }
}

async function tryRemove(disk: Disk, path: string): Promise<boolean> {
  return removeFile(disk, path).then(
    () => true,
    () => false,
  );
}

/** A partial file may have holes, and counts with what it really takes; its state file counts as part of it. */
function partialsOf(files: readonly Found[]): CachedPartial[] {
  const paths = new Set(files.map(({ path }) => path));
  const states = new Map(files.map(({ path, facts }) => [path, facts.size]));
  return files.flatMap(({ path, facts }) => {
    if (path.endsWith(STATE) && paths.has(path.slice(0, -STATE.length))) return [];
    const taken = usedBytes(facts) + Number(states.get(stateFileOf(path)) ?? 0n);
    return [{ ...sizeAndTime(facts), path, sizeBytes: taken }];
  });
}

interface Found {
  readonly name: string;
  readonly path: string;
  readonly facts: FileFacts;
}

/** Regular files only; nothing where there is no such folder. */
async function filesIn(disk: Disk, folder: string): Promise<Found[]> {
  const found: Found[] = [];
  for (const name of await namesIn(disk, folder)) {
    const path = join(folder, name);
    const facts = await regularFile(disk, path);
    if (facts !== undefined) found.push({ name, path, facts });
  }
  return found;
}

async function namesIn(disk: Disk, folder: string): Promise<string[]> {
  try {
    return await disk.readdir(folder);
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return [];
    throw cacheError(folder, 'list', cause);
  }
}

function sizeAndTime(facts: FileFacts): { sizeBytes: number; since: string } {
  return { sizeBytes: Number(facts.size), since: new Date(Number(facts.mtimeNs / 1_000_000n)).toISOString() };
}

function newestFirst<Item extends { readonly since: string; readonly path: string }>(items: Item[]): Item[] {
  return items.sort((a, b) => b.since.localeCompare(a.since) || a.path.localeCompare(b.path));
}
