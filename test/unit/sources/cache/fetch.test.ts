import {
  chmod,
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  stat,
  symlink,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Digest } from '../../../../src/core/digest.ts';
import { digestOf } from '../../../../src/core/digest.ts';
import { ProvisionError } from '../../../../src/core/errors.ts';
import { createDigestCache, keepDigest } from '../../../../src/disk/digest-cache.ts';
import { realDisk } from '../../../../src/disk/disk.ts';
import { STALLED_MS } from '../../../../src/sources/cache/fetch-lock.ts';
import { never } from '../../../helpers/failure.ts';
import { countingFiles, temporaryFolder } from '../support.ts';
import { CONTENT, DIGEST, failing, lockIn, remoteFile, run, testCache } from './support.ts';

let folder: string;
beforeEach(async () => {
  folder = join(await temporaryFolder(), 'cache');
});

const blobOf = (digest: Digest = DIGEST) => join(folder, 'blobs', digest.replace(':', '-'));
const partialOf = (digest: Digest = DIGEST) => join(folder, 'partial', digest.replace(':', '-'));
const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

describe('a fetch', () => {
  test('brings the file under its digest, for this user alone, read-only, and nothing beside it', async () => {
    const { cache, fetched } = testCache({ folder });
    const { result } = await run(cache.fetch(remoteFile(), never));
    expect(result).toEqual({
      ref: 'hf:org/repo/a.gguf',
      path: blobOf(),
      pinnedRef: `hf:org/repo@${'a'.repeat(40)}/a.gguf`,
      digest: DIGEST,
      sizeBytes: CONTENT.length,
      fileName: 'a.gguf',
      immutable: true,
      bytesMoved: CONTENT.length,
    });
    expect(await readFile(blobOf())).toEqual(CONTENT);
    expect(await modeOf(blobOf())).toBe(0o444);
    expect(await modeOf(join(folder, 'blobs'))).toBe(0o700);
    expect(await modeOf(join(folder, 'partial'))).toBe(0o700);
    expect(await readdir(join(folder, 'partial'))).toEqual([]);
    expect(fetched).toEqual([DIGEST]);
  });

  test('a second one moves no byte and reads no byte, also by another cache object', async () => {
    await run(testCache({ folder }).cache.fetch(remoteFile(), never));
    const { disk, bytesRead } = countingFiles();
    const again = testCache({ folder, disk, origin: new Map() });
    const { result } = await run(again.cache.fetch(remoteFile(), never));
    expect(result.bytesMoved).toBe(0);
    expect(again.fetched).toEqual([]);
    expect(bytesRead()).toBe(0);
  });

  test('row 6: a file that was edited in place, with its time put back, is not taken as verified', async () => {
    await run(testCache({ folder }).cache.fetch(remoteFile(), never));
    const { atime, mtime } = await stat(blobOf());
    await chmod(blobOf(), 0o644);
    await writeFile(blobOf(), 'FUGG of the cache');
    await utimes(blobOf(), atime, mtime);
    const { result, events } = await run(testCache({ folder }).cache.find(DIGEST, never));
    expect(result).toBeUndefined();
    expect(events).toContainEqual({ type: 'warning', message: expect.stringContaining('is corrupt') });
  });

  test('a hard link that an import of ours makes does not make the file be read again', async () => {
    await run(testCache({ folder }).cache.fetch(remoteFile(), never));
    const digests = createDigestCache(realDisk, folder);
    await keepDigest(blobOf(), { disk: realDisk, digests }, () => link(blobOf(), join(folder, 'in-another-folder')));
    const { disk, bytesRead } = countingFiles();
    expect((await run(testCache({ folder, disk }).cache.find(DIGEST, never))).result?.path).toBe(blobOf());
    expect(bytesRead()).toBe(0);
  });

  test('umask 077 changes nothing', async () => {
    const before = process.umask(0o077);
    try {
      await run(testCache({ folder }).cache.fetch(remoteFile(), never));
    } finally {
      process.umask(before);
    }
    expect(await modeOf(blobOf())).toBe(0o444);
    expect(await modeOf(folder)).toBe(0o700);
  });

  test('a corrupt file is found out, removed with a warning, and fetched again', async () => {
    await run(testCache({ folder }).cache.fetch(remoteFile(), never));
    await chmod(blobOf(), 0o644);
    await writeFile(blobOf(), 'FUGG of the cache');
    const { cache, fetched } = testCache({ folder });
    const { result, events } = await run(cache.fetch(remoteFile(), never));
    expect(fetched).toEqual([DIGEST]);
    expect(result.bytesMoved).toBe(CONTENT.length);
    expect(await readFile(blobOf())).toEqual(CONTENT);
    expect(events).toContainEqual({
      type: 'warning',
      message: expect.stringMatching(/is corrupt: its bytes have the digest sha256:[0-9a-f]+; it was removed/),
    });
  });

  test('a truncated file does not count as cached', async () => {
    await run(testCache({ folder }).cache.fetch(remoteFile(), never));
    await chmod(blobOf(), 0o644);
    await truncate(blobOf(), 0);
    const { cache, fetched } = testCache({ folder });
    await run(cache.fetch(remoteFile(), never));
    expect(fetched).toEqual([DIGEST]);
    expect(await readFile(blobOf())).toEqual(CONTENT);
  });

  test('a download that breaks off leaves its partial for the next one, and the cache without a blob', async () => {
    const broken = testCache({
      folder,
      downloader: {
        async *fetch(_file, path) {
          yield { type: 'bytes', id: 'fetch', done: 4 };
          await writeFile(path, 'GGUF');
          throw new ProvisionError('network', 'cut');
        },
      },
    });
    await expect(run(broken.cache.fetch(remoteFile(), never))).rejects.toMatchObject({ code: 'network' });
    expect(await readFile(partialOf(), 'utf8')).toBe('GGUF');
    expect(await readdir(join(folder, 'blobs'))).toEqual([]);
    expect((await run(testCache({ folder }).cache.find(DIGEST, never))).result).toBeUndefined();
  });

  test('an abort keeps its reason', async () => {
    const stop = new AbortController();
    const reason = new Error('stopped by the user');
    const { cache } = testCache({
      folder,
      downloader: {
        async *fetch(_file, _path, signal) {
          yield { type: 'bytes', id: 'fetch', done: 0 };
          stop.abort(reason);
          signal.throwIfAborted();
          return { bytesMoved: 0 };
        },
      },
    });
    await expect(run(cache.fetch(remoteFile(), stop.signal))).rejects.toBe(reason);
  });
});

describe('waiting for another process', () => {
  test('goes on as long as its partial grows, and then finds the file', async () => {
    await mkdir(join(folder, 'partial'), { recursive: true });
    let attempts = 0;
    let clock = 0;
    const exclusive = lockIn(folder);
    const { cache, fetched } = testCache({
      folder,
      clock: () => clock,
      async *exclusive(name, signal, work) {
        if (name.startsWith('fetch ')) {
          attempts += 1;
          clock += STALLED_MS - 1;
          await writeFile(partialOf(), 'G'.repeat(attempts));
          if (attempts < 5) throw new ProvisionError('busy', 'held');
          await mkdir(join(folder, 'blobs'), { recursive: true });
          await rename(partialOf(), `${partialOf()}.gone`);
          await writeFile(blobOf(), CONTENT);
        }
        return yield* exclusive(name, signal, work);
      },
    });
    const { result, events } = await run(cache.fetch(remoteFile(), never));
    expect(result).toMatchObject({ path: blobOf(), bytesMoved: 0 });
    expect(fetched).toEqual([]);
    expect(attempts).toBe(5);
    expect(events.filter((event) => event.type === 'bytes' && event.id === 'fetch')).toHaveLength(4);
  });

  test('ends when that process holds the lock and does nothing', async () => {
    let clock = 0;
    let attempts = 0;
    const { cache } = testCache({
      folder,
      clock: () => clock,
      // biome-ignore lint/correctness/useYield: it only refuses
      async *exclusive() {
        attempts += 1;
        clock += STALLED_MS / 4;
        throw new ProvisionError('busy', 'held by another run');
      },
    });
    await expect(run(cache.fetch(remoteFile(), never))).rejects.toMatchObject({ code: 'busy', exitCode: 15 });
    expect(attempts).toBe(5);
  });

  test('two fetches of one file at once make one download', async () => {
    const origin = new Map([[DIGEST, CONTENT]]);
    let downloads = 0;
    const downloader = {
      async *fetch(_file: unknown, path: string) {
        downloads += 1;
        yield { type: 'bytes', id: 'fetch', done: 0 } as const;
        await sleep(50);
        await writeFile(path, CONTENT);
        return { bytesMoved: CONTENT.length };
      },
    };
    const caches = [1, 2, 3].map(() => testCache({ folder, origin, downloader }).cache);
    const results = await Promise.all(
      caches.map(async (cache) => (await run(cache.fetch(remoteFile(), never))).result),
    );
    expect(downloads).toBe(1);
    expect(results.map(({ bytesMoved }) => bytesMoved).sort((a, b) => a - b)).toEqual([0, 0, CONTENT.length]);
  });
});

describe('row 17 and 18: the disk', () => {
  test('row 17: too small for the file is refused before the first byte, with need, have and where', async () => {
    const { cache, fetched } = testCache({ folder, disk: { space: () => Promise.resolve({ free: 5, total: 100 }) } });
    await expect(run(cache.fetch(remoteFile(), never))).rejects.toMatchObject({
      code: 'disk-full',
      exitCode: 12,
      message: `There is not enough space in ${folder} for a.gguf: need ${CONTENT.length} B, have 5 B.`,
      suggestions: [expect.stringContaining('cache prune'), expect.stringContaining('GEMMA_PROVISION_HOME')],
    });
    expect(fetched).toEqual([]);
    expect(await readdir(join(folder, 'partial'))).toEqual([]);
  });

  test('row 17: what is there of it already is not needed again', async () => {
    const big = Buffer.alloc(64 * 1024, 3);
    const origin = new Map([[digestOf(big), big]]);
    await mkdir(join(folder, 'partial'), { recursive: true });
    await writeFile(partialOf(digestOf(big)), big.subarray(0, 32 * 1024));
    const { cache } = testCache({
      folder,
      origin,
      disk: { space: () => Promise.resolve({ free: 33 * 1024, total: 2 ** 30 }) },
    });
    expect((await run(cache.fetch(remoteFile(big), never))).result.bytesMoved).toBe(big.length);
  });

  test.each(['ENOSPC', 'EDQUOT'])('row 18: %s mid-way leaves no empty file, and says so', async (code) => {
    const { cache } = testCache({
      folder,
      downloader: {
        async *fetch(_file, path) {
          yield { type: 'bytes', id: 'fetch', done: 0 };
          await writeFile(path, '');
          throw Object.assign(new Error(`${code}: write`), { code });
        },
      },
    });
    await expect(run(cache.fetch(remoteFile(), never))).rejects.toMatchObject({ code: 'disk-full', exitCode: 12 });
    expect(await readdir(join(folder, 'partial'))).toEqual([]);
    expect(await readdir(join(folder, 'blobs'))).toEqual([]);
  });
});

describe('row 47: folders that are not ours to write', () => {
  test.each([
    ['EACCES', 'permission denied'],
    ['EROFS', 'the file system is read-only'],
  ])('row 47: %s names the folder and the reason', async (code, reason) => {
    const { cache, fetched } = testCache({ folder, disk: { mkdir: failing(code) } });
    await expect(run(cache.fetch(remoteFile(), never))).rejects.toMatchObject({
      code: 'file-access',
      exitCode: 14,
      message: `Cannot create the folder ${folder}: ${reason}.`,
    });
    expect(fetched).toEqual([]);
  });

  test('row 47: parts of the cache on two file systems', async () => {
    const { cache } = testCache({ folder, disk: { rename: failing('EXDEV') } });
    await expect(run(cache.fetch(remoteFile(), never))).rejects.toMatchObject({
      code: 'file-access',
      message: expect.stringContaining('it is on another file system'),
      suggestions: [expect.stringContaining('one file system')],
    });
    expect(await readdir(join(folder, 'blobs'))).toEqual([]);
  });

  test('row 47: a cache that cannot be written serves what it holds', async () => {
    await run(testCache({ folder }).cache.fetch(remoteFile(), never));
    const refuse = failing('EROFS');
    const disk = { mkdir: refuse, rename: refuse, unlink: refuse, chmod: refuse };
    const { result } = await run(testCache({ folder, disk }).cache.fetch(remoteFile(), never));
    expect(result).toMatchObject({ path: blobOf(), bytesMoved: 0 });
  });

  test('row 47: the cache folder itself may be a link', async () => {
    const real = await temporaryFolder();
    await symlink(real, folder);
    await run(testCache({ folder }).cache.fetch(remoteFile(), never));
    expect(await readFile(join(real, 'blobs', DIGEST.replace(':', '-')))).toEqual(CONTENT);
  });

  test.each(['blobs', 'partial'])('row 47: a link that points outside the cache at %s is refused', async (name) => {
    const outside = await temporaryFolder();
    await mkdir(folder);
    await symlink(outside, join(folder, name));
    const { cache, fetched } = testCache({ folder });
    await expect(run(cache.fetch(remoteFile(), never))).rejects.toMatchObject({
      code: 'file-access',
      message: expect.stringContaining(`points outside the cache, to ${outside}`),
    });
    expect(fetched).toEqual([]);
    expect(await readdir(outside)).toEqual([]);
  });

  test('row 47: links in place of files are not followed, not even by a write', async () => {
    const outside = join(await temporaryFolder(), 'precious');
    await writeFile(outside, CONTENT);
    const before = await stat(outside, { bigint: true });
    for (const name of ['blobs', 'partial']) await mkdir(join(folder, name), { recursive: true });
    await symlink(outside, blobOf());
    await symlink(outside, partialOf());
    await symlink(outside, `${partialOf()}.state`);
    const other = Buffer.from(CONTENT);
    const { cache, fetched } = testCache({ folder, origin: new Map([[DIGEST, other]]) });
    expect((await run(cache.find(DIGEST, never))).result).toBeUndefined();
    await run(cache.fetch(remoteFile(), never));
    expect(fetched).toEqual([DIGEST]);
    expect((await lstat(blobOf())).isFile()).toBe(true);
    const { mtimeNs, mode, ctimeNs } = await stat(outside, { bigint: true });
    expect({ mtimeNs, mode, ctimeNs }).toEqual({ mtimeNs: before.mtimeNs, mode: before.mode, ctimeNs: before.ctimeNs });
    expect(await readFile(outside)).toEqual(CONTENT);
  });
});

describe('row 51: receiving a file that is not downloaded', () => {
  const incoming = (content: Buffer = CONTENT) => ({
    fileName: 'b.gguf',
    digest: DIGEST,
    sizeBytes: content.length,
    async *open() {
      yield content.subarray(0, 3);
      yield content.subarray(3);
    },
    mismatch: (got: string) => new ProvisionError('digest-mismatch', `got ${got}`),
  });
  const OTHER = Buffer.from(CONTENT);
  OTHER[5] = 0;

  test('writes it for this user alone, then stores it as a blob', async () => {
    const modes: number[] = [];
    const { cache } = testCache({
      folder,
      disk: {
        async chmod(path, mode) {
          modes.push(await modeOf(path));
          await chmod(path, mode);
        },
      },
    });
    expect((await run(cache.receive(incoming(), never))).result).toEqual({
      digest: DIGEST,
      path: blobOf(),
      sizeBytes: CONTENT.length,
    });
    expect(await readFile(blobOf())).toEqual(CONTENT);
    expect(modes).toEqual([0o600]);
    expect(await modeOf(blobOf())).toBe(0o444);
    expect(await readdir(join(folder, 'partial'))).toEqual([]);
  });

  test('refuses other bytes, and keeps nothing of them', async () => {
    const { cache } = testCache({ folder });
    await expect(run(cache.receive(incoming(OTHER), never))).rejects.toMatchObject({ code: 'digest-mismatch' });
    expect(await readdir(join(folder, 'partial'))).toEqual([]);
    expect(await readdir(join(folder, 'blobs'))).toEqual([]);
  });

  test('reads all of it, and refuses other bytes, also where the cache has the digest', async () => {
    const { cache } = testCache({ folder });
    await run(cache.receive(incoming(), never));
    await expect(run(cache.receive(incoming(OTHER), never))).rejects.toMatchObject({ code: 'digest-mismatch' });
    expect(await readFile(blobOf())).toEqual(CONTENT);
    expect((await run(cache.receive(incoming(), never))).result).toMatchObject({ path: blobOf() });
  });

  test('never writes through a symbolic link: of the folder, which it refuses, or of the file', async () => {
    const outside = await temporaryFolder();
    await mkdir(folder, { recursive: true });
    await symlink(outside, join(folder, 'partial'));
    const { cache } = testCache({ folder });
    await expect(run(cache.receive(incoming(), never))).rejects.toMatchObject({ code: 'file-access' });
    expect(await readdir(outside)).toEqual([]);
    await unlink(join(folder, 'partial'));
    await mkdir(join(folder, 'partial'));
    await symlink(join(outside, 'target'), partialOf());
    await run(cache.receive(incoming(), never));
    expect(await readdir(outside)).toEqual([]);
  });

  test('removes what it wrote when it is stopped', async () => {
    const stop = new AbortController();
    const { cache } = testCache({ folder });
    const file = {
      ...incoming(),
      async *open() {
        yield CONTENT.subarray(0, 3);
        stop.abort();
        yield CONTENT.subarray(3);
      },
    };
    await expect(run(cache.receive(file, stop.signal))).rejects.toThrow();
    expect(await readdir(join(folder, 'partial'))).toEqual([]);
  });
});
