import fc from 'fast-check';
import { expect, test } from 'vitest';
import { UseCaseId } from '../../../src/catalog/schema.ts';
import { recommend } from '../../../src/fit/choice/recommend.ts';
import {
  type Candidate,
  ChoicePolicy,
  Engine,
  type FitVerdict,
  Recommendation,
  RunSettings,
} from '../../../src/fit/schema.ts';
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

/** The candidate that was chosen. */
function chosen({ candidates, choice }: Recommendation): Candidate | undefined {
  return candidates.find(({ quant }) => quant === choice?.quant);
}

const useCases = fc.constantFrom(undefined, ...UseCaseId.options);

test('the policy best: more free memory never gives a worse place, nor fewer stars in the same place', {
  timeout: 300_000,
}, () => {
  fc.assert(
    fc.property(
      settings,
      fc.constantFrom(...Engine.options),
      useCases.filter((useCase) => useCase !== 'research'),
      fc.double({ min: 0.5, max: 24, noNaN: true }),
      fc.double({ min: 0.5, max: 24, noNaN: true }),
      fc.boolean(),
      (run, engine, useCase, ram, vram, moreRam) => {
        const ask = (freeRam: number, freeVram: number): Candidate | undefined =>
          chosen(
            recommend({
              family: GEMMA_3N,
              model: E4B_WITH_WEIGHTS,
              settings: run,
              engine,
              profile: host({ ram: 64, free: freeRam, gpus: [nvidia(48, freeVram)] }),
              ...(useCase !== undefined && { useCase }),
            }),
          );
        const now = ask(ram, vram);
        const then = moreRam ? ask(ram + 1, vram) : ask(ram, vram + 0.5);
        if (now === undefined) return;
        expect(then).toBeDefined();
        // One star is not chosen for its place, and what is too slow is in the order of the card.
        if (then === undefined || now.quality === 1 || now.reachesFloor === false) return;
        const place = ORDER.indexOf(then.verdict) - ORDER.indexOf(now.verdict);
        expect(place).toBeGreaterThanOrEqual(0);
        if (place === 0) expect(then.quality).toBeGreaterThanOrEqual(now.quality);
      },
    ),
    { numRuns: 200 },
  );
});

test('the policy best never takes fewer stars in the same place than the card’s pick, where that reaches the speed', {
  timeout: 300_000,
}, () => {
  fc.assert(
    fc.property(
      settings,
      fc.constantFrom(...Engine.options),
      useCases,
      size,
      size,
      (run, engine, useCase, ram, vram) => {
        const [best, card] = ChoicePolicy.options.map((policy) =>
          recommend({
            family: GEMMA_3N,
            model: E4B_WITH_WEIGHTS,
            settings: run,
            engine,
            profile: host({ ram: 256, free: ram, gpus: [nvidia(256, vram)] }),
            policy,
            ...(useCase !== undefined && { useCase }),
          }),
        );
        if (best === undefined || card === undefined) throw new Error('there are two policies');
        expect(best.choice?.picks).toEqual(card.choice?.picks);
        expect(best.choice?.picks.best).toBe(best.choice?.quant);
        expect(best.choice?.picks.card).toBe(card.choice?.quant);
        const [mine, its] = [chosen(best), chosen(card)];
        if (mine === undefined || its === undefined || its.reachesFloor === false) return;
        expect(mine.reachesFloor).not.toBe(false);
        if (mine.verdict === its.verdict) expect(mine.quality).toBeGreaterThanOrEqual(its.quality);
      },
    ),
    { numRuns: 100 },
  );
});
