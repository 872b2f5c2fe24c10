/** Which folder a plan names for a server on this machine. */
import { expect, test } from 'vitest';
import { modelsPath } from '../../../../src/runtimes/ollama/open.ts';
import { type Entry, fakeFiles, processEntries } from '../../doctor/fakes.ts';

const planned = (entries: Record<string, Entry>) =>
  modelsPath(
    { url: 'http://127.0.0.1:11434' },
    {
      disk: fakeFiles(entries),
      env: {},
      root: '/opt/gemma-provision',
      models: async () => '/home/anna/.ollama/models',
      signal: new AbortController().signal,
    },
  );

test.runIf(process.platform === 'linux')('the folder in the environment of the server itself', async () => {
  expect(await planned(processEntries('OLLAMA_MODELS=/srv/models\0'))).toBe('/srv/models');
});

test('the usual one where nothing of the server can be seen', async () => {
  expect(await planned({ '/proc/net/tcp': { text: 'nonsense' } })).toMatch(/models$/);
});

test('the usual one where another program forwards to the server', async () => {
  const entries = {
    ...processEntries('OLLAMA_MODELS=/srv/models\0'),
    '/proc/77/exe': { link: '/usr/bin/docker-proxy' },
  };
  expect(await planned(entries)).toBe('/home/anna/.ollama/models');
});
