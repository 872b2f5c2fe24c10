/**
 * Reading JSON that no schema has accepted yet. The cross checks look at the raw document, so that a file with a
 * spelling mistake in one place still gets its other mistakes reported in the same run.
 */
import { formatPath, type Issue } from '../core/parse.ts';

export type Raw = Readonly<Record<string, unknown>>;
export type Path = readonly (string | number)[];

export interface Item {
  readonly value: unknown;
  readonly path: Path;
}

export function isRaw(value: unknown): value is Raw {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The member `key` of an object, own properties only. */
export function member(value: unknown, key: string): unknown {
  return isRaw(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

export function textAt(value: unknown, key: string): string | undefined {
  const found = member(value, key);
  return typeof found === 'string' ? found : undefined;
}

export function numberAt(value: unknown, key: string): number | undefined {
  const found = member(value, key);
  return typeof found === 'number' ? found : undefined;
}

/** The entries of the array `key` with their paths below `path`; none when it is not an array. */
export function itemsAt(value: unknown, key: string, path: Path): Item[] {
  const found = member(value, key);
  return Array.isArray(found)
    ? found.map((entry: unknown, index) => ({ value: entry, path: [...path, key, index] }))
    : [];
}

export function keysAt(value: unknown, key: string): string[] {
  const found = member(value, key);
  return isRaw(found) ? Object.keys(found) : [];
}

export function issueAt(path: Path, message: string): Issue {
  return { path: formatPath(path), message };
}

/** One issue for every entry whose `key` repeats an earlier one, case ignored. */
export function repeats(items: readonly Item[], key: string, what: string): Issue[] {
  const seen = new Map<string, Path>();
  const issues: Issue[] = [];
  for (const { value, path } of items) {
    const text = textAt(value, key);
    if (text === undefined) continue;
    const first = seen.get(text.toLowerCase());
    if (first === undefined) seen.set(text.toLowerCase(), path);
    else issues.push(issueAt([...path, key], `${what} "${text}" is already used at ${formatPath(first)}`));
  }
  return issues;
}
