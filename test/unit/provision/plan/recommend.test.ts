import { readdirSync } from 'node:fs';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { recommendationText } from '../../../../src/cli/render/recommend.ts';
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

describe('a quant that was named', () => {
  const name = async (model: string, quant: string, what: string, profile = 'cpu-only-32gb') => {
    const flags = { profile: join(ROOT, `test/fixtures/profiles/${profile}.json`), 'what-if': what };
    const { data, warnings } = await recommendFor(makeApp(), { model, quant, settings: {}, force: false }, flags);
    return { data, warnings, text: recommendationText(data, { color: false }) };
  };

  test('where it does not fit but others do, only it is said not to run, and what the choice is without it', async () => {
    const { data, warnings, text } = await name('gemma-3-12b', 'f16', 'vram=0,ram=16GiB');
    expect(data.choice).toBeUndefined();
    expect(text).toMatch(
      /gemma-3-12b:f16 does not run here\.\n {2}Too large for RAM: .*\n {2}Without --quant the choice is \S+\.\n/,
    );
    expect(text).not.toContain('No quant');
    expect(warnings.join()).not.toContain('Without --quant');
  });

  test('where none fits, the closest of all is named, not the one that was looked at', async () => {
    const { text } = await name('gemma-3-27b', 'f16', 'vram=0,ram=4GiB');
    expect(text).toContain('gemma-3-27b:f16 does not run here.');
    expect(text).toMatch(/No quant fits\. The closest is (?!f16)\S+, which is/);
  });
});

test('a named quant that no source has is chosen with that said first', async () => {
  const profile = join(ROOT, 'test/fixtures/profiles/nvidia-rtx-4090-24gb.json');
  const { data } = await recommendFor(
    makeApp(),
    { model: 'gemma-3-4b', quant: 'q5_1', settings: {}, force: false },
    { profile },
  );
  expect(data.choice).toMatchObject({
    quant: 'q5_1',
    reasons: [expect.stringMatching(/^No source .* --from\.$/), ...(data.choice?.reasons.slice(1) ?? [])],
  });
  expect(data.candidates[0]?.published).toBe(false);
});

test('policy card for a family without a card says that it is the same as best', async () => {
  const profile = join(ROOT, 'test/fixtures/profiles/nvidia-rtx-4090-24gb.json');
  const reasonsBy = async (policy: ChoicePolicy) => {
    const request = { model: 'gemma-4-12b', policy, settings: {}, force: false };
    return (await recommendFor(makeApp(), request, { profile })).data.choice?.reasons.join(' ');
  };
  expect(await reasonsBy('card')).toContain('policy card chooses the same as policy best');
  expect(await reasonsBy('best')).not.toContain('policy card');
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

  test('where nothing fits, the best model that does is suggested, and no GPU for a board that takes none', async () => {
    const { choice, changes } = await advise('gemma-3n-e4b', 'raspberry-pi-5-4gb');
    expect(choice).toBeUndefined();
    expect(changes[0]).toMatchObject({ kind: 'smaller-model', model: 'gemma-3-1b', quant: 'q8_0', verdict: 'cpu' });
    expect(changes[0]?.sentence).toMatch(
      /^With a smaller model: gemma-3-1b:q8_0 would run on the CPU \(5 stars, about \d+ tok\/s\): gemma-provision recommend gemma-3-1b --profile \S+$/,
    );
    expect(changes.map(({ kind }) => kind)).not.toContain('other-gpu');
  });

  const PROFILES = readdirSync(join(ROOT, 'test/fixtures/profiles'));
  test.each(PROFILES)('%s: the command for another model gives what is said of it', async (file) => {
    const profile = join(ROOT, 'test/fixtures/profiles', file);
    for (const model of ['gemma-3-27b', 'gemma-4-26b-a4b', 'gemma-3n-e4b']) {
      const request = { model, settings: { contextLength: 8192 }, force: false };
      const { data } = await recommendFor(makeApp(), request, { profile });
      const found = data.changes.filter(({ kind }) => kind === 'smaller-model' || kind === 'other-model');
      for (const { model: other, quant, verdict, command } of found) {
        expect(command).toBe(`gemma-provision recommend ${other} --profile ${profile} --ctx 8192`);
        const again = await recommendFor(makeApp(), { ...request, model: other ?? '' }, { profile });
        expect(again.data.choice).toMatchObject({ quant, verdict });
      }
      const poor = data.candidates.find(({ quant }) => quant === data.choice?.quant);
      if (poor === undefined) expect(found).toHaveLength(1);
      else if (poor.quality > 2 && poor.reachesFloor) expect(found).toEqual([]);
    }
  });

  test('what nobody publishes is not chosen, unless a file is passed, and says so', async () => {
    const { choice, candidates, changes } = await advise('gemma-3-27b', 'nvidia-rtx-a6000-48gb');
    const other = candidates.find(({ quant }) => quant === 'q5_0');
    expect(other).toMatchObject({ verdict: 'gpu', published: false });
    expect(other?.reasons[0]).toBe(
      'No source of the catalog has this quant. To use it, pass your own file with --from.',
    );
    const last = candidates.findLastIndex(({ verdict, published }) => verdict !== 'no' && published !== false);
    expect(candidates.slice(0, last).every(({ published }) => published !== false)).toBe(true);
    expect(choice?.quant).toBe('q8_0');
    const research = { model: 'gemma-3-12b', settings: {}, force: false, useCase: 'research' } as const;
    const profile = join(ROOT, 'test/fixtures/profiles/nvidia-rtx-a6000-48gb.json');
    expect((await recommendFor(makeApp(), research, { profile })).data.choice?.quant).toBe('q8_0');
    expect(changes).toEqual([]);
    const tiny = await advise('tiny-gemma-3n', 'nvidia-rtx-4090-24gb');
    expect(tiny.choice?.quant).toBe('q4_k_m');
  });

  test('a quant that was named was chosen by no policy, and both picks are named beside it', async () => {
    const { choice } = await advise('gemma-3n-e4b:q4_k_m', 'nvidia-rtx-4060-8gb');
    expect(choice).toMatchObject({ quant: 'q4_k_m', picks: { best: 'q8_0', card: 'q5_k_s' } });
    expect(choice).not.toHaveProperty('policy');
    expect(choice?.reasons.join(' ')).toContain('Without --quant the choice would be q8_0');
  });

  test('a model that the server cannot load is not suggested', async () => {
    const profile = join(ROOT, 'test/fixtures/profiles/nvidia-rtx-4090-24gb.json');
    const request = { model: 'gemma-4-31b', settings: {}, force: false };
    const { data } = await recommendFor(makeApp(), request, { profile, 'server-version': '0.6.0' });
    expect(data.choice).toBeUndefined();
    expect(data.changes[0]).toMatchObject({ kind: 'smaller-model', model: 'gemma-3-27b', quant: 'q6_k' });
    expect(data.changes[0]?.command).toContain('--server-version 0.6.0');
  });

  test('a profile whose name has a space is quoted in the command', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'profile '));
    try {
      const profile = join(folder, 'my pi.json');
      await copyFile(join(ROOT, 'test/fixtures/profiles/raspberry-pi-5-4gb.json'), profile);
      const request = { model: 'gemma-3n-e4b', settings: {}, force: false };
      const { data } = await recommendFor(makeApp(), request, { profile });
      expect(data.changes[0]?.command).toContain(`--profile '${profile}'`);
    } finally {
      await rm(folder, { recursive: true });
    }
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
    const card = best?.picks.card;
    expect(card).toBe(choice?.quant);
    const named = best?.quant === card ? expected : new RegExp(expected.source.replace('it', `${card} for`));
    expect(best?.reasons.find((reason) => / recommends (?:it|\S+ for) /.test(reason))).toMatch(named);
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
