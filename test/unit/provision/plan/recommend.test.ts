import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ChoicePolicy } from '../../../../src/fit/schema.ts';
import { loadedModels, recommendFor } from '../../../../src/provision/plan/recommend.ts';
import { makeApp } from '../../../helpers/app.ts';
import { never } from '../../../helpers/failure.ts';
import { ROOT, TINY_FILE } from '../../../helpers/plans.ts';

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

describe('advice is true', () => {
  const advise = async (model: string, profile: string, policy?: ChoicePolicy) => {
    const file = join(ROOT, `test/fixtures/profiles/${profile}.json`);
    return (
      await recommendFor(makeApp(), { model, settings: {}, force: false, ...(policy && { policy }) }, { profile: file })
    ).data;
  };

  const LARGE_ENOUGH = ['nvidia-rtx-4060-8gb', 'nvidia-rtx-3060-12gb', 'nvidia-rtx-4080-16gb', 'apple-m1-pro-16gb'];
  test.each(LARGE_ENOUGH.flatMap((profile) => ChoicePolicy.options.map((policy) => [profile, policy] as const)))(
    'no hardware is suggested on %s for a quant that it runs as well already (%s)',
    async (profile, policy) => {
      const { changes, candidates } = await advise('gemma-3n-e4b', profile, policy);
      const bought = changes.filter(({ kind }) => kind === 'other-gpu' || kind === 'more-ram');
      const already = bought.filter(({ quant, verdict }) =>
        candidates.some((candidate) => candidate.quant === quant && candidate.verdict === verdict),
      );
      expect(already).toEqual([]);
    },
  );

  test('where nothing fits, a smaller model is suggested, and no GPU for a board that takes none', async () => {
    const { choice, changes } = await advise('gemma-3n-e4b', 'raspberry-pi-5-4gb');
    expect(choice).toBeUndefined();
    expect(changes[0]).toMatchObject({ kind: 'smaller-model', model: 'gemma-3-1b' });
    expect(changes[0]?.sentence).toMatch(/^With a smaller model: gemma-3-1b:\w+ would run on the CPU \(\d stars?\)\.$/);
    expect(changes.map(({ kind }) => kind)).not.toContain('other-gpu');
  });

  test.each([
    ['gemma-3n-e4b', /^The model card recommends it/],
    ['gemma-3n-e2b', /^The model card of gemma-3n-e4b recommends it/],
    ['gemma-3-4b', /^The catalog recommends it/],
    ['tiny-gemma-3n', /^The catalog recommends it/],
  ])('%s: who recommends a quant is named as it is', async (model, expected) => {
    const { choice, candidates } = await advise(model, 'nvidia-rtx-4060-8gb', 'card');
    expect(choice?.reasons.find((reason) => reason.includes(' recommends it'))).toMatch(expected);
    const best = (await advise(model, 'nvidia-rtx-4060-8gb')).choice;
    const named = new RegExp(expected.source.replace('it', 'q5_k_s for'));
    expect(best?.reasons.find((reason) => reason.includes(' recommends q5_k_s'))).toMatch(named);
    const text = candidates.flatMap(({ reasons }) => reasons).join('\n');
    if (!model.startsWith('gemma-3n')) expect(text).not.toMatch(/model card/);
  });
});

test('what is named together must belong together', async () => {
  const profile = join(ROOT, 'test/fixtures/profiles/cpu-only-32gb.json');
  const request = { model: 'gemma-3n-e4b', settings: {}, force: false };
  const other = recommendFor(makeApp(), { ...request, family: 'gemma-3' }, { profile });
  await expect(other).rejects.toMatchObject({ code: 'bad-usage' });
  const file = recommendFor(makeApp(), { ...request, from: TINY_FILE }, { profile });
  await expect(file).rejects.toMatchObject({ code: 'wrong-architecture', message: expect.stringContaining('blocks') });
});
