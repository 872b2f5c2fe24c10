/** Parameters as a runtime reports them, and where they differ from those that were sent. */
import type { StoreRequest } from './contract.ts';

type Values = readonly (string | number | boolean)[];

/** Reads the `parameters` text of show: one `key   value` a line, strings in Go's quotes, a list as several lines. */
export function parseParameters(text: string): Map<string, Values> {
  const parameters = new Map<string, Values>();
  for (const line of text.split('\n')) {
    const match = /^(\S+)\s+(.*)$/.exec(line);
    const key = match?.[1];
    if (key === undefined) continue;
    parameters.set(key, [...(parameters.get(key) ?? []), goValue(match?.[2] ?? '')]);
  }
  return parameters;
}

/** A value as Go's `%#v` prints it. */
function goValue(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  if (text.startsWith('"')) return unquoted(text);
  const number = Number(text);
  return text !== '' && Number.isFinite(number) ? number : text;
}

function unquoted(text: string): string {
  const asJson = text
    .replace(/(?<!\\)((?:\\\\)*)\\x([0-9a-f]{2})/g, '$1\\u00$2')
    .replace(/(?<!\\)((?:\\\\)*)\\a/g, '$1\\u0007')
    .replace(/(?<!\\)((?:\\\\)*)\\v/g, '$1\\u000b');
  try {
    const value: unknown = JSON.parse(asJson);
    return typeof value === 'string' ? value : text;
  } catch {
    return text;
  }
}

/** One sentence each; `sent`: what was requested, `stored`: what `show` reports now. */
export function parameterDifferences(
  sent: StoreRequest['spec']['parameters'],
  stored: ReadonlyMap<string, Values>,
): string[] {
  const wanted = new Map(Object.entries(sent).map(([key, value]) => [key, Array.isArray(value) ? value : [value]]));
  const lost = [...wanted].flatMap(([key, values]) => parameterDifference(key, values, stored.get(key)));
  const added = [...stored]
    .filter(([key]) => !wanted.has(key))
    .map(([key, values]) => `The server added the parameter ${key} ${shown(values)}.`);
  return [...lost, ...added];
}

function parameterDifference(key: string, sent: Values, stored: Values | undefined): string[] {
  if (sent.length === 0 && stored === undefined) return [];
  if (stored === undefined) return [`The server did not store the parameter ${key} ${shown(sent)}.`];
  const same = sent.length === stored.length && sent.every((value) => stored.some((other) => sameValue(value, other)));
  return same ? [] : [`The server stored the parameter ${key} as ${shown(stored)}, not ${shown(sent)}.`];
}

/** Old servers keep numbers as 32-bit floats, so 0.7 comes back as 0.7 only to seven digits. */
function sameValue(a: string | number | boolean, b: string | number | boolean): boolean {
  if (typeof a === 'number' && typeof b === 'number') return Math.abs(a - b) <= 1e-6 * Math.max(1, Math.abs(a));
  return a === b;
}

function shown(values: Values): string {
  return values.map((value) => JSON.stringify(value)).join(', ');
}
