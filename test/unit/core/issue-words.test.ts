import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { issuesOf } from '../../../src/core/parse.ts';

function words(schema: z.ZodType, value: unknown): string[] {
  const parsed = schema.safeParse(value);
  return parsed.success ? [] : issuesOf(parsed.error).map(({ message }) => message);
}

const EITHER = z.union([z.string(), z.number()]);
const FORMS = z.union([z.strictObject({ a: z.string() }), z.strictObject({ b: z.string() })]);
const KINDS = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('p') }),
  z.strictObject({ kind: z.literal('q') }),
]);

describe('what is wrong with a value is told in plain words', () => {
  test.each<[z.ZodType, unknown, string]>([
    [z.string(), undefined, 'is missing: it must be a text'],
    [z.string(), 5, 'must be a text, not a number'],
    [z.int(), 1.5, 'must be a whole number'],
    [z.int(), 'x', 'must be a number, not a text'],
    [z.number(), Number.NaN, 'must be a number, not something that is not a number'],
    [z.boolean(), [], 'must be true or false, not a list'],
    [z.array(z.string()), {}, 'must be a list, not an object'],
    [z.strictObject({}), [], 'must be an object, not a list'],
    [z.record(z.string(), z.string()), null, 'must be an object, not null'],
    [z.enum(['x', 'y', 'z']), 'a', 'must be "x", "y" or "z"'],
    [z.literal(1), 2, 'must be 1'],
    [z.string().min(1), '', 'must not be empty'],
    [z.string().max(2), 'abc', 'must have at most 2 characters'],
    [z.string().length(3), 'ab', 'must have exactly 3 characters'],
    [z.array(z.string()).min(1), [], 'must not be empty'],
    [z.array(z.string()).max(1), ['a', 'b'], 'must have at most 1 entry'],
    [z.number().min(1), 0, 'must be at least 1'],
    [z.number().max(5), 6, 'must be at most 5'],
    [z.number().positive(), 0, 'must be more than 0'],
    [z.number().lt(5), 5, 'must be less than 5'],
    [z.int().multipleOf(4), 3, 'must be a multiple of 4'],
    [z.iso.datetime(), 'now', 'must be a date and time such as 2026-01-31T12:00:00Z'],
    [z.base64(), '%', 'must be base64'],
    [z.string().regex(/^a$/), 'b', 'must match the pattern /^a$/'],
    [z.string().startsWith('x'), 'y', 'must begin with "x"'],
    [z.string().endsWith('x'), 'y', 'must end with "x"'],
    [EITHER, true, 'must be a text or a number'],
    [FORMS, {}, 'has none of the forms that are possible here'],
    [KINDS, { kind: 'r' }, 'must be "p" or "q"'],
    [z.string().refine(() => false, 'must be an error code'), 'x', 'must be an error code'],
  ])('%# %o', (schema, value, message) => {
    expect(words(schema, value)).toEqual([message]);
  });
});
