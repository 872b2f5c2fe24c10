import { sep } from 'node:path';
import { messageOf } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import { formatBytes } from '../../core/units.ts';
import type { HashFile } from '../../disk/hash.ts';
import type { Disk } from '../../disk/port.ts';
import type { Store, StoredFile, WantedBytes } from './contract.ts';

/** Finds bytes in the stores of other tools. An abort throws the signal's reason. */
export type FindStored = (wanted: WantedBytes, signal: AbortSignal) => Work<StoredFile | undefined>;

export interface FindParts {
  readonly stores: readonly Store[];
  readonly disk: Pick<Disk, 'realpath' | 'lstat'>;
  /** Remembers what it read. */
  readonly hash: HashFile;
  /** Of this process; absent where the system has no user numbers. */
  readonly uid?: number | undefined;
}

/**
 * The first file of a store that has the wanted bytes: a regular file within the store, of this user or of root, whose
 * bytes were read and have the digest. A file that is named by the digest and has other bytes is reported. A file of a
 * store is no more than a file of the user: it may be edited, so its bytes are verified again when they are stored.
 */
export function createStoreFinder(parts: FindParts): FindStored {
  return async function* findStored(wanted, signal) {
    for (const store of parts.stores) {
      for (const candidate of await store.candidates(wanted)) {
        signal.throwIfAborted();
        const path = await usableFile(candidate, store, wanted, parts);
        if (path === undefined) continue;
        const found = yield* verified({ ...path, store }, wanted, parts, signal);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  };
}

interface Candidate {
  readonly path: string;
  readonly sizeBytes: number;
}

/** Where a candidate really is, if this user may rely on it. */
async function usableFile(
  candidate: string,
  { folder }: Store,
  { sizeBytes }: WantedBytes,
  { disk, uid }: FindParts,
): Promise<Candidate | undefined> {
  try {
    const [root, path] = await Promise.all([disk.realpath(folder), disk.realpath(candidate)]);
    if (!path.startsWith(root.endsWith(sep) ? root : root + sep)) return undefined;
    const facts = await disk.lstat(path, { bigint: true });
    if (!facts.isFile() || facts.size === 0n) return undefined;
    if (uid !== undefined && ![0, uid].includes(Number(facts.uid))) return undefined;
    if (sizeBytes !== undefined && facts.size !== BigInt(sizeBytes)) return undefined;
    return { path, sizeBytes: Number(facts.size) };
  } catch {
    // It does not exist, or this user may not look at it: the bytes come from elsewhere.
    return undefined;
  }
}

async function* verified(
  { path, sizeBytes, store }: Candidate & { readonly store: Store },
  { digest }: WantedBytes,
  { hash }: FindParts,
  signal: AbortSignal,
): Work<StoredFile | undefined> {
  try {
    const got = yield* hash({ ref: path, path, sizeBytes }, 'verify', signal);
    if (got === digest) return { digest, path, sizeBytes, store: store.name };
    if (store.namedByDigest) yield { type: 'warning', message: corrupt(path, store, sizeBytes) };
  } catch (error) {
    signal.throwIfAborted();
    yield { type: 'warning', message: `${path} (${store.name}) is not used: ${messageOf(error)}` };
  }
  return undefined;
}

function corrupt(path: string, { name }: Store, sizeBytes: number): string {
  return `${path} (${name}, ${formatBytes(sizeBytes)}) is not used: its bytes do not have the digest in its name.`;
}
