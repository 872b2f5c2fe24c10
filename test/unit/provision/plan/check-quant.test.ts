import { describe, expect, test } from 'vitest';
import type { Model } from '../../../../src/catalog/schema.ts';
import type { GgufFacts } from '../../../../src/gguf/schema.ts';
import { checkQuant } from '../../../../src/provision/plan/identify.ts';
import { sampleModel } from '../../catalog/helpers.ts';

const [quant] = sampleModel().quants;
if (quant === undefined) throw new TypeError('the sample has a quant');
const model: Model = { ...sampleModel(), quants: ['q8_0', 'q4_0', 'q4_0-qat'].map((id) => ({ ...quant, id })) };

function check(wanted: string, declaredQuant: string | undefined) {
  return () => checkQuant(model, wanted, { declaredQuant } as GgufFacts, 'a.gguf');
}

describe('the quant that a file is taken for', () => {
  test.each([
    ['q8_0', 'q8_0'],
    ['q4_0', 'q4_0'],
    ['q8_0', undefined],
    // The header does not say how the weights were trained.
    ['q4_0-qat', 'q4_0'],
  ])('%s may declare %s', (wanted, declared) => {
    expect(check(wanted, declared)).not.toThrow();
  });

  test.each([
    ['q8_0', 'q4_0'],
    ['q4_0-qat', 'q8_0'],
    ['q4_0', 'q8_0'],
  ])('%s must not declare %s', (wanted, declared) => {
    expect(check(wanted, declared)).toThrow(`a.gguf has the quant ${declared}, not ${wanted}`);
  });
});
