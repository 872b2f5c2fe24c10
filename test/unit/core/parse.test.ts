import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import {
  checkDocument,
  formatPath,
  looseJson,
  parseBounded,
  parseDocument,
  parseJson,
} from '../../../src/core/parse.ts';

describe('documents', () => {
  const Schema = z.strictObject({ models: z.array(z.strictObject({ sizeGiB: z.number() })) });
  const document = { name: 'mine.json', code: 'bad-catalog', suggestions: ['Mend it.'] } as const;

  test('paths read as people write them', () => {
    expect(formatPath([])).toBe('$');
    expect(formatPath(['a', 'b', 0, 'c'])).toBe('a.b[0].c');
  });

  test('text that is no JSON names the document', () => {
    const failure = expect(() => parseDocument(Schema, '{', document));
    failure.toThrow(expect.objectContaining({ code: 'bad-catalog', suggestions: ['Mend it.'] }));
    failure.toThrow(/^mine\.json is not JSON/);
  });

  test('every fault comes with its path, an unknown field with the nearest known one', () => {
    const check = () => checkDocument(Schema, { models: [{ sizeGib: 1 }] }, document, ['sizeGiB']);
    expect(check).toThrow(/models\[0\]\.sizeGiB: /);
    expect(check).toThrow(/models\[0\]\.sizeGib: unknown field, did you mean sizeGiB\?/);
  });

  test('a document that is wrong all over is told in ten lines', () => {
    const value = { models: Array.from({ length: 30 }, () => ({ sizeGiB: 'x' })) };
    expect(() => checkDocument(Schema, value, document)).toThrow(/… and 20 more$/);
  });
});

describe('a JSON text of others', () => {
  test.each([
    ['a list', `[${'{},'.repeat(300_000)}{}]`],
    ['lists in lists', '['.repeat(300_000)],
    ['an object', `{${'"a":1,'.repeat(300_000)}"a":1}`],
  ])('row 10: that has values without end is refused before they are made: %s', (_, text) => {
    expect(() => parseBounded(text)).toThrow(expect.objectContaining({ name: 'TooManyValuesError' }));
    const refused = () => parseJson(text, { name: 'x.json', code: 'bad-catalog' });
    expect(refused).toThrow('x.json is too large: more than 200000 values');
    expect(looseJson(text)).toBeUndefined();
  });

  test('commas and brackets in strings are no values, whatever is escaped', () => {
    const text = JSON.stringify({ a: '[{,'.repeat(200_000), 'b"\\': ['\\', '"', ',', '\\"['.repeat(100_000)] });
    expect(parseBounded(text)).toEqual(JSON.parse(text));
  });

  test('what is not JSON is a SyntaxError of JSON', () => {
    expect(() => parseBounded('"a')).toThrow(SyntaxError);
  });
});
