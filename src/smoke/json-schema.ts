import { CageExceeded, type CageParts } from '../cage/cage.ts';
import type { Outcome } from '../cage/protocol.ts';
import { ProvisionError } from '../core/errors.ts';
import { issueText } from '../core/parse.ts';
import { quote, type Verdict } from './judges.ts';

type JsonSchema = Readonly<Record<string, unknown>>;

/** Judges a text by a JSON Schema. Throws `bad-suite` for a schema that had to be stopped. */
export async function judgeJson(schema: JsonSchema, text: string, parts: CageParts): Promise<Verdict> {
  const outcome = await validate(schema, text, parts);
  if (outcome.type === 'valid') return undefined;
  if (outcome.type === 'not-json') return `expected JSON and nothing else, got ${quote(text)}`;
  if (outcome.type !== 'invalid') return `the JSON Schema cannot be used: ${wordsOf(outcome)}`;
  const faults = outcome.issues.map(issueText);
  return `the JSON does not follow its schema (${faults.join('; ')}), got ${quote(text)}`;
}

/** What is wrong with a JSON Schema itself; undefined when it can be used. Throws `bad-suite` as `judgeJson` does. */
export async function findSchemaError(schema: JsonSchema, parts: CageParts): Promise<string | undefined> {
  const outcome = await validate(schema, undefined, parts);
  return outcome.type === 'valid' ? undefined : `cannot be used as a JSON Schema: ${wordsOf(outcome)}`;
}

async function validate(schema: JsonSchema, text: string | undefined, { cage, signal }: CageParts): Promise<Outcome> {
  try {
    return await cage.perform({ kind: 'json-schema', schema, ...(text !== undefined && { text }) }, signal);
  } catch (error) {
    throw error instanceof CageExceeded ? unsafeSchema(error) : error;
  }
}

function wordsOf(outcome: Outcome): string {
  return 'message' in outcome ? outcome.message : outcome.type;
}

function unsafeSchema(cause: CageExceeded): ProvisionError {
  return new ProvisionError('bad-suite', `A JSON Schema of the smoke suite ${cause.message}.`, {
    cause,
    suggestions: [
      'Simplify the schema: a pattern with nested repetition, such as (a+)+, may never end.',
      'Do not use a suite or bundle of an unknown publisher that does this.',
    ],
  });
}
