import { describe, expect, test } from 'vitest';
import { GIB, MIB } from '../../../src/core/units.ts';
import { type RecommendRequest, recommend } from '../../../src/fit/choice/recommend.ts';
import { type Change, Recommendation } from '../../../src/fit/schema.ts';
import type { HostProfile } from '../../../src/hardware/schema.ts';
import { applyWhatIf } from '../../../src/hardware/what-if.ts';
import { E4B_WITH_WEIGHTS, GEMMA_3N, host, nvidia, RADEON_IGPU, SETTINGS } from './support.ts';

function advise(profile: HostProfile, change: Partial<RecommendRequest> = {}): Recommendation {
  const request = {
    family: GEMMA_3N,
    model: E4B_WITH_WEIGHTS,
    settings: SETTINGS,
    engine: 'ollama-b',
    profile,
  } as const;
  return Recommendation.parse(recommend({ ...request, ...change }));
}

function change(answer: Recommendation, kind: Change['kind']): Change | undefined {
  return answer.changes.find((one) => one.kind === kind);
}

const DESKTOP = host({ ram: 64, gpus: [nvidia(4, 3.6, 'GTX 1650')] });

describe('what would change the answer', () => {
  test('more free VRAM: as much as it says is enough, and 20 MiB less is not', () => {
    const answer = advise(DESKTOP);
    const found = change(answer, 'free-vram');
    expect([answer.choice?.quant, found?.quant, found?.verdict]).toEqual(['q3_k_m', 'q4_0', 'gpu']);
    expect(found?.sentence).toMatch(/^With \d+\.\d MiB more free VRAM \(.* of GTX 1650 is in use\): q4_0 instead of/);
    const [gpu] = DESKTOP.gpus;
    const withMore = (bytes: number) =>
      advise({ ...DESKTOP, gpus: gpu ? [{ ...gpu, vramFree: (gpu.vramFree ?? 0) + bytes }] : [] }).choice?.quant;
    expect(withMore(found?.bytes ?? 0)).toBe('q4_0');
    expect(withMore((found?.bytes ?? 0) - 20 * MIB)).toBe('q3_k_m');
  });

  test('never more free VRAM than is in use', () => {
    const full = host({ ram: 64, gpus: [nvidia(3.7, 3.7)] });
    expect(advise(full).choice?.quant).toBe('q3_k_m');
    expect(change(advise(full), 'free-vram')).toBeUndefined();
  });

  test('another GPU, of the next size that is sold', () => {
    expect(change(advise(DESKTOP), 'other-gpu')).toMatchObject({ quant: 'q6_k', bytes: 6 * GIB });
    expect(change(advise(host({ ram: 32 })), 'other-gpu')?.sentence).toContain('--what-if vram=4GiB');
    expect(change(advise(host({ gpus: [nvidia(24), nvidia(24)] })), 'other-gpu')).toBeUndefined();
    expect(change(advise(host({ gpus: [RADEON_IGPU] })), 'other-gpu')).toBeUndefined();
  });

  test('another GPU for no more stars only where this host is not fast enough', () => {
    const profile = host({ ram: 32 });
    const run = (tokensPerSecond: number) => ({ measured: () => ({ tokensPerSecond, at: '2026-01-02T03:04:05Z' }) });
    expect(change(advise(profile, run(1)), 'other-gpu')).toMatchObject({ quant: 'q4_k_m', bytes: 4 * GIB });
    // Q8_0 is fast enough here as it is: nothing is better than that.
    expect(change(advise(profile, run(30)), 'other-gpu')).toBeUndefined();
    const card = { policy: 'card' } as const;
    expect(change(advise(profile, { ...run(1), ...card }), 'other-gpu')).toMatchObject({ quant: 'q4_0' });
  });

  test('more RAM, free or in all, where RAM is what is short', () => {
    const answer = advise(host({ ram: 8, free: 5.5 }));
    expect(answer.choice?.quant).toBe('q3_k_m');
    expect(change(answer, 'free-ram')).toMatchObject({ quant: 'q4_0', verdict: 'cpu' });
    expect(change(answer, 'more-ram')).toMatchObject({ quant: 'q4_0', bytes: 16 * GIB });
    expect(change(advise(host({ ram: 64, cgroup: 5.5 })), 'more-ram')).toBeUndefined();
  });

  test('stopping the models that are loaded', () => {
    const loaded = [{ name: 'llama3:8b', gpuBytes: 0.4 * GIB, ramBytes: 0 }];
    const answer = advise(DESKTOP, { loaded });
    expect(change(answer, 'stop-models')).toMatchObject({
      quant: 'q4_k_m',
      sentence: expect.stringMatching(/^Stop the loaded model \(llama3:8b\): q4_k_m instead of q3_k_m/),
    });
    const small = [{ name: 'tiny', gpuBytes: 1, ramBytes: 0 }];
    expect(change(advise(DESKTOP, { loaded: small }), 'stop-models')).toBeUndefined();
  });

  test('a shorter context where the asked one is too long', () => {
    const settings = { ...SETTINGS, contextLength: 32_768 };
    const profile = host({ ram: 64, gpus: [nvidia(8, 4.4)] });
    const answer = advise(profile, { settings });
    expect(answer.choice?.quant).toBe('q4_k_m');
    expect(change(answer, 'context')?.sentence).toBe(
      'num_ctx 32768 → 8192: q5_k_m instead of q4_k_m, entirely on the GPU (4 stars instead of 3).',
    );
    expect(advise(profile).choice?.quant).toBe('q5_k_m');
  });

  test('a changed setting gives what asking for it gives, where others are adjusted too', () => {
    const adjustable = ['contextLength', 'batch'] as const;
    const settings = { ...SETTINGS, contextLength: 32_768 };
    let compared = 0;
    for (let free = 3.6; free < 6; free += 0.15) {
      const profile = host({ ram: 64, gpus: [nvidia(8, free)] });
      for (const { kind, quant, verdict, sentence } of advise(profile, { settings, adjustable }).changes) {
        const value = Number(sentence.match(/^num_\w+ \d+ → (\d+)/)?.[1]);
        if (kind !== 'context' && kind !== 'batch') continue;
        const setting = kind === 'context' ? 'contextLength' : 'batch';
        const asked = { ...settings, [setting]: value };
        const rest = adjustable.filter((each) => each !== setting);
        expect(advise(profile, { settings: asked, adjustable: rest }).choice).toMatchObject({ quant, verdict });
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(2);
  });

  test.each(['ollama-b', 'ollama-a2', 'embedded'] as const)(
    'what is said of another host is what a ranking there says (%s)',
    (engine) => {
      for (const profile of [
        DESKTOP,
        host({ ram: 8, free: 5.5 }),
        host({ gpus: [nvidia(4, 2)] }),
        host({ ram: 4, free: 3.2 }),
      ]) {
        for (const { kind, quant, verdict, bytes = 0 } of advise(profile, { engine }).changes) {
          if (kind !== 'other-gpu' && kind !== 'more-ram') continue;
          const there = applyWhatIf(profile, { [kind === 'other-gpu' ? 'vram' : 'ram']: bytes });
          expect(advise(there, { engine }).choice).toMatchObject({ quant, verdict });
        }
      }
    },
  );

  test('is empty where the card’s best runs already', () => {
    expect(advise(host({ ram: 64, gpus: [nvidia(24)] })).changes).toEqual([]);
  });

  test('never names what the server cannot load', () => {
    const answer = advise(DESKTOP, { blockedByServer: (quant) => (quant === 'q4_0' ? 'Too old.' : undefined) });
    expect(answer.changes.map(({ quant }) => quant)).not.toContain('q4_0');
  });

  test('where nothing runs, what would make something run', () => {
    const answer = advise(host({ ram: 4, free: 3.2 }));
    expect(answer.choice).toBeUndefined();
    expect(change(answer, 'more-ram')?.sentence).toMatch(/ q\d\S* would run on the CPU \(\d stars?\)\.$/);
  });
});

describe('the table', () => {
  const table = advise(DESKTOP, { table: true }).table;

  test('has every quant at every context and type of the cache', () => {
    expect(table?.contexts).toEqual([2048, 4096, 8192, 16_384, 32_768]);
    expect(table?.kvTypes).toEqual(['f16', 'q8_0', 'q4_0']);
    expect(table?.rows.map(({ quant }) => quant)).toEqual(advise(DESKTOP).candidates.map(({ quant }) => quant));
    for (const { cells } of table?.rows ?? []) expect(cells).toHaveLength(15);
  });

  test('says the same as a ranking at that setting, and longer contexts never need less', () => {
    const settings = { ...SETTINGS, contextLength: 16_384, kvType: 'q8_0' } as const;
    const { candidates } = advise(DESKTOP, { settings });
    for (const { quant, cells } of table?.rows ?? []) {
      const cell = cells.find(({ contextLength, kvType }) => contextLength === 16_384 && kvType === 'q8_0');
      const ranked = candidates.find((one) => one.quant === quant);
      expect([cell?.verdict, cell?.needsFree], quant).toEqual([ranked?.verdict, ranked?.needsFree]);
    }
  });

  test('has the asked context in it, no quantised cache without flash attention, and is absent unless asked for', () => {
    const settings = { ...SETTINGS, contextLength: 5000, flashAttention: false };
    const other = advise(DESKTOP, { settings, table: true }).table;
    expect(other?.contexts).toContain(5000);
    expect(other?.kvTypes).toEqual(['f16']);
    expect(other?.notes).toHaveLength(1);
    expect(advise(DESKTOP).table).toBeUndefined();
  });
});

describe('nothing to rank', () => {
  test('no candidate: no choice, no shortfall, no change, an empty table', () => {
    const answer = advise(DESKTOP, { quants: [], table: true });
    expect(answer).toMatchObject({ candidates: [], changes: [], table: { rows: [] } });
    expect([answer.choice, answer.shortfall]).toEqual([undefined, undefined]);
  });
});
