/** One way to log in that a server offers in `WWW-Authenticate` (RFC 9110, section 11.6.1). */
export interface Challenge {
  /** In lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** By names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const LONGEST = 8192;
const SCHEME = /([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?: +|$)/y;
const PARAMETER = /([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([!#$%&'*+.^_`|~0-9A-Za-z:/-]+))/y;
const COMMA = /[ \t]*(?:,[ \t]*)+/y;

/** Reads the whole header or nothing: a header that is not of the form offers no way to log in. */
export function parseChallenges(header: string): Challenge[] {
  if (header.length > LONGEST) return [];
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  let at = 0;
  const take = (form: RegExp): RegExpExecArray | null => {
    form.lastIndex = at;
    const match = form.exec(header);
    if (match !== null) at = form.lastIndex;
    return match;
  };
  while (at < header.length) {
    const parameter = challenges.length === 0 ? null : take(PARAMETER);
    if (parameter !== null) {
      const [, name = '', quoted, plain = ''] = parameter;
      const { parameters } = challenges.at(-1) ?? { parameters: new Map<string, string>() };
      // Twice the same name: which one counts would be a guess.
      if (parameters.has(name.toLowerCase())) return [];
      parameters.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? plain);
    } else {
      const scheme = take(SCHEME)?.[1];
      if (scheme === undefined) return [];
      challenges.push({ scheme: scheme.toLowerCase(), parameters: new Map() });
      continue;
    }
    if (at < header.length && take(COMMA) === null) return [];
  }
  return challenges;
}
