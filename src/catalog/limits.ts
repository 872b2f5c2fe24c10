/** What JSON text may carry but a catalog must not, whatever the schema says of it. */
import type { Issue } from '../core/parse.ts';
import { isRaw, issueAt, type Path } from './json-access.ts';

const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/** The catalog's own nesting is 7 deep; a document beyond this is not one and would only exhaust the stack. */
const DEEPEST = 32;

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
