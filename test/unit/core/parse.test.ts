import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { checkDocument, formatPath, parseDocument } from '../../../src/core/parse.ts';

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
