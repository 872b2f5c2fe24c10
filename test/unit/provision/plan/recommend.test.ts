import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadedModels, recommendFor } from '../../../../src/provision/plan/recommend.ts';
import { makeApp } from '../../../helpers/app.ts';
import { never } from '../../../helpers/failure.ts';
import { ROOT } from '../../../helpers/plans.ts';

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

describe('for a server of a version that was typed', () => {
  const profile = join(ROOT, 'test/fixtures/profiles/nvidia-rtx-4090-24gb.json');
  const request = { model: 'gemma-3n-e4b', settings: {}, force: false };

  test('a server without the architecture gets no recommendation, and the remedy', async () => {
    const { data, warnings } = await recommendFor(makeApp(), request, { profile, 'server-version': '0.6.0' });
    expect(data.choice).toBeUndefined();
    expect(data.candidates.map(({ verdict }) => verdict)).toEqual(data.candidates.map(() => 'no'));
    expect(data.candidates[0]?.blockedBy).toEqual([expect.stringContaining('gemma3n')]);
    expect(warnings.join('\n')).toMatch(/0\.6\.9|0\.\d+\.\d+ or later|Upgrade/);
  });

  test('a word that is not a version is bad usage', async () => {
    const answer = recommendFor(makeApp(), request, { profile, 'server-version': 'abc' });
    await expect(answer).rejects.toMatchObject({ code: 'bad-usage', message: expect.stringContaining('"abc"') });
  });
});
