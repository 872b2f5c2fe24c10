import { describe, expect, test } from 'vitest';
import { subjectOf } from '../../../src/doctor/subject.ts';
import { familyOf } from './family.ts';

describe('subject', () => {
  const root = '/package';
  const { family, model } = familyOf([
    ['q8_0', { fileBytes: 80 }],
    ['q4_k_m', { tensorBytes: 40 }],
    ['q2_k', { sizeGiB: 1 / 1024 ** 3 }],
    ['f16', {}],
  ]);
  test('the smallest and a middle quant, by the best size that is known', () => {
    expect(subjectOf({ family, model }, { named: false, root })).toMatchObject({
      label: 'm',
      smallest: { quant: 'q2_k', bytes: 1 },
      typical: { quant: 'q4_k_m', bytes: 40 },
    });
  });
  test('a named quant is both', () => {
    expect(subjectOf({ family, model, quant: model.quants[0] }, { named: true, root })).toMatchObject({
      label: 'm:q8_0',
      smallest: { quant: 'q8_0', bytes: 80 },
      typical: { quant: 'q8_0', bytes: 80 },
    });
    expect(subjectOf({ family, model, quant: model.quants[3] }, { named: true, root })).toBeUndefined();
  });
  test('a file that ships with the tool is known by its path', () => {
    const [quant] = model.quants;
    const shipped = quant && { ...quant, bundled: 'models/m.gguf' };
    expect(subjectOf({ family, model, quant: shipped }, { named: true, root })?.typical.path).toBe(
      '/package/models/m.gguf',
    );
  });
});
