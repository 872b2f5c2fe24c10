import type * as z from 'zod';
import { type ErrorCode, messageOf, ProvisionError } from './errors.ts';
import { plainWords } from './issue-words.ts';
import { nearest } from './suggest.ts';

/** One fault in a document: where (`models[0].quants[3].sizeGiB`) and what. */
export interface Issue {
  readonly path: string;
  readonly message: string;
}

/** The path of the document itself. */
const WHOLE = '$';

/** `$` for the root, else `a.b[0].c`. */
export function formatPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path)
    text += typeof part === 'number' ? `[${part}]` : text === '' ? String(part) : `.${String(part)}`;
  return text === '' ? WHOLE : text;
}

/** So many unknown fields are compared with the known ones; who has more of them has not misspelt them. */
const MOST_HINTS = 50;
const LONGEST_HINTED = 64;

/** Flattens a zod error to issues with JSON paths; an unknown key gets the nearest known one as a hint. */
export function issuesOf(error: z.ZodError, knownKeys: readonly string[] = []): Issue[] {
  let unknown = 0;
  return error.issues.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') return [{ path: formatPath(issue.path), message: plainWords(issue) }];
    return issue.keys.map((key) => {
      unknown += 1;
      const near = unknown > MOST_HINTS || key.length > LONGEST_HINTED ? undefined : nearest(key, knownKeys);
      return {
        path: formatPath([...issue.path, key]),
        message: `unknown field${near === undefined ? '' : `, did you mean ${near}?`}`,
      };
    });
  });
}

/** An issue on one line; one of the whole document needs no place. */
export function issueText({ path, message }: Issue): string {
  return path === WHOLE ? message : `${path}: ${message}`;
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

/**
 * Values in one document: far more than any of ours has, or of a server. A schema reports everything that is wrong with
 * every value, at a hundred times the memory that the value takes in the text.
 */
const MOST_VALUES = 200_000;

/** A JSON text of more values than any document has. */
export class TooManyValuesError extends SyntaxError {
  override readonly name = 'TooManyValuesError';
}

/** `JSON.parse` for texts of others. Throws a `SyntaxError`, for too many values before they are made. */
export function parseBounded(text: string): unknown {
  if (hasMoreValues(text, MOST_VALUES)) throw new TooManyValuesError(`more than ${MOST_VALUES} values`);
  return JSON.parse(text);
}

/** Counts by commas and opening brackets outside strings; of a text that is not JSON it counts something. */
function hasMoreValues(text: string, most: number): boolean {
  let count = 0;
  for (let at = 0; at < text.length && count <= most; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit === QUOTE) at = endOfString(text, at + 1);
    else if (unit === COMMA || unit === BRACE || unit === BRACKET) count += 1;
  }
  return count > most;
}

const [QUOTE, COMMA, BRACE, BRACKET, BACKSLASH] = [34, 44, 123, 91, 92] as const;

/** Where the quote is that ends the string; the end of the text where there is none. */
function endOfString(text: string, start: number): number {
  for (let at = start; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit === BACKSLASH) at += 1;
    else if (unit === QUOTE) return at;
  }
  return text.length;
}

/** The value of a JSON text; undefined for a text that is not JSON, or absent. */
export function looseJson(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : parseBounded(text);
  } catch {
    return undefined;
  }
}

/** Parses JSON text; throws `document.code` saying where the text stops being JSON, or that it has too many values. */
export function parseJson(text: string, document: Document): unknown {
  try {
    return parseBounded(text);
  } catch (cause) {
    const what = cause instanceof TooManyValuesError ? 'is too large' : 'is not JSON';
    throw new ProvisionError(document.code, `${document.name} ${what}: ${messageOf(cause)}`, {
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
  const shown = issues.slice(0, 10).map((issue) => `  ${issueText(issue)}`);
  if (issues.length > shown.length) shown.push(`  … and ${issues.length - shown.length} more`);
  throw new ProvisionError(document.code, `${document.name} is not valid:\n${shown.join('\n')}`, {
    ...(document.suggestions && { suggestions: document.suggestions }),
  });
}
