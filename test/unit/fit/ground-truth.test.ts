import { describe, expect, test } from 'vitest';
import { type TruthCase, truthCases } from '../../../bench/fit/cases.ts';
import { describeCase, errorsOf } from '../../../bench/fit/errors.ts';
import { checkVerdicts } from '../../../bench/fit/refuted.ts';
import { readTruth } from '../../../bench/fit/truth.ts';

/** Small tensors are padded to 128 bytes on a GPU; Gemma 4 31B has over 500 of them. */
const PADDING = 9000;
const cases = [...truthCases()];
const whole = cases.filter(({ place }) => place === 'cpu' || place === 'gpu' || place === 'two-gpus');
const MODELS = ['gemma-3n-e4b', 'gemma-3n-e2b', 'gemma-3-270m', 'gemma-3-1b', 'gemma-3-4b'];
const GEMMA4 = ['gemma-4-e2b', 'gemma-4-e4b', 'gemma-4-12b', 'gemma-4-26b-a4b', 'gemma-4-31b'];

function of(set: TruthCase['set'], more: (one: TruthCase) => boolean = () => true): TruthCase[] {
  return whole.filter((one) => one.set === set && more(one));
}

describe('the recorded truth', () => {
  test('has every model with every quant, and holds out a third of the settings', () => {
    const truth = readTruth();
    for (const id of [...MODELS, ...GEMMA4]) {
      expect(Object.keys(truth.models[id]?.weights ?? {}), id).toHaveLength(MODELS.includes(id) ? 15 : 5);
      const contexts = truth.models[id]?.contexts.filter(({ place }) => place === 'gpu') ?? [];
      expect(contexts.filter(({ heldOut }) => heldOut).length / contexts.length).toBeGreaterThan(0.33);
    }
    expect(cases.length).toBeGreaterThan(15_000);
  });
});

describe.each(['fitted', 'held out'] as const)('%s settings', (set) => {
  test('KV caches are exact, weights exact but for padding', () => {
    const errors = errorsOf(of(set));
    expect(errors.kvWrong).toBe(0);
    expect(errors.weightsBytes).toBeLessThan(PADDING);
  });

  test('compute buffers are within 2 %, within 5 % where the logits of a whole batch are kept', () => {
    expect(errorsOf(of(set, ({ engine }) => engine === 'ollama-b')).compute.p95).toBeLessThan(0.02);
    expect(errorsOf(of(set, ({ engine }) => engine === 'ollama-b0')).compute.p95).toBeLessThan(0.05);
  });
});

test('models that nothing was fitted to: exact caches and weights, compute buffers never under and 15 % over at most', () => {
  const errors = errorsOf(of('other model'));
  expect(errors.kvWrong).toBe(0);
  expect(errors.weightsBytes).toBeLessThan(PADDING);
  expect(errors.compute.lowest).toBeGreaterThan(-0.01);
  expect(errors.compute.p95).toBeLessThan(0.15);
});

test.each(['fitted', 'held out', 'other model'] as const)(
  '%s: totals are within 3 %% for 95 of 100, and none is under by more than 1 %%, on any device',
  (set) => {
    expect(errorsOf(of(set)).total.p95).toBeLessThan(0.03);
    const under = of(set).filter((one) => {
      const { total, device } = errorsOf([one]);
      return total.lowest < -0.01 || device.lowest < -0.011;
    });
    expect(under.map(describeCase)).toEqual([]);
  },
);

describe('partial offload', () => {
  const partial = cases.filter(({ place }) => place === 'half' || place === 'most');

  test('is an upper bound on the GPU: none under by more than 1 %', () => {
    const under = partial.filter((one) => errorsOf([one]).device.lowest < -0.01);
    expect(under.map(describeCase)).toEqual([]);
    expect(errorsOf(partial).kvWrong).toBe(0);
  });
});

describe('verdicts over the saved profiles', () => {
  test('no “fits” is refuted by what llama.cpp would allocate', () => {
    const { fits, checked, refuted } = checkVerdicts();
    expect(checked).toBeGreaterThan(10_000);
    expect(fits).toBeGreaterThanOrEqual(checked);
    expect(refuted).toEqual([]);
  }, 120_000);
});
