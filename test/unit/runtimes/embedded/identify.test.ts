import { describe, expect, test } from 'vitest';
import { type EngineFiles, engineVersion } from '../../../../src/runtimes/embedded/identify.ts';

function engineFiles(texts: Readonly<Record<string, string>>): EngineFiles {
  return {
    resolve: (name) => `file:///app/node_modules/${name}/dist/index.js`,
    readText: (path) => Promise.resolve(texts[path.replaceAll('\\', '/')]),
  };
}
const manifest = '/app/node_modules/node-llama-cpp/package.json';
const release = '/app/node_modules/node-llama-cpp/llama/binariesGithubRelease.json';
const packageOf = (version: string): string => JSON.stringify({ name: 'node-llama-cpp', version });

describe('the version of the engine', () => {
  test('has the release of llama.cpp where the package tells it', async () => {
    const files = engineFiles({ [manifest]: packageOf('3.22.1'), [release]: '{"release":"b6000/x"}' });
    expect(await engineVersion(files)).toBe('3.22.1+llama.cpp-b6000-x');
  });

  test.each([undefined, '{', '{}'])('goes without it when the release file is %j', async (text) => {
    const files = engineFiles({ [manifest]: packageOf('3.22.1'), ...(text !== undefined && { [release]: text }) });
    expect(await engineVersion(files)).toBe('3.22.1');
  });

  test('a missing package says how to install it, or what else to use', async () => {
    const missing: EngineFiles = {
      resolve: () => {
        throw Object.assign(new Error("Cannot find package 'node-llama-cpp'"), { code: 'ERR_MODULE_NOT_FOUND' });
      },
      readText: () => Promise.resolve(undefined),
    };
    const expected = {
      code: 'runtime-missing',
      exitCode: 13,
      suggestions: [
        expect.stringContaining('npm install -g node-llama-cpp@3'),
        expect.stringContaining('--runtime ollama'),
      ],
    };
    await expect(engineVersion(missing)).rejects.toMatchObject(expected);
    await expect(engineVersion(engineFiles({}))).rejects.toMatchObject(expected);
    await expect(engineVersion(engineFiles({ [manifest]: '{' }))).rejects.toMatchObject(expected);
  });

  test.each([
    ['3.21.0', 'runtime-too-old'],
    ['2.8.16', 'runtime-too-old'],
    ['4.0.0', 'runtime-refused'],
    ['what', 'runtime-too-old'],
  ])('%s is refused: %s', async (version, code) => {
    await expect(engineVersion(engineFiles({ [manifest]: packageOf(version) }))).rejects.toMatchObject({
      code,
      message: expect.stringContaining(version),
      suggestions: [expect.stringContaining('node-llama-cpp@3')],
    });
  });
});
