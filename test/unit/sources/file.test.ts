import fs, { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeEach, describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/core/digest.ts';
import { createDigestCache, type DigestCache, NO_DIGEST_CACHE } from '../../../src/disk/digest-cache.ts';
import { type Disk, realDisk } from '../../../src/disk/disk.ts';
import type { ResolvedSource, ResolveRequest } from '../../../src/sources/contract.ts';
import { fileSource } from '../../../src/sources/file.ts';
import { never } from '../../helpers/failure.ts';
import { failingWith, OTHER_DIGEST, temporaryFolder } from './support.ts';

let folder: string;
beforeEach(async () => {
  folder = await temporaryFolder();
});

function resolve(
  ref: string,
  more: Partial<ResolveRequest> = {},
  disk: Disk = realDisk,
  digests: DigestCache = NO_DIGEST_CACHE,
): Promise<ResolvedSource> {
  return fileSource({ disk, digests, cwd: folder }).resolve({ ref, signal: never, ...more });
}

describe('forms of a reference', () => {
  test.each([
    ['a relative path', () => 'model.gguf'],
    ['a dotted path', () => './model.gguf'],
    ['an absolute path', () => join(folder, 'model.gguf')],
    ['file: and a relative path', () => 'file:model.gguf'],
    ['file: and an absolute path', () => `file:${join(folder, 'model.gguf')}`],
    ['a file URL', () => pathToFileURL(join(folder, 'model.gguf')).href],
  ])('%s', async (_, ref) => {
    await writeFile(join(folder, 'model.gguf'), 'GGUF');
    expect(await resolve(ref())).toEqual({
      kind: 'file',
      ref: ref(),
      path: join(folder, 'model.gguf'),
      sizeBytes: 4,
    });
  });

  test('a file URL is percent-decoded, a plain path and the short form are not', async () => {
    await writeFile(join(folder, 'a b.gguf'), 'GGUF');
    await writeFile(join(folder, 'a%20b.gguf'), 'GGUF2');
    expect(await resolve(pathToFileURL(join(folder, 'a b.gguf')).href)).toMatchObject({ sizeBytes: 4 });
    expect(await resolve('a%20b.gguf')).toMatchObject({ sizeBytes: 5 });
    expect(await resolve('file:a%20b.gguf')).toMatchObject({ sizeBytes: 5 });
  });

  test('a name with a colon can be reached by file:', async () => {
    await writeFile(join(folder, 'my:model.gguf'), 'GGUF');
    expect(await resolve('file:my:model.gguf')).toMatchObject({ path: join(folder, 'my:model.gguf') });
  });

  test('one letter and a colon is a drive, not a scheme', () => {
    const source = fileSource({ disk: realDisk, digests: NO_DIGEST_CACHE, cwd: folder });
    expect(source.matches('C:\\models\\a.gguf')).toBe(true);
    expect(source.matches('hf:owner/repo/a.gguf')).toBe(false);
    expect(source.matches('FILE:a.gguf')).toBe(true);
  });

  test.each(['file:', 'a\0b', 'file://otherhost/a.gguf', 'file:///%ZZ'])('%j is refused', async (ref) => {
    await expect(resolve(ref)).rejects.toMatchObject({ code: 'bad-usage' });
  });
});

describe('what is not a usable file', () => {
  test('missing', async () => {
    await expect(resolve('nowhere.gguf')).rejects.toMatchObject({
      code: 'source-not-found',
      message: expect.stringContaining(join(folder, 'nowhere.gguf')),
    });
  });

  test('a path through a file', async () => {
    await writeFile(join(folder, 'model.gguf'), 'GGUF');
    await expect(resolve('model.gguf/inner.gguf')).rejects.toMatchObject({ code: 'source-not-found' });
  });

  test('a dangling symbolic link', async () => {
    await symlink(join(folder, 'gone'), join(folder, 'link.gguf'));
    await expect(resolve('link.gguf')).rejects.toMatchObject({ code: 'source-not-found' });
  });

  test('empty', async () => {
    await writeFile(join(folder, 'empty.gguf'), '');
    await expect(resolve('empty.gguf')).rejects.toMatchObject({
      code: 'truncated-file',
      message: expect.stringContaining('empty'),
    });
  });

  test.runIf(process.platform !== 'win32')('a device', async () => {
    await expect(resolve('/dev/null')).rejects.toMatchObject({
      code: 'bad-usage',
      message: expect.stringContaining('not a regular file'),
    });
  });

  test.each([
    ['EACCES', 'open', 'permission denied'],
    ['EPERM', 'open', 'permission denied'],
    ['EIO', 'open', 'EIO'],
    ['EACCES', 'stat', 'permission denied'],
  ] as const)('%s at %s', async (code, operation, text) => {
    await writeFile(join(folder, 'model.gguf'), 'GGUF');
    await expect(resolve('model.gguf', {}, failingWith(code, operation))).rejects.toMatchObject({
      code: 'file-access',
      message: expect.stringContaining(text),
      suggestions: [expect.any(String)],
    });
  });

  test('an aborted request resolves nothing', async () => {
    await writeFile(join(folder, 'model.gguf'), 'GGUF');
    const reason = new Error('stopped by the user');
    await expect(resolve('model.gguf', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

test('symbolic links to regular files and folders are followed', async () => {
  await mkdir(join(folder, 'real'));
  await writeFile(join(folder, 'real', 'model.gguf'), 'GGUF');
  await symlink(join(folder, 'real', 'model.gguf'), join(folder, 'link.gguf'));
  await symlink(join(folder, 'real'), join(folder, 'folder-link'));
  expect(await resolve('link.gguf')).toMatchObject({ path: join(folder, 'link.gguf'), sizeBytes: 4 });
  expect(await resolve('folder-link', { fileName: 'model.gguf' })).toMatchObject({ sizeBytes: 4 });
});

describe('a folder', () => {
  test('stands for the wanted file, whatever the case of its name', async () => {
    await writeFile(join(folder, 'Gemma-3n-E4B.Q4_K_M.gguf'), 'GGUF');
    expect(await resolve('.', { fileName: 'gemma-3n-e4b.q4_k_m.gguf' })).toMatchObject({
      path: join(folder, 'Gemma-3n-E4B.Q4_K_M.gguf'),
    });
  });

  test('the exact spelling wins over another case', async () => {
    await writeFile(join(folder, 'Model.gguf'), 'GGUF-A');
    await writeFile(join(folder, 'model.gguf'), 'GGUF');
    expect(await resolve('.', { fileName: 'model.gguf' })).toMatchObject({ path: join(folder, 'model.gguf') });
    await expect(resolve('.', { fileName: 'MODEL.gguf' })).rejects.toMatchObject({
      code: 'bad-usage',
      message: expect.stringMatching(/Model\.gguf.*model\.gguf|model\.gguf.*Model\.gguf/),
    });
  });

  test('without the wanted file names the nearest one', async () => {
    await writeFile(join(folder, 'gemma.q4_k_m.gguf'), 'GGUF');
    await expect(resolve('.', { fileName: 'gemma.q4_k_s.gguf' })).rejects.toMatchObject({
      code: 'source-not-found',
      suggestions: expect.arrayContaining(['Did you mean gemma.q4_k_m.gguf?']),
    });
  });

  test('without a wanted name is refused, with what it holds', async () => {
    await writeFile(join(folder, 'a.gguf'), 'GGUF');
    await writeFile(join(folder, 'b.gguf'), 'GGUF');
    await expect(resolve('.')).rejects.toMatchObject({
      code: 'bad-usage',
      suggestions: [`Pass a file, for example ${join(folder, 'a.gguf')}`, 'It contains: a.gguf, b.gguf.'],
    });
    await mkdir(join(folder, 'empty'));
    await expect(resolve('empty')).rejects.toMatchObject({
      message: expect.stringContaining('contains no .gguf file'),
    });
  });

  test('whose wanted name is a folder itself', async () => {
    await mkdir(join(folder, 'model.gguf'));
    await expect(resolve('.', { fileName: 'model.gguf' })).rejects.toMatchObject({
      code: 'bad-usage',
      message: expect.stringContaining('a folder, not a regular file'),
    });
  });

  test('that cannot be listed', async () => {
    await expect(resolve('.', { fileName: 'a.gguf' }, failingWith('EACCES', 'readdir'))).rejects.toMatchObject({
      code: 'file-access',
    });
  });
});

describe('what the bytes must be', () => {
  beforeEach(() => writeFile(join(folder, 'model.gguf'), 'GGUF'));

  test('a shorter file is cut short, a longer one is another file', async () => {
    await expect(resolve('model.gguf', { expected: { sizeBytes: 5 } })).rejects.toMatchObject({
      code: 'truncated-file',
      message: expect.stringMatching(/4 bytes.*5/),
    });
    await expect(resolve('model.gguf', { expected: { sizeBytes: 3 } })).rejects.toMatchObject({
      code: 'digest-mismatch',
      exitCode: 11,
    });
    expect(await resolve('model.gguf', { expected: { sizeBytes: 4 } })).toMatchObject({ sizeBytes: 4 });
  });

  test('an expected digest is handed on; a cached one is compared with it without reading', async () => {
    expect(await resolve('model.gguf', { expected: { digest: OTHER_DIGEST } })).toMatchObject({ digest: OTHER_DIGEST });

    const cache = createDigestCache(realDisk, join(folder, 'cache'));
    await cache.remember(
      join(folder, 'model.gguf'),
      await fs.stat(join(folder, 'model.gguf'), { bigint: true }),
      digestOf('GGUF'),
    );
    expect(await resolve('model.gguf', {}, realDisk, cache)).toMatchObject({ digest: digestOf('GGUF') });
    await expect(resolve('model.gguf', { expected: { digest: OTHER_DIGEST } }, realDisk, cache)).rejects.toMatchObject({
      code: 'digest-mismatch',
      message: expect.stringMatching(new RegExp(`${OTHER_DIGEST}[^]*${digestOf('GGUF')}`)),
    });
  });
});

test('a folder lists its GGUF files, with those that cannot be looked at; a file lists nothing', async () => {
  await writeFile(join(folder, 'b.gguf'), 'GGUF');
  await writeFile(join(folder, 'README.md'), '');
  await symlink(join(folder, 'gone'), join(folder, 'a.GGUF'));
  const { list } = fileSource({ disk: realDisk, digests: NO_DIGEST_CACHE, cwd: folder });
  const [a, b] = [join(folder, 'a.GGUF'), join(folder, 'b.gguf')];
  expect(await list?.('.')).toEqual([
    { ref: a, path: a, sizeBytes: 0 },
    { ref: b, path: b, sizeBytes: 4 },
  ]);
  expect(await list?.('b.gguf')).toBeUndefined();
});
