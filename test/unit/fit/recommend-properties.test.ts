import fc from 'fast-check';
import { expect, test } from 'vitest';
import { recommendationText } from '../../../src/cli/render/recommend.ts';
import { recommend } from '../../../src/fit/choice/recommend.ts';
import { Engine, Recommendation, RunSettings } from '../../../src/fit/schema.ts';
import { HostProfile } from '../../../src/hardware/schema.ts';
import { page } from '../report/support.ts';
import { E4B_WITH_WEIGHTS, GEMMA_3N, host } from './support.ts';

const bytes = fc.oneof(fc.constantFrom(0, 1, Number.MAX_SAFE_INTEGER), fc.maxSafeNat(), fc.nat({ max: 2 ** 37 }));
const gpu = fc.record(
  {
    index: fc.nat({ max: 9 }),
    vendor: fc.constantFrom('nvidia', 'amd', 'apple', 'intel', 'other'),
    model: fc.string({ maxLength: 12 }),
    memoryKind: fc.constantFrom('dedicated', 'unified'),
    vramTotal: bytes,
    vramFree: bytes,
    backend: fc.constantFrom('cuda', 'rocm', 'metal', 'vulkan', 'none'),
  },
  { requiredKeys: ['index', 'vendor', 'model', 'memoryKind', 'backend'] },
);
const profile = fc
  .record({ total: bytes, available: bytes, usable: bytes, gpus: fc.array(gpu, { maxLength: 3 }), name: fc.string() })
  .map(({ gpus, name, ...memory }) => HostProfile.parse({ ...host({}), name, memory, gpus }));
const settings = fc.record({
  contextLength: fc.integer({ min: 1, max: 300_000 }),
  batch: fc.integer({ min: 1, max: 4096 }),
  parallel: fc.integer({ min: 1, max: 16 }),
  kvType: fc.constantFrom(...RunSettings.shape.kvType.options),
  flashAttention: fc.boolean(),
});
const model = {
  ...E4B_WITH_WEIGHTS,
  quants: E4B_WITH_WEIGHTS.quants.filter(({ id }) => /^(q8_0|q4_0|q2_k)$/.test(id)),
};

test('absurd hosts, contradictory ones too, get an answer that keeps its own promises', () => {
  fc.assert(
    fc.property(profile, settings, fc.constantFrom(...Engine.options), fc.boolean(), (hardware, run, engine, free) => {
      const answer = recommend({
        family: GEMMA_3N,
        model,
        settings: run,
        engine,
        profile: hardware,
        table: true,
        ...(free && { adjustable: ['contextLength', 'batch'] as const }),
      });
      expect(() => Recommendation.parse(answer)).not.toThrow();
      const { choice, candidates, changes } = answer;
      for (const { verdict, blockedBy, largestContext, gpuLayers, tokensPerSecond } of candidates) {
        const runs = verdict !== 'no';
        expect([blockedBy.length === 0, largestContext !== undefined, gpuLayers !== undefined]).toEqual([
          runs,
          runs,
          runs,
        ]);
        if (!runs) expect(tokensPerSecond).toBeUndefined();
      }
      expect(choice?.quant).toBe(candidates[0]?.verdict === 'no' ? undefined : candidates[0]?.quant);
      expect(new Set(changes.map(({ kind }) => kind)).size).toBe(changes.length);
      const shown = page({ ...answer, hardware }) + recommendationText(answer, { color: false });
      expect(shown.replaceAll(hardware.name, '')).not.toMatch(/\b(NaN|Infinity|undefined)\b/);
    }),
    { numRuns: 60 },
  );
});
