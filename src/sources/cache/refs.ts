import { join } from 'node:path';
import type { Digest } from '../../core/digest.ts';
import { drive } from '../../core/progress.ts';
import type { TextFiles } from '../../disk/disk.ts';
import type { Exclusive } from './fetch-lock.ts';
import { quiet } from './fetch-lock.ts';
import { CachedRef, RefsDocument } from './schema.ts';

/** References kept; the oldest go first. */
const MAX_REFS = 2048;

/** What references resolved to when they were last requested. With it, a cached file can be installed without a network. */
export interface RefMemory {
  /** By either of its names. */
  find(key: string): Promise<CachedRef | undefined>;
  ofDigest(digest: Digest): Promise<CachedRef[]>;
  all(): Promise<CachedRef[]>;
  /** Writes only what is new. Never throws but for an abort: a memory that cannot be written stops no work. */
  remember(ref: CachedRef, signal: AbortSignal): Promise<void>;
  forget(digests: ReadonlySet<Digest>, signal: AbortSignal): Promise<void>;
}

/** The memory in `<cacheDir>/refs.json`. A file that is broken counts as empty; its next write replaces it. */
export function createRefMemory(disk: TextFiles, folder: string, exclusive: Exclusive): RefMemory {
  const path = join(folder, 'refs.json');
  const all = () => readRefs(disk, path);

  async function change(signal: AbortSignal, edit: (refs: CachedRef[]) => CachedRef[] | undefined): Promise<void> {
    if (edit(await all()) === undefined) return;
    // Read again under the lock: another run may have written since.
    const write = async () => {
      const refs = edit(await all());
      if (refs === undefined) return;
      const document = { schemaVersion: 1, refs: refs.slice(-MAX_REFS) } satisfies RefsDocument;
      await disk.replaceText(path, `${JSON.stringify(document, null, 1)}\n`);
    };
    const work = exclusive('cache refs', signal, () => quiet(write));
    await drive(work, () => undefined).catch(() => signal.throwIfAborted());
  }

  return {
    all,
    find: async (key) => (await all()).findLast((each) => each.ref === key || each.pinnedRef === key),
    ofDigest: async (digest) => (await all()).filter((each) => each.digest === digest),
    remember: (ref, signal) =>
      change(signal, (refs) => {
        if (refs.some((each) => sameMeaning(each, ref))) return undefined;
        // What the name meant before is still remembered by what it was pinned to.
        const others = refs.map((each) => (each.ref === ref.ref ? { ...each, ref: each.pinnedRef } : each));
        return lastOfEachName([...others, CachedRef.parse(ref)]);
      }),
    forget: (digests, signal) =>
      change(signal, (refs) => {
        const left = refs.filter((each) => !digests.has(each.digest));
        return left.length === refs.length ? undefined : left;
      }),
  };
}

function lastOfEachName(refs: readonly CachedRef[]): CachedRef[] {
  const byName = new Map<string, CachedRef>();
  for (const each of refs) {
    byName.delete(each.ref);
    byName.set(each.ref, each);
  }
  return [...byName.values()];
}

function sameMeaning(a: CachedRef, b: CachedRef): boolean {
  return JSON.stringify({ ...CachedRef.parse(a), at: '' }) === JSON.stringify({ ...CachedRef.parse(b), at: '' });
}

async function readRefs(disk: TextFiles, path: string): Promise<CachedRef[]> {
  try {
    const parsed = RefsDocument.safeParse(JSON.parse((await disk.readText(path)) ?? 'null'));
    return parsed.success ? parsed.data.refs : [];
  } catch {
    return [];
  }
}
