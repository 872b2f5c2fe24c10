import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { QuantTypes, typicalLoss } from '../../../src/catalog/quant-types.ts';
import { UseCaseId } from '../../../src/catalog/schema.ts';
import { WantedSpeeds, wantedSpeed } from '../../../src/catalog/wanted-speed.ts';

const json = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../../src/catalog/${name}`, import.meta.url), 'utf8'));

test('every use case has a wanted speed with its source, or a reason for none', () => {
  const table = WantedSpeeds.parse(json('wanted-speed.json'));
  expect(table.uses.map(({ id }) => id)).toEqual(UseCaseId.options);
  const floors = UseCaseId.options.map((useCase) => [useCase, wantedSpeed(useCase)?.tokensPerSecond]);
  expect(Object.fromEntries(floors)).toEqual({
    chatbot: 7,
    research: undefined,
    prototype: 5,
    constrained: 4,
    edge: 4,
  });
  expect(wantedSpeed()).toEqual(wantedSpeed('prototype'));
});

test('a wanted speed is the words a minute of its source, as whole tokens a second', () => {
  const { uses, tokensPerWord } = WantedSpeeds.parse(json('wanted-speed.json'));
  for (const { tokensPerSecond, reason, source } of uses) {
    if (tokensPerSecond === undefined) continue;
    const words = Number(source.match(/(\d+) words a minute/)?.[1]);
    expect(tokensPerSecond).toBe(Math.round((words * tokensPerWord.value) / 60));
    expect(reason).toContain(((words * tokensPerWord.value) / 60).toFixed(1));
  }
});

test('types of quants: those that lose nothing measurable are equal, the others are told apart', () => {
  const { types } = QuantTypes.parse(json('quant-types.json'));
  expect(new Set(types.map(({ id }) => id)).size).toBe(types.length);
  expect([typicalLoss('f16'), typicalLoss('bf16')]).toEqual([typicalLoss('q8_0'), typicalLoss('q8_0')]);
  const order = ['q8_0', 'q6_k', 'q5_k_m', 'q5_k_s', 'q4_k_m', 'q4_0', 'q3_k_m', 'q2_k'];
  expect(order.toSorted((a, b) => (typicalLoss(a) ?? 0) - (typicalLoss(b) ?? 0))).toEqual(order);
  expect(typicalLoss('q9_x')).toBeUndefined();
});
