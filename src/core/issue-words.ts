import type * as z from 'zod';

/** Zod's names of types, in words that a person who edits a file knows. */
const TYPES: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  bigint: 'a whole number',
  array: 'a list',
  tuple: 'a list',
  object: 'an object',
  record: 'an object',
  null: 'null',
  date: 'a date',
  NaN: 'something that is not a number',
};

const FORMATS: Readonly<Record<string, string>> = {
  datetime: 'a date and time such as 2026-01-31T12:00:00Z',
  date: 'a date such as 2026-01-31',
  base64: 'base64',
  url: 'a web address',
  email: 'an e-mail address',
};

/** How messages begin that no schema of ours wrote. */
const LIBRARY_WORDS = /^(?:Invalid|Too small|Too big)\b/;

/** What is wrong with one value, without the words of the library that found it. */
export function plainWords(issue: z.core.$ZodIssue): string {
  if (!LIBRARY_WORDS.test(issue.message)) return issue.message;
  switch (issue.code) {
    case 'invalid_type':
      return wrongType(issue.expected, /received (\S+)$/.exec(issue.message)?.[1]);
    case 'invalid_value':
      return `must be ${listed(issue.values.map((value) => JSON.stringify(value) ?? String(value)))}`;
    case 'too_small':
      return outOfRange(issue.origin, issue.exact === true ? 'exactly' : 'at least', issue.minimum, issue.inclusive);
    case 'too_big':
      return outOfRange(issue.origin, issue.exact === true ? 'exactly' : 'at most', issue.maximum, issue.inclusive);
    case 'invalid_format':
      return wrongFormat(issue);
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}`;
    case 'invalid_union':
      return wrongUnion(issue);
    default:
      return issue.message;
  }
}

function wrongType(expected: string, received: string | undefined): string {
  if (received === 'undefined') return `is missing: it must be ${typeWords(expected)}`;
  const got =
    received === undefined || typeWords(received) === typeWords(expected) ? '' : `, not ${typeWords(received)}`;
  return `must be ${typeWords(expected)}${expected === 'int' && received === 'number' ? '' : got}`;
}

function typeWords(name: string): string {
  return TYPES[name] ?? `of the type ${name}`;
}

type Bound = 'at least' | 'at most' | 'exactly';

function outOfRange(origin: string, bound: Bound, limit: number | bigint, inclusive = true): string {
  if (origin === 'string')
    return limit === 1 && bound === 'at least' ? 'must not be empty' : `must have ${bound} ${limit} characters`;
  if (origin === 'array' || origin === 'set' || origin === 'map')
    return limit === 1 && bound === 'at least'
      ? 'must not be empty'
      : `must have ${bound} ${limit} ${limit === 1 ? 'entry' : 'entries'}`;
  if (inclusive) return `must be ${bound} ${limit}`;
  return `must be ${bound === 'at least' ? 'more' : 'less'} than ${limit}`;
}

function wrongFormat(issue: z.core.$ZodIssueInvalidStringFormat): string {
  if ('prefix' in issue && typeof issue.prefix === 'string') return `must begin with ${JSON.stringify(issue.prefix)}`;
  if ('suffix' in issue && typeof issue.suffix === 'string') return `must end with ${JSON.stringify(issue.suffix)}`;
  const known = FORMATS[issue.format];
  if (known !== undefined) return `must be ${known}`;
  return issue.pattern === undefined
    ? `must be of the format ${issue.format}`
    : `must match the pattern ${issue.pattern}`;
}

function wrongUnion(issue: z.core.$ZodIssueInvalidUnion): string {
  if ('options' in issue && Array.isArray(issue.options))
    return `must be ${listed(issue.options.map((value) => JSON.stringify(value) ?? String(value)))}`;
  // Each kind that the value may be of says what it lacks; where all of it is the type, that is worth telling.
  const words = issue.errors.flatMap((issues) => (issues.length === 1 && issues[0] ? [issues[0]] : []));
  const types = words.flatMap((each) =>
    each.code === 'invalid_type' && each.path.length === 0 ? [typeWords(each.expected)] : [],
  );
  return types.length > 0 && types.length === issue.errors.length
    ? `must be ${listed([...new Set(types)])}`
    : 'has none of the forms that are possible here';
}

function listed(words: readonly string[]): string {
  const last = words.at(-1) ?? '';
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} or ${last}`;
}
