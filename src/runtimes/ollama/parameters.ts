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
