import { describe, expect, test } from 'vitest';
import { loadedModels } from '../../../../src/provision/plan/recommend.ts';
import { never } from '../../../helpers/failure.ts';

describe('models that are loaded', () => {
  test('with what each takes of the GPU and of RAM', async () => {
    const runtime = {
      loadedModels: async () => [
        { name: 'a:1', sizeBytes: 5_000, gpuBytes: 3_000, contextLength: 4096 },
        { name: 'b:1', sizeBytes: 2_000 },
        { name: 'c:1' },
      ],
    };
    expect(await loadedModels(runtime, never)).toEqual([
      { name: 'a:1', gpuBytes: 3_000, ramBytes: 2_000 },
      { name: 'b:1', gpuBytes: 0, ramBytes: 2_000 },
      { name: 'c:1', gpuBytes: 0, ramBytes: 0 },
    ]);
  });

  test('none where the runtime cannot tell, or fails', async () => {
    expect(await loadedModels({}, never)).toEqual([]);
    const broken = { loadedModels: () => Promise.reject(new Error('gone')) };
    expect(await loadedModels(broken, never)).toEqual([]);
  });

  test('an abort is an abort', async () => {
    const runtime = { loadedModels: () => Promise.reject(new Error('whatever')) };
    await expect(loadedModels(runtime, AbortSignal.abort(new Error('stop')))).rejects.toThrow('stop');
  });
});
