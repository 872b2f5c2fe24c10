import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { MIB } from '../../../src/core/units.ts';
import { type RecommendRequest, recommend } from '../../../src/fit/choice/recommend.ts';
import { type Candidate, Recommendation } from '../../../src/fit/schema.ts';
import { HostProfile } from '../../../src/hardware/schema.ts';
import { E4B, E4B_WITH_WEIGHTS, GEMMA_3N, host, nvidia, SETTINGS } from './support.ts';

function advise(profile: HostProfile, change: Partial<RecommendRequest> = {}): Recommendation {
  return Recommendation.parse(
    recommend({
      family: GEMMA_3N,
      model: E4B_WITH_WEIGHTS,
      settings: SETTINGS,
      engine: 'ollama-b',
      profile,
      ...change,
    }),
  );
}

function candidate(answer: Recommendation, quant: string): Candidate {
  const found = answer.candidates.find((one) => one.quant === quant);
  if (found === undefined) throw new Error(`no candidate ${quant}`);
  return found;
}

const EIGHT = host({ gpus: [nvidia(8, 7.2, 'RTX 4060')] });

/** A GPU on which q4_0 has room by so much; the others stay as they are. */
function tight(bytes: number, engine: RecommendRequest['engine'] = 'ollama-b'): HostProfile {
  const { needsFree } = candidate(advise(host({ ram: 64, gpus: [nvidia(24)] }), { engine }), 'q4_0');
  const free = (needsFree.gpuBytes ?? 0) + bytes;
  const gpu = { ...nvidia(4), vramFree: free };
  return host({ ram: 64, gpus: [gpu] });
}

describe('free memory needed', () => {
  test('is what the verdict turns on, to the byte', () => {
    expect(candidate(advise(tight(0)), 'q4_0')).toMatchObject({ verdict: 'gpu', headroomBytes: 0 });
    expect(candidate(advise(tight(-1)), 'q4_0').verdict).not.toBe('gpu');
  });

  test('of a model on the CPU is RAM only', () => {
    const { needsFree, memory } = candidate(advise(host({ ram: 32 })), 'q4_0');
    expect(needsFree.gpuBytes).toBeUndefined();
    const roomy = host({ ram: 32 });
    const usable = needsFree.ramBytes;
    const just = (bytes: number) => ({ ...roomy, memory: { ...roomy.memory, usable: bytes } });
    expect(candidate(advise(just(usable)), 'q4_0').verdict).toBe('cpu');
    expect(candidate(advise(just(usable - 1)), 'q4_0').verdict).toBe('no');
    expect(needsFree.ramBytes).toBeGreaterThan(memory.cpuBytes);
  });
});

describe('the largest context', () => {
  test('keeps the verdict, and a step more does not', () => {
    const profile = tight(20 * MIB);
    const { largestContext = 0 } = candidate(advise(profile), 'q4_0');
    expect(largestContext).toBeGreaterThanOrEqual(SETTINGS.contextLength);
    expect(largestContext).toBeLessThan(32_768);
    const verdictAt = (contextLength: number) =>
      candidate(advise(profile, { settings: { ...SETTINGS, contextLength } }), 'q4_0').verdict;
    expect(verdictAt(largestContext)).toBe('gpu');
    expect(verdictAt(largestContext + 256)).not.toBe('gpu');
  });

  test('is the model’s own where there is room, and absent where nothing runs', () => {
    expect(candidate(advise(EIGHT), 'q4_k_m').largestContext).toBe(32_768);
    expect(candidate(advise(host({ ram: 4, free: 3.2 })), 'q4_k_m').largestContext).toBeUndefined();
  });
});

describe('what the Modelfile gets', () => {
  test('the context and the batch of the estimate', () => {
    expect(advise(EIGHT).choice?.parameters).toEqual({ num_ctx: 8192, num_batch: 512 });
  });

  test('the number of layers only where a part of them goes to the GPU', () => {
    const answer = advise(host({ gpus: [nvidia(4, 2)] }));
    const chosen = candidate(answer, answer.choice?.quant ?? '');
    expect(chosen.verdict).toBe('partial');
    expect(answer.choice?.parameters.num_gpu).toBe(chosen.gpuLayers);
    expect(chosen.placement).toContain(`${chosen.gpuLayers} of 36 layers`);
    expect(advise(host({ ram: 32 })).choice?.parameters.num_gpu).toBeUndefined();
  });
});

describe('settings that nobody asked for', () => {
  const both = { adjustable: ['contextLength', 'batch'] } as const;
  /** q4_0 lacks 60 MiB at 512 tokens a batch, and has them at 256. */
  const profile = tight(-60 * MIB);

  test('a smaller batch lets a better quant have the whole GPU', () => {
    expect(advise(profile).choice?.quant).toBe('q3_k_m');
    const answer = advise(profile, both);
    expect(answer.choice).toMatchObject({ quant: 'q4_0', verdict: 'gpu', parameters: { num_batch: 256 } });
    expect(answer.settings.batch).toBe(256);
    expect(answer.settingReasons.join('\n')).toContain(
      'num_batch is 256 instead of 512; with 512 the choice would be q3_k_m entirely on the GPU.',
    );
    expect(answer.settingReasons.join('\n')).toContain('long prompts are read more slowly');
  });

  test('an asked batch stays, and what it takes is told as a change', () => {
    const answer = advise(profile, { adjustable: ['contextLength'] });
    expect(answer.settings.batch).toBe(512);
    expect(answer.changes.find(({ kind }) => kind === 'batch')?.sentence).toMatch(
      /^num_batch 512 → 256.*: q4_0 instead of q3_k_m, entirely on the GPU \(3 stars instead of 2\)\.$/,
    );
  });

  test('stay as they are where they fit', () => {
    const answer = advise(EIGHT, both);
    expect([answer.settings, answer.settingReasons]).toEqual([SETTINGS, []]);
  });

  test('a Mac of 8 GB, which Q2_K misses by a few MiB at 512, gets it at 256', () => {
    const file = new URL('../../fixtures/profiles/apple-m1-8gb.json', import.meta.url);
    const profile = HostProfile.parse(JSON.parse(readFileSync(file, 'utf8')));
    const settings = { ...SETTINGS, contextLength: 4096 };
    expect(advise(profile, { model: E4B, settings }).choice).toBeUndefined();
    expect(advise(profile, { model: E4B, settings, ...both }).choice).toMatchObject({
      quant: 'q2_k',
      verdict: 'gpu',
      parameters: { num_ctx: 4096, num_batch: 256 },
    });
  });

  test('the context is shortened only where nothing would run', () => {
    const small = { ...E4B_WITH_WEIGHTS, quants: E4B_WITH_WEIGHTS.quants.filter(({ id }) => id === 'q2_k') };
    const settings = { ...SETTINGS, contextLength: 32_768, flashAttention: false };
    const needed = candidate(
      advise(host({ ram: 32 }), { model: small, settings: { ...settings, contextLength: 16_384, batch: 128 } }),
      'q2_k',
    );
    const roomy = host({ ram: 32 });
    const usable = needed.needsFree.ramBytes;
    const answer = advise({ ...roomy, memory: { ...roomy.memory, usable } }, { ...both, model: small, settings });
    expect(answer.choice?.parameters.num_ctx).toBe(16_384);
    expect(answer.settingReasons.join('\n')).toContain(
      'num_ctx is 16384 instead of 32768; with 32768 no quant would run.',
    );
  });
});

describe('settings that were asked for', () => {
  test('tell what they cost against the usual ones', () => {
    const settings = { ...SETTINGS, contextLength: 32_768, batch: 2048 };
    const { settingReasons } = advise(host({ gpus: [nvidia(24)] }), { settings, usual: SETTINGS });
    expect(settingReasons.join('\n')).toMatch(
      /num_ctx is 32768 as requested, which needs \d+\.\d MiB more than 8192\./,
    );
    expect(settingReasons.join('\n')).toMatch(/num_batch is 2048 as requested, which needs .* more than 512\./);
  });

  test('what no Modelfile can say names the variable of the server', () => {
    const settings = { ...SETTINGS, kvType: 'q8_0', parallel: 2 } as const;
    const text = advise(EIGHT, { settings, usual: SETTINGS }).settingReasons.join('\n');
    expect(text).toContain('OLLAMA_KV_CACHE_TYPE=q8_0');
    expect(text).toContain('OLLAMA_NUM_PARALLEL=2');
    const embedded = advise(EIGHT, { settings, usual: SETTINGS, engine: 'embedded' }).settingReasons.join('\n');
    expect(embedded).not.toContain('OLLAMA_');
  });

  test('a quantised cache without flash attention is warned of', () => {
    const settings = { ...SETTINGS, kvType: 'q4_0', flashAttention: false } as const;
    expect(advise(EIGHT, { settings }).settingReasons.join('\n')).toContain('Without flash attention');
  });
});
