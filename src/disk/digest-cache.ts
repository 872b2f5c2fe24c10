import { join } from 'node:path';
import * as z from 'zod';
import { Digest } from '../core/digest.ts';
import type { Disk, FileFacts, TextFiles } from './disk.ts';

/** Entries kept; the oldest go first. A model folder of a fleet host has tens of files, not thousands. */
export const MAX_ENTRIES = 512;

const Entry = z.strictObject({
  path: z.string(),
  /** Device, inode, size, modification and change time: what a file cannot keep when its bytes change. */
  stamp: z.string(),
  digest: Digest,
});
const CacheDocument = z.strictObject({ schemaVersion: z.literal(1), entries: z.array(Entry) });
type Entry = z.infer<typeof Entry>;

/** Remembers digests of files that were read in full, so that a second run reads no byte of a model. */
export interface DigestCache {
  find(path: string, facts: FileFacts): Promise<Digest | undefined>;
  remember(path: string, facts: FileFacts, digest: Digest): Promise<void>;
}

/** A cache that remembers nothing, for callers without a cache folder. */
export const NO_DIGEST_CACHE: DigestCache = {
  find: () => Promise.resolve(undefined),
  remember: () => Promise.resolve(),
};

/**
 * The cache in `<cacheDir>/digests.json`. It only ever saves time: a file that is broken, unreadable or cannot be
 * written counts as empty and never stops the work. Two runs at once may lose each other's newest entry, nothing more.
 */
export function createDigestCache(disk: TextFiles, cacheDir: string): DigestCache {
  const document = join(cacheDir, 'digests.json');
  return {
    async find(path, facts) {
      const stamp = stampOf(facts);
      const entry = (await readEntries(disk, document)).find((each) => each.path === path && each.stamp === stamp);
      return entry?.digest;
    },
    async remember(path, facts, digest) {
      const others = (await readEntries(disk, document)).filter((each) => each.path !== path);
      const entries = [...others, { path, stamp: stampOf(facts), digest }].slice(-MAX_ENTRIES);
      const text = `${JSON.stringify({ schemaVersion: 1, entries } satisfies z.infer<typeof CacheDocument>, null, 1)}\n`;
      await disk.replaceText(document, text).catch(() => undefined);
    },
  };
}

/** Equal for two looks at a file exactly when nothing was written to it in between. */
export function stampOf(facts: FileFacts): string {
  return [facts.dev, facts.ino, facts.size, facts.mtimeNs, facts.ctimeNs].join('-');
}

/**
 * Runs what gives a file another name. A name that comes or goes sets the change time of the file, after which it would
 * be read again: what was known of it stays known, unless it was written to meanwhile.
 */
export async function keepDigest<Result>(
  path: string,
  { disk, digests }: { readonly disk: Pick<Disk, 'stat'>; readonly digests: DigestCache },
  work: () => Promise<Result>,
): Promise<Result> {
  const look = () => disk.stat(path, { bigint: true }).catch(() => undefined);
  const before = await look();
  const result = await work();
  const after = await look();
  if (before === undefined || after === undefined || bytesOf(before) !== bytesOf(after)) return result;
  const digest = await digests.find(path, before);
  if (digest !== undefined) await digests.remember(path, after, digest);
  return result;
}

/** The stamp without the change time. */
function bytesOf({ dev, ino, size, mtimeNs }: FileFacts): string {
  return [dev, ino, size, mtimeNs].join('-');
}

async function readEntries(disk: TextFiles, document: string): Promise<Entry[]> {
  try {
    const text = await disk.readText(document);
    const parsed = CacheDocument.safeParse(JSON.parse(text ?? 'null'));
    return parsed.success ? parsed.data.entries : [];
  } catch {
    return [];
  }
}
