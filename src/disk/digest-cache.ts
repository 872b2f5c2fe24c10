import { join, sep } from 'node:path';
import * as z from 'zod';
import { Digest } from '../core/digest.ts';
import type { FileFacts, TextFiles } from './disk.ts';

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
  const blobs = join(cacheDir, 'blobs') + sep;
  // No process writes into a file of our cache, but hard links to it come and go, and each changes its change time.
  const stampFor = (path: string, facts: FileFacts) => (path.startsWith(blobs) ? linkedStamp(facts) : stampOf(facts));
  return {
    async find(path, facts) {
      const stamp = stampFor(path, facts);
      const entry = (await readEntries(disk, document)).find((each) => each.path === path && each.stamp === stamp);
      return entry?.digest;
    },
    async remember(path, facts, digest) {
      const others = (await readEntries(disk, document)).filter((each) => each.path !== path);
      const entries = [...others, { path, stamp: stampFor(path, facts), digest }].slice(-MAX_ENTRIES);
      const text = `${JSON.stringify({ schemaVersion: 1, entries } satisfies z.infer<typeof CacheDocument>, null, 1)}\n`;
      await disk.replaceText(document, text).catch(() => undefined);
    },
  };
}

/** Equal for two looks at a file exactly when nothing was written to it in between. */
export function stampOf(facts: FileFacts): string {
  return [facts.dev, facts.ino, facts.size, facts.mtimeNs, facts.ctimeNs].join('-');
}

/** `stampOf` without the change time, which every new name of the same file sets anew. */
function linkedStamp(facts: FileFacts): string {
  return [facts.dev, facts.ino, facts.size, facts.mtimeNs, 'linked'].join('-');
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
