import { expect, test } from 'vitest';
import { slug } from '../../../src/core/slug.ts';

test.each([
  ['Gemma 3n: E4B!', {}, 'gemma-3n-e4b'],
  ['Gemma 3.1 (beta).', { dots: true }, 'gemma-3.1-beta'],
  ['Gemma 3.1', {}, 'gemma-3-1'],
  ['日本', {}, ''],
])('%s becomes readable in any file system and any runtime', (text, options, expected) => {
  expect(slug(text, 60, options)).toBe(expected);
});

test('a slug is no longer than asked for', () => {
  expect(slug('a'.repeat(100), 48)).toHaveLength(48);
});
