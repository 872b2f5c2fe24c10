import type { Matrix, Proof, Verified } from './schema.ts';
import { compareNumbers, numbersOf, type ServerVersion } from './version.ts';

/** The evidence for a statement about one server. */
export interface Standing {
  /** `unknown` when there is no row, or the server reports no usable version. */
  readonly basis: Verified | 'unknown';
  /** Appended to a reason: ` (not verified: …)`, or empty if it was read or seen. */
  readonly doubt: string;
}

/** The evidence of a row for a server: that of the row, or less if the server itself is not known. */
export function standing(row: Proof, server: ServerVersion, rows: Matrix): Standing {
  if (server.numbers === undefined) return { basis: 'unknown', doubt: doubt('the server reports no usable version') };
  if (isNewer(server, rows)) return { basis: 'inferred', doubt: doubt(`newer than ${rows.newestKnown}`) };
  if (server.kind === 'custom') return { basis: 'inferred', doubt: doubt('a custom build') };
  return { basis: row.verified, doubt: rowDoubt(row) };
}

/** The doubt that the row itself leaves, whatever the server. */
export function rowDoubt({ verified, origin }: Proof): string {
  if (verified === 'inferred') return doubt('inferred');
  if (verified !== 'third-party') return '';
  const article = origin === 'issue' || origin === 'advisory' ? 'an' : 'a';
  return doubt(origin === 'documentation' ? 'taken from documentation' : `taken from ${article} ${origin ?? 'report'}`);
}

/** True for a server newer than all that was read or seen. */
export function isNewer({ numbers }: ServerVersion, { newestKnown }: Matrix): boolean {
  return numbers !== undefined && compareNumbers(numbers, numbersOf(newestKnown)) > 0;
}

/** The name of a server in a sentence. */
export function nameOf({ raw }: ServerVersion): string {
  return raw === '' ? 'this server' : `Ollama ${raw}`;
}

function doubt(why: string): string {
  return ` (not verified: ${why})`;
}
