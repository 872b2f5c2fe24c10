import fc from 'fast-check';
import { expect, test } from 'vitest';
import { recommend } from '../../../src/fit/choice/recommend.ts';
import { Engine, type FitVerdict, Recommendation, RunSettings } from '../../../src/fit/schema.ts';
import { E4B_WITH_WEIGHTS, GEMMA_3N, host, nvidia } from './support.ts';

const settings = fc.record({
  contextLength: fc.integer({ min: 1, max: 300_000 }),
  batch: fc.integer({ min: 1, max: 4096 }),
  parallel: fc.integer({ min: 1, max: 16 }),
  kvType: fc.constantFrom(...RunSettings.shape.kvType.options),
  flashAttention: fc.boolean(),
});
const size = fc.double({ min: 0.5, max: 128, noNaN: true });
const ORDER: readonly FitVerdict[] = ['no', 'cpu', 'partial', 'gpu'];

function verdicts(answer: Recommendation): ReadonlyMap<string, number> {
  return new Map(answer.candidates.map(({ quant, verdict }) => [quant, ORDER.indexOf(verdict)]));
}

// Hundreds of recommendations with all that would change them: minutes on a busy machine.
test('any host and setting gets a valid answer, and more free VRAM or RAM never makes a verdict worse', {
  timeout: 300_000,
}, () => {
  fc.assert(
    fc.property(
      settings,
      fc.constantFrom(...Engine.options),
      size,
      size,
      fc.boolean(),
      (run, engine, ram, vram, moreRam) => {
        const ask = (freeRam: number, freeVram: number): Recommendation =>
          recommend({
            family: GEMMA_3N,
            model: E4B_WITH_WEIGHTS,
            settings: run,
            engine,
            profile: host({ ram: 256, free: freeRam, gpus: [nvidia(256, freeVram)] }),
          });
        const answer = Recommendation.parse(ask(ram, vram));
        expect(answer.candidates).toHaveLength(E4B_WITH_WEIGHTS.quants.length);
        expect(answer.choice?.quant ?? 'none').toBe(
          answer.candidates[0]?.verdict === 'no' ? 'none' : answer.candidates[0]?.quant,
        );
        const better = verdicts(moreRam ? ask(ram + 1, vram) : ask(ram, vram + 0.5));
        for (const [quant, verdict] of verdicts(answer)) expect(better.get(quant)).toBeGreaterThanOrEqual(verdict);
      },
    ),
    { numRuns: 300 },
  );
});
