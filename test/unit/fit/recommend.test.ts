import { describe, expect, test } from 'vitest';
import { UseCaseId } from '../../../src/catalog/schema.ts';
import { GIB } from '../../../src/core/units.ts';
import { tierFor } from '../../../src/fit/choice/policy.ts';
import { type RecommendRequest, recommend } from '../../../src/fit/choice/recommend.ts';
import { bestDevice } from '../../../src/fit/memory/devices.ts';
import { type Candidate, type ChoicePolicy, Recommendation } from '../../../src/fit/schema.ts';
import type { HostProfile } from '../../../src/hardware/schema.ts';
import { apple, E4B, E4B_WITH_WEIGHTS, GEMMA_3N, host, nvidia, SETTINGS, tabledWeights } from './support.ts';

function advise(profile: HostProfile, change: Partial<RecommendRequest> = {}): Recommendation {
  const answer = recommend({
    family: GEMMA_3N,
    model: E4B_WITH_WEIGHTS,
    settings: SETTINGS,
    engine: 'ollama-b',
    profile,
    ...change,
  });
  return Recommendation.parse(answer);
}

function candidate(answer: Recommendation, quant: string): Candidate {
  const found = answer.candidates.find((one) => one.quant === quant);
  if (found === undefined) throw new Error(`no candidate ${quant}`);
  return found;
}

describe('the tier of the card', () => {
  test.each([
    ['24 GB that report 23034 MiB', [nvidia(22.49)], 'high-end-gpu'],
    ['16 GB that report 15360 MiB', [nvidia(15)], 'mid-range-gpu'],
    ['12 GB', [nvidia(11.99)], 'mid-range-gpu'],
    ['10 GB', [nvidia(10)], 'consumer-gpu'],
    ['8 GB that report 8188 MiB', [nvidia(7.996)], 'consumer-gpu'],
    ['6 GB', [nvidia(6)], 'low-vram-gpu'],
    ['none', [], 'cpu-only'],
  ])('a GPU of %s', (_, gpus, expected) => {
    const profile = host({ gpus });
    expect(tierFor(GEMMA_3N.policy, profile, bestDevice(profile, 'ollama-b').device)?.id).toBe(expected);
  });

  test('a machine or container of little RAM without a GPU is an edge device', () => {
    expect(tierFor(GEMMA_3N.policy, host({ ram: 4 }), undefined)?.id).toBe('edge');
    expect(tierFor(GEMMA_3N.policy, host({ ram: 64, cgroup: 6 }), undefined)?.id).toBe('edge');
  });
});

describe('the policy best', () => {
  test.each<[string, HostProfile, string | undefined, string | undefined]>([
    ['24 GB GPU', host({ ram: 64, gpus: [nvidia(24)] }), 'q8_0', 'gpu'],
    ['12 GB GPU', host({ gpus: [nvidia(12)] }), 'q8_0', 'gpu'],
    ['8 GB GPU', host({ gpus: [nvidia(8)] }), 'q8_0', 'gpu'],
    ['6 GB GPU: Q8_0 only in part', host({ gpus: [nvidia(6)] }), 'q6_k', 'gpu'],
    ['4 GB GPU, mostly free', host({ gpus: [nvidia(4, 3.9, 'RTX 3050')] }), 'q4_0', 'gpu'],
    ['4 GB GPU with a desktop: two stars wholly there', host({ gpus: [nvidia(4, 3.6)] }), 'q3_k_m', 'gpu'],
    ['4 GB GPU, half used: not Q2_K for its speed, the card’s Q4_0', host({ gpus: [nvidia(4, 2)] }), 'q4_0', 'partial'],
    ['32 GB of RAM, no GPU: nothing reaches the speed', host({ ram: 32 }), 'q4_0', 'cpu'],
    ['8 GB of RAM, little of it free', host({ ram: 8, free: 5.5 }), 'q3_k_m', 'cpu'],
    ['Mac of 36 GB', host({ ram: 36, free: 27, gpus: [apple(27)], platform: 'darwin' }), 'q8_0', 'gpu'],
    ['single-board computer of 4 GB', host({ ram: 4, free: 3.2 }), undefined, undefined],
  ])('%s', (_, profile, quant, verdict) => {
    const { choice } = advise(profile);
    expect([choice?.quant, choice?.verdict]).toEqual([quant, verdict]);
  });

  test('names what the card would choose', () => {
    const { choice } = advise(host({ gpus: [nvidia(6)] }));
    expect(choice).toMatchObject({ policy: 'best', picks: { best: 'q6_k', card: 'q4_0' } });
  });

  test('takes the highest quality that is fast enough for the use; for research the reference', () => {
    const large = host({ ram: 64, gpus: [nvidia(24)] });
    const choices = UseCaseId.options.map((useCase) => [useCase, advise(large, { useCase }).choice?.quant]);
    expect(Object.fromEntries(choices)).toEqual({
      chatbot: 'q8_0',
      research: 'f16',
      prototype: 'q8_0',
      constrained: 'q8_0',
      edge: 'q8_0',
    });
  });

  test('for research the quality comes before the place', () => {
    const small = host({ ram: 64, gpus: [nvidia(6)] });
    expect(advise(small, { useCase: 'research' }).choice).toMatchObject({ quant: 'q8_0', verdict: 'partial' });
    expect(advise(small).choice).toMatchObject({ quant: 'q6_k', verdict: 'gpu' });
  });

  test('the speed counts by the middle of the lower half of its range', () => {
    const speeds = new Map(
      advise(host({ ram: 32 })).candidates.map(({ quant, tokensPerSecond, reachesFloor }) => [
        quant,
        { tokensPerSecond, reachesFloor },
      ]),
    );
    for (const { tokensPerSecond, reachesFloor } of speeds.values()) {
      const { low = 0, estimate = 0 } = tokensPerSecond ?? {};
      expect(reachesFloor).toBe((low + estimate) / 2 >= 5);
    }
    const at = (q8_0: number) => {
      const measured = (quant: string) =>
        quant === 'q8_0' ? { tokensPerSecond: q8_0, at: '2026-01-02T03:04:05Z' } : undefined;
      return advise(host({ ram: 32 }), { measured }).choice?.quant;
    };
    expect([at(4.9), at(5)]).toEqual(['q4_0', 'q8_0']);
  });

  test('one or two stars on a CPU do not lead by their speed alone before what the card names', () => {
    const rates: Readonly<Record<string, number>> = { q2_k: 9, q3_k_m: 7 };
    const measured = (quant: string) => {
      const tokensPerSecond = rates[quant];
      return tokensPerSecond === undefined ? undefined : { tokensPerSecond, at: '2026-01-02T03:04:05Z' };
    };
    expect(advise(host({ ram: 32 }), { measured }).choice?.quant).toBe('q4_0');
    const slow = { ...rates, q4_0: 1 };
    const tooSlow = (quant: string) => {
      const tokensPerSecond = slow[quant as keyof typeof slow];
      return tokensPerSecond === undefined ? undefined : { tokensPerSecond, at: '2026-01-02T03:04:05Z' };
    };
    expect(advise(host({ ram: 32 }), { measured: tooSlow }).choice?.quant).toBe('q3_k_m');
  });

  test('without a card: the same for both policies, and the fastest of three stars where nothing is fast enough', () => {
    const family = { ...GEMMA_3N, policy: { tiers: [], useCases: [] } };
    const answer = (profile: HostProfile, policy: ChoicePolicy) => advise(profile, { family, policy }).choice;
    const gpu = host({ gpus: [nvidia(6)] });
    expect(answer(gpu, 'best')).toMatchObject({ quant: 'q6_k', picks: { best: 'q6_k' } });
    expect(answer(gpu, 'best')?.picks).not.toHaveProperty('card');
    expect(answer(gpu, 'card')?.quant).toBe('q6_k');
    expect(answer(host({ ram: 32 }), 'best')?.quant).toBe('q4_0');
    expect(answer(host({ ram: 32 }), 'card')?.quant).toBe('q4_0');
  });

  test('a type of more bits comes first among equal stars', () => {
    const q6 = tabledWeights('q6_k');
    const quants = E4B_WITH_WEIGHTS.quants.map((quant) => (quant.id === 'q5_k_m' ? { ...quant, weights: q6 } : quant));
    const { candidates } = advise(host({ gpus: [nvidia(6)] }), { model: { ...E4B_WITH_WEIGHTS, quants } });
    const order = candidates.filter(({ quality }) => quality === 4).map(({ quant }) => quant);
    expect(order).toEqual(['q6_k', 'q5_k_m']);
  });
});

describe('the policy card', () => {
  const card = { policy: 'card' } as const;

  test.each<[string, HostProfile, string | undefined, string | undefined]>([
    ['24 GB GPU', host({ ram: 64, gpus: [nvidia(24)] }), 'q8_0', 'gpu'],
    ['12 GB GPU', host({ gpus: [nvidia(12)] }), 'q6_k', 'gpu'],
    ['8 GB GPU', host({ gpus: [nvidia(8)] }), 'q4_k_m', 'gpu'],
    ['4 GB GPU, mostly free', host({ gpus: [nvidia(4, 3.9)] }), 'q4_0', 'gpu'],
    ['4 GB GPU with a desktop: the smaller of the card’s two', host({ gpus: [nvidia(4, 3.6)] }), 'q3_k_m', 'gpu'],
    ['4 GB GPU, half used: Q4_0 in part', host({ gpus: [nvidia(4, 2)] }), 'q4_0', 'partial'],
    ['32 GB of RAM, no GPU', host({ ram: 32 }), 'q4_0', 'cpu'],
    ['8 GB of RAM, little of it free', host({ ram: 8, free: 5.5 }), 'q3_k_m', 'cpu'],
    ['Mac of 36 GB', host({ ram: 36, free: 27, gpus: [apple(27)], platform: 'darwin' }), 'q8_0', 'gpu'],
    ['single-board computer of 4 GB', host({ ram: 4, free: 3.2 }), undefined, undefined],
  ])('%s', (_, profile, quant, verdict) => {
    const { choice } = advise(profile, card);
    expect([choice?.quant, choice?.verdict]).toEqual([quant, verdict]);
  });

  test.each([
    ['chatbot', 'q5_k_m'],
    ['prototype', 'q4_0'],
    ['constrained', 'q3_k_m'],
    ['edge', 'q2_k'],
    ['research', 'f16'],
  ] as const)('for %s is what the card names for that use', (useCase, expected) => {
    expect(advise(host({ ram: 64, gpus: [nvidia(24)] }), { useCase, ...card }).choice?.quant).toBe(expected);
  });

  test('says what the policy best would choose', () => {
    const { choice } = advise(host({ gpus: [nvidia(6)] }), card);
    expect(choice).toMatchObject({ policy: 'card', picks: { best: 'q6_k', card: 'q4_0' } });
    expect(choice?.reasons.join('\n')).toMatch(/Policy best would choose another quant: q6_k fits too/);
    expect(choice?.reasons.join('\n')).toContain('To use q6_k: --policy best.');
  });
});

describe('the choice', () => {
  test.each(['best', 'card'] as const)(
    'F16 comes before Q8_0 only for research and only where it fits (%s)',
    (policy) => {
      const order = (profile: HostProfile, useCase?: UseCaseId): number => {
        const { candidates } = advise(profile, { policy, ...(useCase !== undefined && { useCase }) });
        const at = (id: string): number => candidates.findIndex(({ quant }) => quant === id);
        return at('f16') - at('q8_0');
      };
      const large = host({ ram: 64, gpus: [nvidia(24)] });
      const small = host({ ram: 64, gpus: [nvidia(8)] });
      expect(order(large)).toBeGreaterThan(0);
      expect(order(large, 'chatbot')).toBeGreaterThan(0);
      expect(order(small, 'research')).toBeGreaterThan(0);
      expect(order(large, 'research')).toBeLessThan(0);
    },
  );

  test('is absent where nothing fits, and the smallest shortfall is told', () => {
    const answer = advise(host({ ram: 4, free: 3.2 }));
    expect(answer.choice).toBeUndefined();
    expect(answer.shortfall).toMatch(/^No quant fits\. The closest is q2_k, which is \d\.\d\d GiB short\.$/);
    expect(answer.candidates.every(({ blockedBy }) => blockedBy.length > 0)).toBe(true);
  });

  test('does not depend on the order of the catalog', () => {
    const reversed = { ...E4B_WITH_WEIGHTS, quants: E4B_WITH_WEIGHTS.quants.toReversed() };
    const profile = host({ gpus: [nvidia(8)] });
    expect(advise(profile, { model: reversed })).toEqual(advise(profile));
  });
});

describe('reasons', () => {
  const eight = host({ gpus: [nvidia(8, 7.2, 'RTX 4060')] });

  test('of the choice: memory, what the card names, and why another one is better', () => {
    const reasons = advise(eight).choice?.reasons.join('\n');
    expect(reasons).toContain('Fits in RTX 4060: needs 4.77 GiB plus a margin of 1.00 GiB; 7.20 GiB is free.');
    expect(reasons).toContain('The model card recommends q4_k_m for “Consumer GPU (8 to 12 GB of VRAM)”.');
    expect(reasons).toContain(
      'q8_0 fits too, because 2.32 GiB of per-layer embeddings stay in RAM: it needs 5.77 GiB of GPU memory with its margin, and 1.43 GiB stay free.',
    );
    expect(reasons).toMatch(/It has 5 stars instead of 3, and answers at about 40 instead of 6\d tok\/s\./);
    expect(reasons).toContain('To use q4_k_m: --policy card.');
  });

  test('say that embeddings stay in RAM only where the engine leaves them there', () => {
    const reasons = (engine: RecommendRequest['engine']) => advise(eight, { engine }).choice?.reasons.join('\n');
    expect(reasons('ollama-a2')).not.toContain('per-layer embeddings');
    expect(reasons('llama.cpp')).toContain('per-layer embeddings stay in RAM');
  });

  test('of a quant that memory allows and the card does not name, by the policy card', () => {
    expect(candidate(advise(eight, { policy: 'card' }), 'q8_0').reasons.join('\n')).toContain(
      'It fits in memory, but the model card recommends q4_k_m or q5_k_s for “Consumer GPU',
    );
    expect(candidate(advise(eight), 'q8_0').reasons.join('\n')).not.toContain('recommends');
  });

  test('a quant that is the only one considered is not suggested again', () => {
    const { reasons } = candidate(advise(eight, { quants: ['q8_0'], policy: 'card' }), 'q8_0');
    expect(reasons.join('\n')).toContain('the model card recommends');
    expect(reasons.join('\n')).not.toContain('--quant');
  });

  test('of a quant that the card names and memory does not allow', () => {
    const answer = advise(host({ ram: 32, gpus: [nvidia(24, 3, 'busy')] }));
    const named = candidate(answer, 'q8_0');
    expect(named.verdict).toBe('partial');
    expect(named.reasons.join('\n')).toContain(
      'The model card recommends it, but it does not fit entirely on this GPU.',
    );
    expect(named.reasons.join('\n')).toContain('Too large for busy: needs 4.77 GiB');
  });

  test('name what the card would rather have where that does not run', () => {
    const answer = advise(host({ ram: 8, free: 5.5 }));
    expect(answer.choice?.quant).toBe('q3_k_m');
    expect(answer.choice?.reasons.join('\n')).toContain(
      'The model card recommends q4_0, which was not chosen. Too large for RAM',
    );
  });

  test('on a CPU tell what a better quant costs in speed', () => {
    expect(advise(host({ ram: 32 })).choice?.reasons.join('\n')).toMatch(
      /q8_0 also fits, .* answers at about 2\.\d instead of 4\.\d tok\/s/,
    );
  });
});

describe('limits from outside', () => {
  test('a quant that the server cannot load does not run, whatever the memory', () => {
    const blockedByServer = (id: string): string | undefined =>
      id === 'q4_k_m' ? 'The server is too old for it.' : undefined;
    const answer = advise(host({ gpus: [nvidia(8)] }), { blockedByServer });
    const refused = candidate(answer, 'q4_k_m');
    expect([refused.verdict, refused.blockedBy]).toEqual(['no', ['The server is too old for it.']]);
    expect(refused.reasons.join(' ')).not.toContain('memory');
    const byCard = advise(host({ gpus: [nvidia(8)] }), { blockedByServer, policy: 'card' }).choice;
    expect(byCard?.quant).not.toBe('q4_k_m');
    expect(byCard?.reasons.join('\n')).toContain(
      'The model card recommends q4_k_m, which was not chosen. The server is too old',
    );
  });

  test('a server that loads nothing is no question of memory', () => {
    const answer = advise(host({ gpus: [nvidia(8)] }), { blockedByServer: () => 'Too old.' });
    expect([answer.choice, answer.shortfall]).toEqual([undefined, undefined]);
  });

  test('only the asked quants are considered', () => {
    const answer = advise(host({ gpus: [nvidia(8)] }), { quants: ['q8_0'] });
    expect(answer.candidates.map(({ quant }) => quant)).toEqual(['q8_0']);
    expect(answer.choice?.quant).toBe('q8_0');
  });

  test('an estimator can be put in the place of the formulas', () => {
    const basis = { weights: 'measured here' };
    const none = { gpuBytes: 0, cpuBytes: 0, weightsBytes: 0, kvBytes: 0, computeBytes: 0, totalBytes: 0, basis };
    const answer = advise(host({ ram: 4, free: 3.2 }), { estimator: () => none });
    expect(answer.choice?.verdict).toBe('cpu');
    expect(answer.candidates[0]?.memory.basis).toEqual(basis);
  });

  test('a context beyond the model’s own costs no more than the model’s', () => {
    const memory = (contextLength: number): number =>
      candidate(advise(host({}), { settings: { ...SETTINGS, contextLength } }), 'q4_0').memory.kvBytes;
    expect(memory(262_144)).toBe(memory(32_768));
  });
});

describe('quants without a tensor list', () => {
  const stripped = E4B.quants.map(({ weights: _, tensorBytes: __, fileBytes: ___, ...quant }) => quant);

  test('count with the card’s size, wholly on the GPU, and say so', () => {
    const answer = advise(host({ ram: 64, gpus: [nvidia(24)] }), { model: { ...E4B, quants: stripped } });
    const { memory, reasons } = candidate(answer, 'q4_k_m');
    expect(memory.basis.weights).toContain('card size, no tensor list');
    expect(memory.weightsBytes / GIB).toBeCloseTo(3.9, 2);
    expect(reasons.join('\n')).toContain('Its tensor list is unknown');
    expect(answer.candidates).toHaveLength(15);
  });

  test('with no size at all cannot be judged', () => {
    const model = { ...E4B, quants: stripped.map(({ card: _, ...quant }) => quant) };
    const answer = advise(host({}), { model });
    expect(answer.choice).toBeUndefined();
    expect(answer.candidates[0]?.blockedBy[0]).toContain('Neither its tensor list nor its size is known');
  });
});

describe('speed', () => {
  const measured = (rates: Readonly<Record<string, number>>) => (quant: string) => {
    const tokensPerSecond = rates[quant];
    return tokensPerSecond === undefined ? undefined : { tokensPerSecond, at: '2026-01-02T03:04:05Z' };
  };
  const half = host({ gpus: [nvidia(4, 2)] });

  test('comes as a range with its basis for what runs, and not at all for what does not', () => {
    for (const { verdict, tokensPerSecond } of advise(host({ ram: 8, free: 5.5, gpus: [] })).candidates) {
      expect(tokensPerSecond === undefined).toBe(verdict === 'no');
      if (tokensPerSecond === undefined) continue;
      const { low, estimate, high, basis } = tokensPerSecond;
      expect(low <= estimate && estimate <= high && low > 0).toBe(true);
      expect(basis).not.toBe('');
    }
  });

  test('what was measured here takes the place of the estimate', () => {
    const answer = advise(host({ ram: 32 }), { measured: measured({ q4_0: 12.5 }) });
    expect(candidate(answer, 'q4_0').tokensPerSecond).toMatchObject({ low: 12.5, high: 12.5 });
    expect(answer.choice?.reasons.join('\n')).toContain('Speed: 13 tok/s, measured here on 2026-01-02.');
  });

  test('what is surely too slow comes after what is not, whatever the card names', () => {
    expect(advise(half).choice?.quant).toBe('q4_0');
    const answer = advise(half, { measured: measured({ q4_0: 1.5, q3_k_m: 2 }) });
    expect(candidate(answer, 'q4_0').fastEnough).toBe(false);
    expect(['q4_0', 'q3_k_m']).not.toContain(answer.choice?.quant);
    expect(answer.choice?.reasons.join('\n')).toMatch(
      /The model card recommends q4_0, which was not chosen\. Too slow: at most 1\.5 tok\/s; this use needs 5\.0 tok\/s/,
    );
  });

  test('where everything is too slow the card’s order holds', () => {
    const all = measured(Object.fromEntries(E4B_WITH_WEIGHTS.quants.map(({ id }) => [id, 1])));
    const answer = advise(half, { measured: all });
    expect(answer.choice?.quant).toBe(advise(half).choice?.quant);
    expect(answer.choice?.reasons.join('\n')).toContain('Too slow: at most 1.0 tok/s');
  });

  test('a range that reaches the floor is no reason to pass it over, but is told', () => {
    const answer = advise(host({ ram: 32 }));
    const chosen = candidate(answer, 'q4_0');
    expect(answer.choice?.quant).toBe('q4_0');
    expect(chosen.tokensPerSecond?.estimate).toBeLessThan(answer.speedFloor?.tokensPerSecond ?? 0);
    expect(chosen.fastEnough).toBe(true);
    expect(chosen.reasons.join('\n')).toContain('It may be too slow: about');
  });

  test('the floor is that of the use; research has none', () => {
    const floor = (useCase?: RecommendRequest['useCase']) =>
      advise(half, useCase === undefined ? {} : { useCase }).speedFloor?.tokensPerSecond;
    expect([floor(), floor('chatbot'), floor('research')]).toEqual([5, 7, undefined]);
  });
});
