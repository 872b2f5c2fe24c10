import nock from 'nock';
import { afterEach, describe, expect, test } from 'vitest';
import { loadedModels } from '../../../src/cli/services/recommend-loaded.ts';
import { expectAllUsed, resetHttp } from '../../helpers/http-mock.ts';

const SERVER = 'http://127.0.0.1:11434';
const SIGNAL = new AbortController().signal;

afterEach(() => {
  expectAllUsed();
  resetHttp();
});

function answers(status: number, body: nock.Body): void {
  nock(SERVER).get('/api/ps').reply(status, body);
}

describe('models that are loaded', () => {
  test('with what each takes of the GPU and of RAM', async () => {
    const models = [
      { name: 'a:1', size: 5_000, size_vram: 3_000, context_length: 4096 },
      { name: 'b:1', size: 2_000 },
    ];
    answers(200, { models });
    expect(await loadedModels(SERVER, SIGNAL)).toEqual([
      { name: 'a:1', gpuBytes: 3_000, ramBytes: 2_000 },
      { name: 'b:1', gpuBytes: 0, ramBytes: 2_000 },
    ]);
  });

  test.each<[string, number, nock.Body]>([
    ['none', 200, { models: [] }],
    ['null, as old servers say', 200, { models: null }],
    ['no such route', 404, '404 page not found'],
    ['sizes that are none', 200, { models: [{ name: 'x', size: -1 }] }],
    ['no JSON', 200, 'hello'],
  ])('%s: nothing is loaded', async (_what, status, body) => {
    answers(status, body);
    expect(await loadedModels(SERVER, SIGNAL)).toEqual([]);
  });

  test('a server that cannot be reached: nothing is loaded; an abort is an abort', async () => {
    expect(await loadedModels('http://127.0.0.1:1', SIGNAL)).toEqual([]);
    const aborted = AbortSignal.abort(new Error('stop'));
    await expect(loadedModels(SERVER, aborted)).rejects.toThrow('stop');
  });
});
