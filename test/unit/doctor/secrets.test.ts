import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { shown } from '../../../src/doctor/secrets.ts';

describe('secrets', () => {
  test.each([
    ['HTTP_PROXY', 'http://u:p@proxy:1', 'http://***@proxy:1'],
    ['HTTP_PROXY', 'u:p@w@proxy:1', '***@proxy:1'],
    ['OLLAMA_HOST', 'https://u:p/q@host', 'https://***@host'],
    ['OLLAMA_API_KEY', 'abc', '(hidden)'],
    ['HF_TOKEN', 'abc', '(hidden)'],
    ['X', 'https://cdn/file?X-Amz-Signature=abc', 'https://cdn/file?***'],
    ['X', '', '(empty)'],
    ['X', 'a\u001b[31mb', 'a[31mb'],
  ])('%s=%s', (name, value, expected) => {
    expect(shown(name, value)).toBe(expected);
  });
  test('no password in front of an @ ever shows', () => {
    fc.assert(
      fc.property(fc.string(), (password) => !shown('X', `http://u:S3CRET${password}@host`).includes('S3CRET')),
    );
  });
});
