import { ProvisionError } from '../core/errors.ts';

/** What a server calls itself, read with care: `0.24.0`, `0.33.0-rc2`, `0.0.0`, `0.12.3-ipex`, `0.24.0-12-gabc1234`. */
export interface ServerVersion {
  /** As the server said it, for people and records. */
  readonly raw: string;
  /**
   * `release`: plain numbers. `pre-release`: `-rc2`, `-beta1`. `custom`: numbers with another ending (a fork, a
   * build between tags). `unknown`: no usable numbers, also `0.0.0`, which every build without a tag reports.
   */
  readonly kind: 'release' | 'pre-release' | 'custom' | 'unknown';
  /** Major, minor, patch; absent when `kind` is `unknown`. */
  readonly numbers?: VersionNumbers;
}

export type VersionNumbers = readonly [major: number, minor: number, patch: number];

const VERSION = /^v?(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?(?![.\d])(.*)$/s;
const PRE_RELEASE = /^-?(?:rc|alpha|beta|pre|dev)[.-]?\d*$/i;

/** Reads any text; never throws. */
export function parseServerVersion(text: string): ServerVersion {
  const raw = text.trim();
  const match = VERSION.exec(raw);
  if (match === null) return { raw, kind: 'unknown' };
  const numbers = [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)] as const;
  if (numbers.every((part) => part === 0)) return { raw, kind: 'unknown' };
  return { raw, kind: kindOf(match[4] ?? ''), numbers };
}

/** For a version that a user typed. What a server reports of itself is taken as it is. Throws `bad-usage`. */
export function requireVersion(typed: string): void {
  if (parseServerVersion(typed).numbers !== undefined) return;
  throw new ProvisionError('bad-usage', `--server-version ${JSON.stringify(typed)} is not an Ollama version`, {
    suggestions: ['Write it as "ollama --version" prints it, for example 0.24.0.'],
  });
}

function kindOf(ending: string): 'release' | 'pre-release' | 'custom' {
  if (ending === '') return 'release';
  return PRE_RELEASE.test(ending) ? 'pre-release' : 'custom';
}

/** Negative when `a` comes before `b`. */
export function compareNumbers(a: VersionNumbers, b: VersionNumbers): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

/** The numbers of a plain `x.y.z` that our own data carries. */
export function numbersOf(plain: string): VersionNumbers {
  const numbers = parseServerVersion(plain).numbers;
  if (numbers === undefined) throw new RangeError(`not a version: ${plain}`);
  return numbers;
}

/**
 * True when the server is `since` or newer. Endings are ignored: the code of `0.33.0-rc2` is that of 0.33.0 far more
 * than that of the release before. An unknown version counts as the newest.
 */
export function isAtLeast(version: ServerVersion, since: string): boolean {
  return version.numbers === undefined || compareNumbers(version.numbers, numbersOf(since)) >= 0;
}

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
