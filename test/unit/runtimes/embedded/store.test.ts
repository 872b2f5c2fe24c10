import { appendFileSync } from 'node:fs';
import fs, { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { digestOf } from '../../../../src/core/digest.ts';
import { drive, type ProgressEvent } from '../../../../src/core/progress.ts';
import { MIB } from '../../../../src/core/units.ts';
import { createDigestCache } from '../../../../src/disk/digest-cache.ts';
import { type Disk, realDisk } from '../../../../src/disk/disk.ts';
import type { StorableFile, StoreResult, TransferWay } from '../../../../src/runtimes/contract.ts';
import { describe as describeModel, manifestFileName } from '../../../../src/runtimes/embedded/manifest.ts';
import { createModelStore, type StoreOptions } from '../../../../src/runtimes/embedded/store.ts';
import type { LocalFile } from '../../../../src/sources/contract.ts';
import { fileWith } from '../../../helpers/disk.ts';
import { never } from '../../../helpers/failure.ts';
import { OTHER_DIGEST } from '../../sources/support.ts';
import { SPEC, storeOptions } from './support.ts';

let options: StoreOptions;
beforeEach(async () => {
  options = await storeOptions();
});

async function sourceFile(content: string | Uint8Array, name = 'model.gguf'): Promise<LocalFile> {
  const path = join(options.dataDir, name);
  await writeFile(path, content);
  return { ref: path, path, sizeBytes: Buffer.byteLength(content) };
}

function put(
  name: string,
  file: LocalFile,
  changes: Partial<StoreOptions> = {},
  signal = never,
  onEvent: (event: ProgressEvent) => void = () => undefined,
): Promise<StoreResult> {
  const store = createModelStore({ ...options, ...changes });
  return drive(store.put({ name, file, architecture: 'gemma3n', spec: SPEC }, signal), onEvent);
}

async function blobs(): Promise<string[]> {
  return (await readdir(join(options.dataDir, 'embedded', 'blobs'))).sort();
}

const blobName = (content: string): string => digestOf(content).replace(':', '-');

describe('putting a model', () => {
  test('copies the bytes once, under their digest, and says what it stored', async () => {
    const file = await sourceFile('GGUF');
    expect(await put('gemma', file)).toEqual({
      stored: expect.objectContaining({
        name: 'gemma:latest',
        layerDigest: digestOf('GGUF'),
        sizeBytes: 4,
        architecture: 'gemma3n',
        template: SPEC.template,
        parameters: 'temperature 0.7\nstop "<end_of_turn>"\nstop "STOP"',
        license: 'Apache-2.0',
      }),
      uploadedDigest: digestOf('GGUF'),
      way: 'copy',
      bytesMoved: 4,
      differences: [],
    });
    expect(await blobs()).toEqual([blobName('GGUF')]);
    expect(await put('gemma', { ...file, digest: digestOf('GGUF') })).toMatchObject({ bytesMoved: 0 });
    expect(await put('other', file)).toMatchObject({ bytesMoved: 0 });
    expect(await blobs()).toEqual([blobName('GGUF')]);
  });

  test('editing the source afterwards leaves the stored model alone', async () => {
    const file = await sourceFile('GGUF');
    await put('gemma', file);
    const handle = await fs.open(file.path, 'r+');
    await handle.write('FUGG');
    await handle.close();
    expect(await readFile(join(options.dataDir, 'embedded', 'blobs', blobName('GGUF')), 'utf8')).toBe('GGUF');
  });

  test('remembers the digest of the source, so that the next run reads nothing', async () => {
    const cache = createDigestCache(realDisk, join(options.dataDir, 'cache'));
    const file = await sourceFile('GGUF');
    await put('gemma', file, { digests: cache, disk: withoutClone() });
    expect(await cache.find(file.path, await fs.stat(file.path, { bigint: true }))).toBe(digestOf('GGUF'));
  });

  test('tells bytes up to the whole', async () => {
    const file = await sourceFile(Buffer.alloc(70 * MIB, 1));
    const done: number[] = [];
    await put('gemma', file, {}, never, (event) => event.type === 'bytes' && done.push(event.done));
    expect(done[0]).toBe(0);
    expect(done.at(-1)).toBe(70 * MIB);
    expect(done.length).toBeGreaterThan(2);
  });

  test('works alike where the file system shares bytes', async () => {
    const sharing: Disk = { ...realDisk, copyFile: (from, to) => fs.copyFile(from, to), open: fs.open };
    const file = await sourceFile('GGUF');
    expect(await put('gemma', file, { disk: sharing })).toMatchObject({ way: 'reflink', bytesMoved: 0 });
    await expect(put('gemma', { ...file, digest: OTHER_DIGEST }, { disk: sharing })).rejects.toMatchObject({
      code: 'digest-mismatch',
    });
    expect(await blobs()).toEqual([blobName('GGUF')]);
  });

  test('a blob of the right name and the wrong size is put again', async () => {
    const file = await sourceFile('GGUF');
    await put('gemma', file);
    await writeFile(join(options.dataDir, 'embedded', 'blobs', blobName('GGUF')), 'GG');
    expect(await createModelStore(options).find('gemma')).toBeUndefined();
    expect(await put('gemma', { ...file, digest: digestOf('GGUF') })).toMatchObject({ bytesMoved: 4 });
    expect(await createModelStore(options).find('gemma')).toMatchObject({ digest: digestOf('GGUF') });
  });
});

describe('a put that fails leaves nothing behind', () => {
  async function expectNothing(): Promise<void> {
    expect(await blobs()).toEqual([]);
    expect(await createModelStore(options).find('gemma')).toBeUndefined();
  }

  test('other bytes than promised', async () => {
    const file = { ...(await sourceFile('GGUF')), digest: OTHER_DIGEST };
    await expect(put('gemma', file)).rejects.toMatchObject({ code: 'digest-mismatch' });
    await expectNothing();
  });

  test('a full disk', async () => {
    const disk = withoutClone({ code: 'ENOSPC' });
    await expect(put('gemma', await sourceFile('GGUF'), { disk })).rejects.toMatchObject({
      code: 'disk-full',
      exitCode: 12,
    });
    await expectNothing();
  });

  test('a disk that refuses', async () => {
    const disk = withoutClone({ code: 'EROFS' });
    await expect(put('gemma', await sourceFile('GGUF'), { disk })).rejects.toMatchObject({ code: 'file-access' });
    await expectNothing();
  });

  test('a source that is gone', async () => {
    const file = { ...(await sourceFile('GGUF')), path: join(options.dataDir, 'gone.gguf') };
    await expect(put('gemma', file)).rejects.toMatchObject({ code: 'source-not-found' });
    await expectNothing();
  });

  test('a manifest that cannot be written', async () => {
    const disk = {
      ...realDisk,
      replaceText: () => Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' })),
    };
    await expect(put('gemma', await sourceFile('GGUF'), { disk })).rejects.toMatchObject({ code: 'disk-full' });
    await expectNothing();
  });

  test('a source that is written to meanwhile', async () => {
    const file = await sourceFile(Buffer.alloc(70 * MIB));
    let written = false;
    const running = put('gemma', file, {}, never, (event) => {
      if (event.type !== 'bytes' || event.done === 0 || written) return;
      written = true;
      appendFileSync(file.path, 'more');
    });
    await expect(running).rejects.toMatchObject({ code: 'truncated-file' });
    await expectNothing();
  });

  test('an abort in the middle', async () => {
    const controller = new AbortController();
    const reason = new Error('stopped by the user');
    const running = put('gemma', await sourceFile(Buffer.alloc(70 * MIB)), {}, controller.signal, (event) => {
      if (event.type === 'bytes' && event.done > 0) controller.abort(reason);
    });
    await expect(running).rejects.toBe(reason);
    await expectNothing();
  });

  test('a bad name', async () => {
    await expect(put('a b', await sourceFile('GGUF'))).rejects.toMatchObject({ code: 'bad-name' });
  });
});

test('what a killed run left behind is removed after a day, not earlier', async () => {
  const folder = join(options.dataDir, 'embedded', 'blobs');
  await mkdir(folder, { recursive: true });
  const now = options.now().getTime() / 1000;
  await writeFile(join(folder, '.incomplete-old'), 'x');
  await utimes(join(folder, '.incomplete-old'), now - 90_000, now - 90_000);
  await writeFile(join(folder, '.incomplete-young'), 'x');
  await utimes(join(folder, '.incomplete-young'), now - 60, now - 60);
  await put('gemma', await sourceFile('GGUF'));
  expect(await blobs()).toEqual(['.incomplete-young', blobName('GGUF')]);
});

describe('names', () => {
  test('of the same model find each other', async () => {
    await put('Gemma', await sourceFile('GGUF'));
    const store = createModelStore(options);
    expect(await store.find('gemma:latest')).toMatchObject({ name: 'Gemma:latest' });
    expect(await store.find('gemma:q4')).toBeUndefined();
  });

  test('become file names that no file system mistakes', () => {
    const names = ['a', 'a:b', 'ns/a', 'host.example/ns/a:b', 'A.b-c_d:E'].map(manifestFileName);
    for (const name of names) expect(name).toMatch(/^[a-z0-9%_-][a-z0-9%._-]*\.json$/);
    expect(new Set(names).size).toBe(names.length);
    expect(() => manifestFileName('../x')).toThrow(expect.objectContaining({ code: 'bad-name' }));
  });
});

describe('copying and removing', () => {
  test('a copy is the same entry under another name, and the blob stays while one of them names it', async () => {
    await put('staging', await sourceFile('GGUF'));
    const store = createModelStore(options);
    await store.copy('staging', 'final');
    const [staging, final] = [await store.find('staging'), await store.find('final')];
    expect(final?.name).toBe('final:latest');
    expect(staging && describeModel(staging).entryDigest).toBe(final && describeModel(final).entryDigest);
    await store.remove('staging');
    expect(await blobs()).toEqual([blobName('GGUF')]);
    expect(await store.find('final')).toBeDefined();
    await store.remove('final');
    expect(await blobs()).toEqual([]);
    await store.remove('final');
  });

  test('another model under the same name frees the old blob, by put and by copy', async () => {
    await put('gemma', await sourceFile('GGUF'));
    await put('gemma', await sourceFile('GGUF2', 'other.gguf'));
    expect(await blobs()).toEqual([blobName('GGUF2')]);
    await put('staging', await sourceFile('GGUF3', 'third.gguf'));
    await createModelStore(options).copy('staging', 'gemma');
    expect(await blobs()).toEqual([blobName('GGUF3')]);
  });

  test('copying what is not there', async () => {
    await expect(createModelStore(options).copy('nobody', 'gemma')).rejects.toMatchObject({ code: 'model-not-found' });
  });

  test('a manifest that cannot be read keeps every blob that it may name', async () => {
    await put('gemma', await sourceFile('GGUF'));
    await writeFile(join(options.dataDir, 'embedded', 'models', manifestFileName('broken')), '{');
    await createModelStore(options).remove('gemma');
    expect(await blobs()).toEqual([blobName('GGUF')]);
  });

  test('a folder of manifests that cannot be listed keeps every blob', async () => {
    await put('gemma', await sourceFile('GGUF'));
    const readdir = (): Promise<never> => Promise.reject(Object.assign(new Error('EACCES'), { code: 'EACCES' }));
    const store = createModelStore({ ...options, disk: { ...realDisk, readdir } });
    await expect(store.remove('gemma')).rejects.toMatchObject({ code: 'file-access' });
    expect(await blobs()).toEqual([blobName('GGUF')]);
  });

  test('a broken manifest is told with its file, and can be replaced and removed', async () => {
    await put('gemma', await sourceFile('GGUF'));
    const path = join(options.dataDir, 'embedded', 'models', manifestFileName('gemma'));
    await writeFile(path, '{"schemaVersion":1}');
    const store = createModelStore(options);
    await expect(store.find('gemma')).rejects.toMatchObject({
      code: 'needs-repair',
      message: expect.stringContaining(path),
    });
    await put('gemma', await sourceFile('GGUF'));
    expect(await store.find('gemma')).toBeDefined();
    await writeFile(path, '{');
    await store.remove('gemma');
    expect(await store.find('gemma')).toBeUndefined();
  });
});

/** The real file system without copy-on-write, that fails to write when told so. */
function withoutClone(failure?: { readonly code: string }): Disk {
  return {
    ...realDisk,
    copyFile: () => Promise.reject(Object.assign(new Error('ENOTSUP'), { code: 'ENOTSUP' })),
    open: async (path, flags) => {
      const file = await fs.open(path, flags);
      if (failure === undefined) return file;
      return fileWith(file, { write: () => Promise.reject(Object.assign(new Error(failure.code), failure)) });
    },
  };
}

describe('the ways in', () => {
  const DIGEST = digestOf('GGUF');
  const stored = () => join(options.dataDir, 'embedded', 'blobs', blobName('GGUF'));

  async function cached(): Promise<LocalFile> {
    return { ...(await sourceFile('GGUF')), digest: DIGEST, immutable: true };
  }

  function by(file: StorableFile, way?: TransferWay, changes: Partial<StoreOptions> = {}): Promise<StoreResult> {
    const store = createModelStore({ ...options, ...changes });
    const request = { name: 'gemma', file, ...(way && { way }), architecture: 'gemma3n', spec: SPEC };
    return drive(store.put(request, never), () => undefined);
  }

  function elsewhere(pieces: readonly string[]): StorableFile {
    return {
      ref: 'hf:a/b',
      pinnedRef: 'hf:a/b@1',
      fileName: 'b.gguf',
      sizeBytes: 4,
      digest: DIGEST,
      access: { url: 'http://127.0.0.1/', headers: {} },
      async *open() {
        for (const piece of pieces) yield Buffer.from(piece);
      },
    };
  }

  test('a file of our cache by a hard link, which outlives the model', async () => {
    const file = await cached();
    expect(await createModelStore(options).plan(file, undefined)).toMatchObject({ way: 'hard-link', peakBytes: 0 });
    expect(await by(file)).toMatchObject({ way: 'hard-link', bytesMoved: 0, uploadedDigest: DIGEST });
    expect((await fs.stat(stored())).ino).toBe((await fs.stat(file.path)).ino);
    await createModelStore(options).remove('gemma');
    expect(await blobs()).toEqual([]);
    expect(await readFile(file.path, 'utf8')).toBe('GGUF');
  });

  test('a file of the user by a hard link only when that is asked for, and read then', async () => {
    const file = await sourceFile('GGUF');
    expect((await createModelStore(options).plan(file, undefined)).way).not.toBe('hard-link');
    await expect(by(file, 'hard-link')).rejects.toThrow('chmod a-w');
    await fs.chmod(file.path, 0o444);
    await expect(by({ ...file, digest: OTHER_DIGEST }, 'hard-link')).rejects.toMatchObject({ code: 'digest-mismatch' });
    expect(await blobs()).toEqual([]);
    expect(await by(file, 'hard-link')).toMatchObject({ way: 'hard-link', bytesMoved: 0, uploadedDigest: DIGEST });
  });

  test.each(['our cache', 'the user'])(
    'row 35: a blob that is there and corrupt is replaced from a file of %s',
    async (whose) => {
      const file = whose === 'the user' ? await sourceFile('GGUF') : await cached();
      await by(file);
      await fs.rm(stored());
      await fs.writeFile(stored(), 'FUGG');
      const { way } = await by(file);
      expect(way).not.toBe('present');
      expect(await readFile(stored(), 'utf8')).toBe('GGUF');
      expect((await by(file)).way).toBe('present');
    },
  );

  test('a link of ours does not make the file of the cache be read again', async () => {
    const file = await cached();
    const digests = createDigestCache(realDisk, join(options.dataDir, 'cache'));
    await digests.remember(file.path, await fs.stat(file.path, { bigint: true }), DIGEST);
    expect(await by(file, undefined, { digests })).toMatchObject({ way: 'hard-link' });
    expect(await digests.find(file.path, await fs.stat(file.path, { bigint: true }))).toBe(DIGEST);
    expect(await digests.find(stored(), await fs.stat(stored(), { bigint: true }))).toBe(DIGEST);
  });

  test('row 47: the cache on another file system: shared or copied instead', async () => {
    const disk: Disk = {
      ...realDisk,
      link: () => Promise.reject(Object.assign(new Error('EXDEV'), { code: 'EXDEV' })),
    };
    const { way } = await by(await cached(), undefined, { disk });
    expect(['reflink', 'copy']).toContain(way);
    await createModelStore(options).remove('gemma');
    await expect(by(await cached(), 'hard-link', { disk })).rejects.toMatchObject({ code: 'bad-usage', exitCode: 2 });
    expect(await blobs()).toEqual([]);
  });

  test('a remote file in one pass, with no copy between', async () => {
    const file = elsewhere(['GG', 'UF']);
    expect(await createModelStore(options).plan(file, undefined)).toMatchObject({ way: 'stream', peakBytes: 5 });
    expect(await by(file)).toMatchObject({ way: 'stream', bytesMoved: 4, uploadedDigest: DIGEST });
    expect(await readFile(stored(), 'utf8')).toBe('GGUF');
    expect(await by(file)).toMatchObject({ way: 'present', bytesMoved: 0 });
    expect(await createModelStore(options).plan(file, undefined)).toMatchObject({ way: 'present', peakBytes: 0 });
  });

  test.each([
    ['row 7: other bytes', ['FUGG'], 'digest-mismatch'],
    ['row 8: more bytes', ['GGUF', 'x'], 'truncated-file'],
    ['fewer bytes', ['GG'], 'truncated-file'],
  ] as const)('%s than promised: nothing stays', async (_, pieces, code) => {
    await expect(by(elsewhere(pieces))).rejects.toMatchObject({ code, exitCode: 11 });
    expect(await blobs()).toEqual([]);
    expect(await createModelStore(options).find('gemma')).toBeUndefined();
  });

  test('ways that only a server has are refused', async () => {
    await expect(by(await cached(), 'upload')).rejects.toMatchObject({ code: 'bad-usage' });
    await expect(createModelStore(options).plan(await cached(), 'loopback-pull')).rejects.toMatchObject({
      code: 'bad-usage',
      exitCode: 2,
    });
    expect(await by(await cached(), 'copy')).toMatchObject({ way: 'copy', bytesMoved: 4 });
  });
});
