import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { NO_DIGEST_CACHE } from '../../../src/disk/digest-cache.ts';
import { realDisk } from '../../../src/disk/disk.ts';
import { fileSource } from '../../../src/sources/file.ts';
import { webSource } from '../../../src/sources/https.ts';
import { resolveSource } from '../../../src/sources/index.ts';
import { librarySource, offlineLibrary } from '../../../src/sources/ollama-library.ts';
import { never } from '../../helpers/failure.ts';
import { OTHER_DIGEST, temporaryFolder } from './support.ts';

const web = webSource({ http: () => Promise.reject(new Error('no network')) });
const sources = [librarySource, fileSource({ disk: realDisk, digests: NO_DIGEST_CACHE, cwd: '/' })];

describe('resolveSource', () => {
  test('goes to the source that knows the form', async () => {
    const path = join(await temporaryFolder(), 'model.gguf');
    await writeFile(path, 'GGUF');
    expect(await resolveSource(sources, { ref: path, signal: never })).toMatchObject({ kind: 'file', path });
    expect(await resolveSource(sources, { ref: 'ollama:gemma3n:e4b', signal: never })).toEqual({
      kind: 'library',
      ref: 'ollama:gemma3n:e4b',
      name: 'gemma3n:e4b',
    });
  });

  test('a password after a mistyped scheme is not repeated', async () => {
    const ref = 'htps://me:plantedSecret@example.org/a.gguf';
    const error = await resolveSource([...sources, web], { ref, signal: never }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 'bad-usage',
      suggestions: expect.arrayContaining([expect.stringMatching(/^Did you mean https:/)]),
    });
    expect(JSON.stringify([error, String(error)])).not.toContain('plantedSecret');
  });

  test('an unknown scheme gets the nearest known one', async () => {
    await expect(resolveSource(sources, { ref: 'olama:gemma3n:e4b', signal: never })).rejects.toMatchObject({
      code: 'bad-usage',
      suggestions: expect.arrayContaining(['Did you mean ollama:gemma3n:e4b?']),
    });
  });

  test('a bare library name is answered with its full form', async () => {
    await expect(resolveSource(sources, { ref: 'gemma3n:e4b', signal: never })).rejects.toMatchObject({
      code: 'bad-usage',
      suggestions: expect.arrayContaining([
        'For a model of the Ollama library write ollama:gemma3n:e4b',
        'For a file whose name has a colon write file:gemma3n:e4b or ./gemma3n:e4b',
      ]),
    });
  });

  test.each(['constructor:x', '__proto__:x', '', '   '])('%j is an error and no accident', async (ref) => {
    const attempt = resolveSource(sources, { ref, signal: never });
    await expect(attempt).rejects.toMatchObject({ name: 'ProvisionError' });
  });
});

describe('the library', () => {
  test.each(['ollama:', 'ollama: gemma', 'ollama:gemma3n:', 'ollama:gemma 3n', 'ollama:-x', 'ollama:a:b:c'])(
    '%j is no name',
    async (ref) => {
      await expect(librarySource.resolve({ ref, signal: never })).rejects.toMatchObject({ code: 'bad-usage' });
    },
  );

  test('--offline: not even the server may download', async () => {
    const attempt = resolveSource([offlineLibrary], { ref: 'ollama:gemma3n:e4b', signal: never });
    await expect(attempt).rejects.toMatchObject({
      code: 'network',
      message: expect.stringMatching(/^ollama:gemma3n:e4b is pulled by the server .*--offline/),
      suggestions: [expect.stringContaining('--from PATH')],
    });
  });

  test('cannot be held to a digest', async () => {
    const request = { ref: 'ollama:gemma3n', expected: { digest: OTHER_DIGEST }, signal: never };
    await expect(librarySource.resolve(request)).rejects.toMatchObject({
      code: 'bad-usage',
      suggestions: [expect.stringContaining('--digest')],
    });
  });
});
