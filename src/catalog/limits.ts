/** What JSON text may carry but a catalog must not, whatever the schema says of it. */
import type { Issue } from '../core/parse.ts';
import { isRaw, issueAt, type Path } from './json-access.ts';

const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/** The catalog's own nesting is 7 deep; a document beyond this is not one and would only exhaust the stack. */
const DEEPEST = 32;

/**
 * The largest built-in file has 4,394 values, and 62 in one list. A schema reports everything that is wrong with every
 * entry, at a hundred times the memory of the entry: what is far larger is refused before it gets there.
 */
const MOST_VALUES = 20_000;
const LONGEST_LIST = 1_000;

/** What makes a document too large to be looked at any further. */
export function sizeIssue(value: unknown): Issue | undefined {
  const open: { value: unknown; path: Path }[] = [{ value, path: [] }];
  let count = 0;
  for (let item = open.pop(); item !== undefined; item = open.pop()) {
    const { value: found, path } = item;
    if (typeof found !== 'object' || found === null) continue;
    const entries: [string | number, unknown][] = Array.isArray(found) ? [...found.entries()] : Object.entries(found);
    if (entries.length > LONGEST_LIST)
      return issueAt(path, `has ${entries.length} entries; a catalog file has at most ${LONGEST_LIST} in one place`);
    count += entries.length;
    if (count > MOST_VALUES) return issueAt([], `has more than ${MOST_VALUES} values; a catalog file has fewer`);
    // Deeper levels are refused by `guardIssues`.
    if (path.length <= DEEPEST) open.push(...entries.map(([key, entry]) => ({ value: entry, path: [...path, key] })));
  }
  return undefined;
}

/** Keys that reach into an object's prototype, integers that JSON numbers cannot hold exactly, absurd nesting. */
export function guardIssues(value: unknown, path: Path = []): Issue[] {
  if (path.length > DEEPEST) return [issueAt(path, `is nested deeper than ${DEEPEST} levels`)];
  if (typeof value === 'number') return numberIssues(value, path);
  if (Array.isArray(value)) return value.flatMap((entry: unknown, index) => guardIssues(entry, [...path, index]));
  if (!isRaw(value)) return [];
  return Object.entries(value).flatMap(([key, entry]) =>
    FORBIDDEN_KEYS.has(key) ? [issueAt([...path, key], 'this key is not allowed')] : guardIssues(entry, [...path, key]),
  );
}

function numberIssues(value: number, path: Path): Issue[] {
  if (Math.abs(value) <= Number.MAX_SAFE_INTEGER) return [];
  return [issueAt(path, `is beyond ±${Number.MAX_SAFE_INTEGER}, the largest integer that is read exactly`)];
}
