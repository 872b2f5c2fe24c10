import { ProvisionError } from '../../core/errors.ts';

type Schema = Readonly<Record<string, unknown>>;

/** Keywords that the engine's grammar keeps, and those that say nothing of the form. */
const KEPT: ReadonlySet<string> = new Set([
  ...['type', 'properties', 'required', 'additionalProperties', 'minProperties', 'maxProperties'],
  ...['items', 'prefixItems', 'minItems', 'maxItems', 'minLength', 'maxLength', 'format'],
  ...['enum', 'const', 'oneOf', '$ref', '$defs'],
  ...['$schema', '$id', '$comment', 'title', 'description', 'default', 'examples'],
]);
const FORMATS: readonly unknown[] = ['date-time', 'date', 'time'];

/** The grammar writes this behind the document. Inside of one there are never so many line ends. */
export const DOCUMENT_END = '\n\n\n\n';

/**
 * Refuses a JSON Schema that the engine would keep only in part: it passes over keywords that it does not know. Throws
 * `runtime-refused`.
 */
export function requireEnforceable(schema: Schema, path = '$'): void {
  const strange = Object.keys(schema).find((keyword) => !KEPT.has(keyword));
  if (strange !== undefined) throw notEnforceable(`${path}.${strange}`);
  if (schema.format !== undefined && !FORMATS.includes(schema.format)) throw notEnforceable(`${path}.format`);
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword === 'properties' || keyword === '$defs') {
      for (const [name, each] of Object.entries(schemaIn(value)))
        requireEnforceable(schemaIn(each), `${path}.${keyword}.${name}`);
    } else if (keyword === 'items' || keyword === 'additionalProperties') {
      requireEnforceable(schemaIn(value), `${path}.${keyword}`);
    } else if ((keyword === 'oneOf' || keyword === 'prefixItems') && Array.isArray(value)) {
      for (const [index, each] of value.entries()) requireEnforceable(schemaIn(each), `${path}.${keyword}[${index}]`);
    }
  }
}

/** Truth values stand for schemas that take everything or nothing. */
function schemaIn(value: unknown): Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}

function notEnforceable(path: string): ProvisionError {
  return new ProvisionError('runtime-refused', `The embedded runtime cannot enforce ${path} of the JSON Schema.`, {
    suggestions: [
      'Leave that keyword out of the schema.',
      'Or use another runtime: start Ollama and pass --runtime ollama.',
    ],
  });
}
