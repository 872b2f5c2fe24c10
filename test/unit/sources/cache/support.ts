import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../../../../src/core/digest.ts';
import { digestOf } from '../../../../src/core/digest.ts';
import { drive, type ProgressEvent, type Work } from '../../../../src/core/progress.ts';
import { createDigestCache, NO_DIGEST_CACHE } from '../../../../src/disk/digest-cache.ts';
import { type Disk, realDisk } from '../../../../src/disk/disk.ts';
import { createHasher } from '../../../../src/disk/hash.ts';
import { workUnderLock } from '../../../../src/disk/lock.ts';
import { createFileLocker } from '../../../../src/disk/locker.ts';
import type { Exclusive } from '../../../../src/sources/cache/fetch-lock.ts';
import { type Cache, createCache } from '../../../../src/sources/cache/index.ts';
import type { RemoteFile } from '../../../../src/sources/contract.ts';
import type { Downloader } from '../../../../src/sources/download/contract.ts';

export const CONTENT = Buffer.from('GGUF of the cache');
export const DIGEST = digestOf(CONTENT);

export function remoteFile(content: Buffer = CONTENT, more: Partial<RemoteFile> = {}): RemoteFile {
  const digest = digestOf(content);
  return {
    ref: 'hf:org/repo/a.gguf',
    pinnedRef: `hf:org/repo@${'a'.repeat(40)}/a.gguf`,
    fileName: 'a.gguf',
    sizeBytes: content.length,
    digest,
    access: { url: 'http://127.0.0.1:1/a.gguf', headers: {} },
    ...more,
  };
}

export interface TestCacheOptions {
  readonly folder: string;
  readonly disk?: Partial<Disk>;
  /** What the origin has, by digest. */
  readonly origin?: ReadonlyMap<Digest, Buffer>;
  readonly downloader?: Pick<Downloader, 'fetch'>;
  readonly exclusive?: Exclusive;
  readonly now?: () => Date;
  readonly clock?: () => number;
}

export interface TestCache {
  readonly cache: Cache;
  /** Digests that were fetched from the origin, in order. */
  readonly fetched: Digest[];
}

/** A cache on the real disk with the real locks, whose origin is in memory. */
export function testCache(options: TestCacheOptions): TestCache {
  const { folder } = options;
  const fetched: Digest[] = [];
  const disk = { ...realDisk, ...options.disk };
  const digests = createDigestCache(realDisk, folder);
  const origin = options.origin ?? new Map([[DIGEST, CONTENT]]);
  const cache = createCache({
    folder,
    disk,
    digests,
    hash: createHasher(disk, digests),
    hashAgain: createHasher(disk, NO_DIGEST_CACHE),
    downloader: options.downloader ?? { fetch: (file, path) => fromMemory(origin, fetched, file, path) },
    exclusive: options.exclusive ?? lockIn(folder),
    now: options.now ?? (() => new Date('2026-05-06T07:08:09Z')),
    clock: options.clock ?? (() => performance.now()),
  });
  return { cache, fetched };
}

export function lockIn(folder: string, waitMs = 500): Exclusive {
  const locker = createFileLocker({ dir: join(folder, 'locks'), command: 'test', waitMs });
  return (name, signal, work) => workUnderLock(locker, name, signal, work);
}

async function* fromMemory(
  origin: ReadonlyMap<Digest, Buffer>,
  fetched: Digest[],
  file: RemoteFile,
  path: string,
): Work<{ bytesMoved: number }> {
  const content = origin.get(file.digest);
  if (content === undefined) throw new Error(`the origin has no ${file.digest}`);
  fetched.push(file.digest);
  yield { type: 'bytes', id: 'fetch', done: 0, total: content.length };
  await writeFile(path, content);
  yield { type: 'bytes', id: 'fetch', done: content.length, total: content.length };
  return { bytesMoved: content.length };
}

export async function run<Result>(work: Work<Result>): Promise<{ result: Result; events: ProgressEvent[] }> {
  const events: ProgressEvent[] = [];
  const result = await drive(work, (event) => events.push(event));
  return { result, events };
}

export function failing(code: string): () => Promise<never> {
  return () => Promise.reject(Object.assign(new Error(`${code}: refused`), { code }));
}
