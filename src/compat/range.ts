import { compareNumbers, isAtLeast, numbersOf, type ServerVersion } from './version.ts';

/** Releases, both ends included. */
export interface Range {
  readonly since: string;
  readonly until?: string | undefined;
  readonly except?: readonly { readonly since: string; readonly until: string }[] | undefined;
}

/** True when the server lies in the range. A version that is unknown counts as the newest, so it is past every end. */
export function isIn(server: ServerVersion, { since, until, except }: Range): boolean {
  return isAtLeast(server, since) && !isPast(server, until) && !(except ?? []).some((hole) => isIn(server, hole));
}

/** True when the server is newer than the last release of the range. */
export function isPast(server: ServerVersion, until: string | undefined): boolean {
  if (until === undefined) return false;
  return server.numbers === undefined || compareNumbers(server.numbers, numbersOf(until)) > 0;
}

/** `since 0.5.5`, `0.5.5 to 0.12.5`, `since 0.2.0, but not in 0.30.0`. */
export function rangeText({ since, until, except = [] }: Range): string {
  const range = until === undefined ? `since ${since}` : `${since} to ${until}`;
  const holes = except.map((hole) => (hole.since === hole.until ? hole.since : `${hole.since} to ${hole.until}`));
  return holes.length === 0 ? range : `${range}, but not in ${holes.join(', ')}`;
}
