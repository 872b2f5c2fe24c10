import * as z from 'zod';
import { messageOf } from '../core/errors.ts';
import { issuesOf } from '../core/parse.ts';
import { quote, type Verdict } from './judges.ts';

type JsonSchema = Readonly<Record<string, unknown>>;

/** Judges a text by a JSON Schema. Throws for a schema that cannot be used. */
export function jsonJudge(schema: JsonSchema): (text: string) => Verdict {
  // Zod's type of a JSON Schema is closed; this one comes from a file and is checked by the call itself.
  const shape = z.fromJSONSchema(schema as z.core.JSONSchema.BaseSchema);
  return (text) => {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return `expected JSON and nothing else, got ${quote(text)}`;
    }
    const parsed = shape.safeParse(value);
    if (parsed.success) return undefined;
    const faults = issuesOf(parsed.error).map(({ path, message }) => `${path}: ${message}`);
    return `the JSON does not follow its schema (${faults.slice(0, 3).join('; ')}), got ${quote(text)}`;
  };
}

/** What is wrong with a JSON Schema itself; undefined when it can be used. */
export function findSchemaError(schema: JsonSchema): string | undefined {
  try {
    jsonJudge(schema);
    return undefined;
  } catch (error) {
    return `cannot be used as a JSON Schema: ${messageOf(error)}`;
  }
}
