import type * as z from 'zod';
import { type ErrorCode, messageOf, ProvisionError } from './errors.ts';
import { nearest } from './suggest.ts';

/** One fault in a document: where (`models[0].quants[3].sizeGiB`) and what. */
export interface Issue {
  readonly path: string;
  readonly message: string;
}

/** `$` for the root, else `a.b[0].c`. */
export function formatPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path)
    text += typeof part === 'number' ? `[${part}]` : text === '' ? String(part) : `.${String(part)}`;
  return text === '' ? '$' : text;
}

/** Flattens a zod error to issues with JSON paths; an unknown key gets the nearest known one as a hint. */
export function issuesOf(error: z.ZodError, knownKeys: readonly string[] = []): Issue[] {
  return error.issues.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') return [{ path: formatPath(issue.path), message: issue.message }];
    return issue.keys.map((key) => {
      const near = nearest(key, knownKeys);
      return {
        path: formatPath([...issue.path, key]),
        message: `unknown field${near === undefined ? '' : `, did you mean ${near}?`}`,
      };
    });
  });
}

/** How errors name a parsed document. */
export interface Document {
  /** A path or URL, as the user knows it. */
  readonly name: string;
  /** The error code for this kind of document. */
  readonly code: ErrorCode;
  readonly suggestions?: readonly string[];
}

/** Parses JSON text and checks it against a schema. Throws `document.code` with every issue and its JSON path. */
export function parseDocument<Schema extends z.ZodType>(
  schema: Schema,
  text: string,
  document: Document,
  knownKeys: readonly string[] = [],
): z.output<Schema> {
  return checkDocument(schema, parseJson(text, document), document, knownKeys);
}

/** The value of a JSON text; undefined for a text that is not JSON, or absent. */
export function looseJson(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Parses JSON text; throws `document.code` saying where the text stops being JSON. */
export function parseJson(text: string, document: Document): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ProvisionError(document.code, `${document.name} is not JSON: ${messageOf(cause)}`, {
      cause,
      ...(document.suggestions && { suggestions: document.suggestions }),
    });
  }
}

/** Checks a value against a schema. Throws `document.code` with every issue and its JSON path. */
export function checkDocument<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  document: Document,
  knownKeys: readonly string[] = [],
): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = issuesOf(result.error, knownKeys);
  const shown = issues.slice(0, 10).map((issue) => `  ${issue.path}: ${issue.message}`);
  if (issues.length > shown.length) shown.push(`  … and ${issues.length - shown.length} more`);
  throw new ProvisionError(document.code, `${document.name} is not valid:\n${shown.join('\n')}`, {
    ...(document.suggestions && { suggestions: document.suggestions }),
  });
}
