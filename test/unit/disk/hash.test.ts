import fs, { appendFile, rename, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/core/digest.ts';
import { drive, type ProgressEvent } from '../../../src/core/progress.ts';
import { MIB } from '../../../src/core/units.ts';
import { createDigestCache, MAX_ENTRIES, NO_DIGEST_CACHE } from '../../../src/disk/digest-cache.ts';
import { type Disk, realDisk } from '../../../src/disk/disk.ts';
import { createHasher } from '../../../src/disk/hash.ts';
import type { LocalFile } from '../../../src/sources/contract.ts';
import { diskWith, fileWith, memoryDisk } from '../../helpers/disk.ts';
import { never } from '../../helpers/failure.ts';
import { bytesOf, countingFiles, failingWith, OTHER_DIGEST, temporaryFolder } from '../sources/support.ts';

let folder: string;
beforeEach(async () => {
  folder = await temporaryFolder();
});

async function localFile(name: string, content: string | Uint8Array): Promise<LocalFile> {
  const path = join(folder, name);
  await writeFile(path, content);
  return { ref: path, path, sizeBytes: Buffer.byteLength(content) };
}

const ignore = (): void => undefined;

describe('hashing', () => {
  test.each([0, 1, 4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 9 * MIB + 3])('%i bytes', async (size) => {
    const content = Buffer.alloc(size, 7);
    for (let index = 0; index < size; index += 4096) content[index] = index % 251;
    const file = await localFile('model.gguf', content);
    expect(await drive(createHasher(realDisk, NO_DIGEST_CACHE)(file, 'hash', never), ignore)).toBe(digestOf(content));
  });

  test('tells bytes from zero to the whole, in small memory', async () => {
    const file = await localFile('big.gguf', Buffer.alloc(100 * MIB, 3));
    const { disk, largestBuffer } = countingFiles();
    const events: ProgressEvent[] = [];
    await drive(createHasher(disk, NO_DIGEST_CACHE)(file, 'hash', never), (event) => events.push(event));
    const done = bytesOf(events);
    expect(done[0]).toBe(0);
    expect(done.at(-1)).toBe(100 * MIB);
    expect(done).toEqual([...done].sort((a, b) => a - b));
    expect(done.length).toBeGreaterThan(3);
    expect(events.every((event) => event.type === 'bytes' && event.id === 'hash' && event.total === 100 * MIB)).toBe(
      true,
    );
    expect(largestBuffer()).toBeLessThanOrEqual(4 * MIB);
  });

  test('a wrong digest names the file, what was wanted and what was got', async () => {
    const file = { ...(await localFile('model.gguf', 'GGUF')), digest: OTHER_DIGEST };
    const work = createHasher(realDisk, NO_DIGEST_CACHE)(file, 'hash', never);
    await expect(drive(work, ignore)).rejects.toMatchObject({
      code: 'digest-mismatch',
      message: expect.stringMatching(new RegExp(`${file.path}[^]*wanted ${OTHER_DIGEST}[^]*got +${digestOf('GGUF')}`)),
    });
  });

  test('an abort stops the reading, throws its reason and closes the file', async () => {
    const file = await localFile('big.gguf', Buffer.alloc(80 * MIB, 3));
    const { disk, bytesRead } = countingFiles();
    let closed = 0;
    const watched: Disk = {
      ...disk,
      open: async (path, flags) => {
        const handle = await disk.open(path, flags);
        return fileWith(handle, {
          close: () => {
            closed += 1;
            return handle.close();
          },
        });
      },
    };
    const controller = new AbortController();
    const reason = new Error('stopped by the user');
    const work = createHasher(watched, NO_DIGEST_CACHE)(file, 'hash', controller.signal);
    const running = drive(work, (event) => {
      if (event.type === 'bytes' && event.done > 0) controller.abort(reason);
    });
    await expect(running).rejects.toBe(reason);
    expect(bytesRead()).toBeLessThan(80 * MIB);
    expect(closed).toBe(1);
  });

  test('a file that grows while it is read is not trusted', async () => {
    const file = await localFile('growing.gguf', Buffer.alloc(40 * MIB, 3));
    let grown = false;
    const work = createHasher(realDisk, NO_DIGEST_CACHE)(file, 'hash', never);
    for (;;) {
      const step = await work.next().catch((error: unknown) => ({ error }));
      if ('error' in step) {
        expect(step.error).toMatchObject({ code: 'truncated-file', message: expect.stringContaining('changed') });
        break;
      }
      expect(step.done).toBe(false);
      if (!grown) await appendFile(file.path, 'more');
      grown = true;
    }
  });

  test('missing and unreadable files', async () => {
    const file = await localFile('model.gguf', 'GGUF');
    const missing = { ...file, path: join(folder, 'gone.gguf') };
    const hash = createHasher(realDisk, NO_DIGEST_CACHE);
    await expect(drive(hash(missing, 'hash', never), ignore)).rejects.toMatchObject({ code: 'source-not-found' });
    const refused = createHasher(failingWith('EACCES', 'open'), NO_DIGEST_CACHE);
    await expect(drive(refused(file, 'hash', never), ignore)).rejects.toMatchObject({ code: 'file-access' });
  });

  test('a disk that fails half-way', async () => {
    const file = await localFile('model.gguf', Buffer.alloc(9 * MIB));
    const disk: Disk = {
      ...realDisk,
      open: async (path, flags) => {
        const handle = await fs.open(path, flags);
        return fileWith(handle, {
          read: (buffer, offset, length, position) =>
            position === 0
              ? handle.read(buffer, offset, length, position)
              : Promise.reject(Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })),
        });
      },
    };
    await expect(drive(createHasher(disk, NO_DIGEST_CACHE)(file, 'hash', never), ignore)).rejects.toMatchObject({
      code: 'file-access',
    });
  });
});

describe('the digest cache', () => {
  test('a second run reads no byte of the model', async () => {
    const file = await localFile('model.gguf', 'GGUF');
    const { disk, bytesRead } = countingFiles();
    const cacheDir = join(folder, 'cache');
    const hash = (): Promise<string> =>
      drive(createHasher(disk, createDigestCache(realDisk, cacheDir))(file, 'hash', never), ignore);
    expect(await hash()).toBe(digestOf('GGUF'));
    const first = bytesRead();
    expect(await hash()).toBe(digestOf('GGUF'));
    expect(bytesRead()).toBe(first);
    expect(first).toBe(4);
  });

  test('a cached digest is still compared with the wanted one', async () => {
    const file = await localFile('model.gguf', 'GGUF');
    const hash = createHasher(realDisk, createDigestCache(realDisk, join(folder, 'cache')));
    await drive(hash(file, 'hash', never), ignore);
    await expect(drive(hash({ ...file, digest: OTHER_DIGEST }, 'hash', never), ignore)).rejects.toMatchObject({
      code: 'digest-mismatch',
    });
  });

  test('other bytes of the same size, even with the old time put back, are read again', async () => {
    const file = await localFile('model.gguf', 'GGUF');
    const { disk, bytesRead } = countingFiles();
    const hash = createHasher(disk, createDigestCache(realDisk, join(folder, 'cache')));
    await drive(hash(file, 'hash', never), ignore);
    const { atime, mtime } = await fs.stat(file.path);
    await writeFile(file.path, 'FUGG');
    await utimes(file.path, atime, mtime);
    expect(await drive(hash(file, 'hash', never), ignore)).toBe(digestOf('FUGG'));
    expect(bytesRead()).toBe(8);
  });

  test('another file moved onto the path is read again', async () => {
    const file = await localFile('model.gguf', 'GGUF');
    const hash = createHasher(realDisk, createDigestCache(realDisk, join(folder, 'cache')));
    await drive(hash(file, 'hash', never), ignore);
    const other = await localFile('other.gguf', 'FUGG');
    await rename(other.path, file.path);
    expect(await drive(hash(file, 'hash', never), ignore)).toBe(digestOf('FUGG'));
  });

  test.each(['', '{', 'null', '[]', '{"schemaVersion":2,"entries":[]}', '{"schemaVersion":1,"entries":[{"path":1}]}'])(
    'a broken cache file %j is ignored and rewritten',
    async (text) => {
      const file = await localFile('model.gguf', 'GGUF');
      const cacheDir = join(folder, 'cache');
      await realDisk.replaceText(join(cacheDir, 'digests.json'), text);
      const cache = createDigestCache(realDisk, cacheDir);
      expect(await drive(createHasher(realDisk, cache)(file, 'hash', never), ignore)).toBe(digestOf('GGUF'));
      expect(await cache.find(file.path, await fs.stat(file.path, { bigint: true }))).toBe(digestOf('GGUF'));
    },
  );

  test('a cache that cannot be read or written stops nothing', async () => {
    const refuse = (): Promise<never> => Promise.reject(new Error('EROFS: read-only file system'));
    const cache = createDigestCache(diskWith({ readText: refuse, replaceText: refuse }), folder);
    const file = await localFile('model.gguf', 'GGUF');
    expect(await drive(createHasher(realDisk, cache)(file, 'hash', never), ignore)).toBe(digestOf('GGUF'));
  });

  test('keeps the newest entries only, one for each path', async () => {
    const disk = memoryDisk();
    const cache = createDigestCache(disk, '/cache');
    const facts = await fs.stat(folder, { bigint: true });
    for (let index = 0; index <= MAX_ENTRIES; index += 1) await cache.remember(`/m/${index}`, facts, OTHER_DIGEST);
    await cache.remember(`/m/${MAX_ENTRIES}`, facts, OTHER_DIGEST);
    const document = JSON.parse(disk.texts.get(join('/cache', 'digests.json')) ?? '');
    expect(document.entries).toHaveLength(MAX_ENTRIES);
    expect(await cache.find('/m/0', facts)).toBeUndefined();
    expect(await cache.find(`/m/${MAX_ENTRIES}`, facts)).toBe(OTHER_DIGEST);
  });
});
