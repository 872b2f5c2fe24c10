import { describe, expect, test } from 'vitest';
import { answer } from '../../../../src/runtimes/embedded/answer.ts';
import { DOCUMENT_END, requireEnforceable } from '../../../../src/runtimes/embedded/json-schema.ts';
import { UNCAGED } from '../../../helpers/cage.ts';
import { byteEngine, bytesOf, SAMPLING } from './support.ts';

describe('a JSON Schema that the engine keeps', () => {
  test.each<[object]>([
    [{}],
    [
      {
        type: 'object',
        properties: { city: { type: 'string', maxLength: 9 } },
        required: ['city'],
        additionalProperties: false,
      },
    ],
    [{ type: 'array', items: { type: 'integer' }, minItems: 1, maxItems: 3 }],
    [{ $defs: { a: { enum: ['x', 1, null] } }, oneOf: [{ $ref: '#/$defs/a' }, { const: true }] }],
    [{ type: ['string', 'null'], title: 'T', description: 'D', examples: [{ pattern: 'no schema' }] }],
    [{ type: 'string', format: 'date-time' }],
    [{ type: 'object', properties: { pattern: { type: 'string' }, minimum: true } }],
  ])('%j', (schema) => {
    expect(() => requireEnforceable({ ...schema })).not.toThrow();
  });
});

describe('a JSON Schema that it would keep only in part is refused, with the place', () => {
  test.each<[object, string]>([
    [{ type: 'string', pattern: '^a' }, '$.pattern'],
    [{ anyOf: [{ type: 'string' }] }, '$.anyOf'],
    [{ type: 'object', properties: { n: { type: 'number', minimum: 0 } } }, '$.properties.n.minimum'],
    [{ type: 'array', items: { not: {} } }, '$.items.not'],
    [{ type: 'array', prefixItems: [{}, { uniqueItems: true }] }, '$.prefixItems[1].uniqueItems'],
    [{ oneOf: [{ allOf: [] }] }, '$.oneOf[0].allOf'],
    [{ type: 'object', additionalProperties: { multipleOf: 2 } }, '$.additionalProperties.multipleOf'],
    [{ $defs: { a: { if: {} } } }, '$.$defs.a.if'],
    [{ type: 'string', format: 'email' }, '$.format'],
  ])('%j', (schema, place) => {
    expect(() => requireEnforceable({ ...schema })).toThrow(
      expect.objectContaining({ code: 'runtime-refused', message: expect.stringContaining(` ${place} `) }),
    );
  });
});

test('an answer by a schema ends where its document ends', async () => {
  const formats: unknown[] = [];
  const engine = byteEngine([], {
    async *generate(_prompt, _sampling, _signal, format) {
      formats.push(format);
      yield* bytesOf(`{"a":\n\n\n1}${DOCUMENT_END}\n\n`);
    },
  });
  const format = { type: 'object' };
  const chat = { messages: [{ role: 'user' as const, content: 'hi' }], stop: [], sampling: SAMPLING };
  const answered = async (more: object): Promise<string> => {
    let text = '';
    for await (const piece of answer(engine, { ...chat, ...more }, UNCAGED)) text += piece;
    return text;
  };
  expect(await answered({ format })).toBe('{"a":\n\n\n1}');
  expect(await answered({})).toBe(`{"a":\n\n\n1}${DOCUMENT_END}\n\n`);
  expect(formats).toEqual([format, undefined]);
});
