import { expect, test } from 'vitest';
import { engineEnvironment } from '../../../../src/runtimes/embedded/library-path.ts';

const FOLDERS: Readonly<Record<string, readonly string[]>> = {
  '/home/a/llama.cpp/build/bin': ['llama-cli', 'libggml-base.so', 'libllama.so'],
  '/opt/llama/lib': ['libllama.v0.5.0.so.1'],
  '/opt/ggml/lib': ['libggml-cpu.dylib'],
  '/usr/lib/wsl/lib': ['libcuda.so.1', 'libggmlish.so', 'libllamas.so'],
  '/src': ['libllama.cpp', 'libggml.md'],
  '.': ['libllama.so'],
};
const readdir = async (folder: string) => {
  const names = FOLDERS[folder];
  if (names === undefined) throw new Error('ENOENT');
  return names;
};

test.each([
  ['LD_LIBRARY_PATH', '/home/a/llama.cpp/build/bin:/usr/lib/wsl/lib', '/usr/lib/wsl/lib'],
  ['LD_LIBRARY_PATH', '/usr/lib/wsl/lib;/opt/llama/lib;/none', '/usr/lib/wsl/lib:/none'],
  ['LD_LIBRARY_PATH', '/opt/llama/lib', ''],
  ['LD_LIBRARY_PATH', '/src:', '/src'],
  ['DYLD_LIBRARY_PATH', '/opt/ggml/lib:/src', '/src'],
])('%s=%s: folders with another llama.cpp are left out for the engine', async (name, value, left) => {
  const env = { PATH: '/bin', [name]: value };
  expect(await engineEnvironment(env, readdir)).toEqual({ PATH: '/bin', [name]: left });
});

test.each([[{ PATH: '/bin' }], [{ LD_LIBRARY_PATH: '' }], [{ LD_LIBRARY_PATH: '/usr/lib/wsl/lib:/none' }]])(
  '%o stays as it is',
  async (env) => {
    expect(await engineEnvironment(env, readdir)).toBe(env);
  },
);
