import type { Digest } from '../../core/digest.ts';
import type { Work } from '../../core/progress.ts';
import type { DigestCache } from '../../disk/digest-cache.ts';
import type { Disk } from '../../disk/disk.ts';
import type { HashFile } from '../../disk/hash.ts';
import type { FetchFile } from '../contract.ts';
import type { Downloader } from '../download/contract.ts';
import { listContents, verifyContents } from './contents.ts';
import { fetchIntoCache } from './fetch.ts';
import type { Exclusive } from './fetch-lock.ts';
import { layoutOf } from './layout.ts';
import { type PruneOptions, pruneContents } from './prune.ts';
import { type Incoming, receiveFile } from './receive.ts';
import { createRefMemory, type RefMemory } from './refs.ts';
import type { CacheContents, CachePruning, CacheVerification } from './schema.ts';
import { findBlob, type VerifiedBlob } from './verified-blob.ts';

export type { PruneOptions } from './prune.ts';
export type { Incoming } from './receive.ts';
export type { VerifiedBlob } from './verified-blob.ts';

/** Verified files by their digest: `<folder>/blobs/sha256-…`; what is not whole yet is in `<folder>/partial`. */
export interface Cache {
  readonly folder: string;
  /** What references resolved to when they were last requested. */
  readonly refs: RefMemory;
  readonly now: () => Date;
  /** The verified file of a digest. A corrupt one is removed, with a warning. Throws `file-access`. */
  find(digest: Digest, signal: AbortSignal): Work<VerifiedBlob | undefined>;
  /** From the cache, or over the network into it. Throws what the download throws, `file-access`, `disk-full`, `busy`. */
  readonly fetch: FetchFile;
  /** Reads and verifies a file that is not downloaded; the cache has it then. Throws as `receiveFile`. */
  receive(incoming: Incoming, signal: AbortSignal): Work<VerifiedBlob>;
  list(): Promise<CacheContents>;
  /** Reads every file again; with `remove`, corrupt ones are removed. */
  verify(options: { readonly remove: boolean }, signal: AbortSignal): Work<CacheVerification>;
  prune(options: PruneOptions, signal: AbortSignal): Work<CachePruning>;
}

export interface CacheOptions {
  /** Absolute; created when the first file is stored. */
  readonly folder: string;
  readonly disk: Disk;
  readonly digests: DigestCache;
  readonly hash: HashFile;
  /** A hasher that remembers nothing, for `verify`. */
  readonly hashAgain: HashFile;
  readonly downloader: Pick<Downloader, 'fetch'>;
  readonly exclusive: Exclusive;
  readonly now: () => Date;
  /** Milliseconds since any fixed point. */
  readonly clock: () => number;
}

export function createCache(options: CacheOptions): Cache {
  const { folder, disk, exclusive } = options;
  const refs = createRefMemory(disk, folder, exclusive);
  const parts = { ...options, layout: layoutOf(folder), refs };
  return {
    folder,
    refs,
    now: options.now,
    find: (digest, signal) => findBlob(parts, digest, signal),
    fetch: (file, signal) => fetchIntoCache(parts, file, signal),
    receive: (incoming, signal) => receiveFile(parts, incoming, signal),
    list: () => listContents(parts),
    verify: (how, signal) => verifyContents({ ...parts, hash: options.hashAgain }, how, signal),
    prune: (how, signal) => pruneContents(parts, how, signal),
  };
}
