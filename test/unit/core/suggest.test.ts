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

  test('in a short word at most half of the letters may differ', () => {
    expect(nearest('s3', ['hf', 'oci', 'file'])).toBeUndefined();
    expect(nearest('hff', ['hf', 'oci', 'file'])).toBe('hf');
    expect(nearest('fiel', ['hf', 'oci', 'file'])).toBe('file');
    expect(nearest('htps', ['hf', 'https'])).toBe('https');
  });
});
