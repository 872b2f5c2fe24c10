/**
 * JSON with sorted keys, two spaces and a line feed at its end: the same value gives the same bytes on every machine.
 * Undefined members are left out, as `JSON.stringify` does; lists keep their order.
 */
export function canonicalJson(value: unknown): string {
  return `${JSON.stringify(sorted(value), null, 2)}\n`;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  // By code unit: `localeCompare` would depend on the machine. `fromEntries` keeps even a key that is named __proto__.
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([key, member]) => [key, sorted(member)]),
  );
}
