import { ProvisionError } from '../../core/errors.ts';
import { shownUrl } from '../../net/errors.ts';
import { isPrivateHost } from '../../net/private-addresses.ts';

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
      // A duplicate parameter is ambiguous.
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

/** Registries whose token server is known to be on another host of the same operator. */
const KNOWN: Readonly<Record<string, string>> = {
  'registry-1.docker.io': 'auth.docker.io',
  'registry.gitlab.com': 'gitlab.com',
};

/** A token server that a registry names. */
export interface Realm {
  readonly url: URL;
  /** A password may be sent there. */
  readonly trusted: boolean;
}

/**
 * Checks the address of a token server that a registry names. It must be an https address (or the registry's own host,
 * where that is itself reached by plain http), and a public registry may not send us into a private network. A password
 * goes there only when it is the registry's own host, a host below it, the known token server of that registry, or one
 * that the user named: a registry that is made to point elsewhere (CVE-2025-51471) does not get a password.
 * Throws `remote-fault`, `unsafe-redirect`.
 */
export function checkRealm(realm: string, registry: URL, named: readonly string[]): Realm {
  const url = URL.parse(realm);
  if (url === null || !['https:', 'http:'].includes(url.protocol) || url.username !== '' || url.password !== '')
    throw new ProvisionError('remote-fault', `${registry.host}: the registry does not name a usable token server`, {
      suggestions: ['Check that the reference names a registry.'],
    });
  url.hash = '';
  const own = url.hostname === registry.hostname;
  if (url.protocol === 'http:' && !(own && registry.protocol === 'http:')) throw unsafe(registry, url, 'by plain http');
  if (isPrivateHost(url.hostname) && !isPrivateHost(registry.hostname))
    throw unsafe(registry, url, 'in a private network');
  const trusted =
    own ||
    (url.protocol === 'https:' &&
      (url.hostname.endsWith(`.${registry.hostname}`) ||
        KNOWN[registry.hostname] === url.hostname ||
        named.includes(url.host) ||
        named.includes(url.hostname)));
  return { url, trusted };
}

function unsafe(registry: URL, url: URL, how: string): ProvisionError {
  return new ProvisionError(
    'unsafe-redirect',
    `${registry.host}: the registry redirects to a token server ${how} (${shownUrl(url)})`,
    { suggestions: ['If you run that registry, correct the address of its token server.'] },
  );
}
