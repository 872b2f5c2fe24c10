import { createHash } from 'node:crypto';
import * as z from 'zod';

const FORM = 'must be sha256: and 64 lower-case hex digits';

/** `sha256:` and 64 lower-case hex digits, the form of Ollama and OCI. */
export const Digest = z.templateLiteral(['sha256:', z.string().regex(/^[0-9a-f]{64}$/)], {
  error: ({ input }) => (typeof input === 'string' ? FORM : undefined),
});
export type Digest = z.infer<typeof Digest>;

/** The digest of a text (as UTF-8) or of bytes. */
export function digestOf(content: string | Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

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
