import { describe, expect, test } from 'vitest';
import { didYouMean, nearest } from '../../../src/core/suggest.ts';

describe('suggestions', () => {
  test('a typing mistake is corrected, in any case', () => {
    expect(nearest('Q5_KM', ['q4_k_m', 'q5_k_m'])).toBe('q5_k_m');
    expect(nearest('zzzzzz', ['q4_k_m'])).toBeUndefined();
    expect(nearest('x', [])).toBeUndefined();
  });

  test('a short list is shown whole, a long one not', () => {
    expect(didYouMean('instal', ['install', 'list'])).toEqual(['Did you mean install?', 'Known: install, list.']);
    expect(didYouMean('instal', ['install', 'list'], 1)).toEqual(['Did you mean install?']);
    expect(didYouMean('x', [])).toEqual([]);
  });

  test('a short word allows fewer edits than half of its letters', () => {
    expect(nearest('s3', ['hf', 'oci', 'file'])).toBeUndefined();
    expect(nearest('hff', ['hf', 'oci', 'file'])).toBe('hf');
    expect(nearest('fiel', ['hf', 'oci', 'file'])).toBeUndefined();
    expect(nearest('htps', ['hf', 'https'])).toBe('https');
  });
});
