import { ProvisionError } from '../../core/errors.ts';
import { shownUrl } from '../../net/errors.ts';
import { mayLead, type Reach, reachOfHost } from '../../net/reach.ts';

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
 * Checks the address of a token server that a registry names. It must be an https address (or on the registry's own host,
 * where that is itself reached by plain http), and not nearer to this machine than the registry, which is at `reach`. A
 * password goes there only when it is the registry's own origin (scheme, host and port), the known token server of that
 * registry, or one that the user named as `host` or `host:port`: a registry that is made to point elsewhere
 * (CVE-2025-51471) does not get a password, and neither does another program on its host.
 * Throws `remote-fault`, `unsafe-redirect`.
 */
export function checkRealm(
  realm: string,
  registry: URL,
  named: readonly string[],
  reach: Reach = reachOfHost(registry.hostname),
): Realm {
  const url = URL.parse(realm);
  if (url === null || !['https:', 'http:'].includes(url.protocol) || url.username !== '' || url.password !== '')
    throw new ProvisionError('remote-fault', `${registry.host}: the registry does not name a usable token server`, {
      suggestions: ['Check that the reference names a registry.'],
    });
  url.hash = '';
  const isSameHost = url.hostname === registry.hostname;
  if (url.protocol === 'http:' && !(isSameHost && registry.protocol === 'http:'))
    throw unsafe(registry, url, 'by plain http');
  if (!mayLead(reach, reachOfHost(url.hostname))) throw unsafe(registry, url, 'in a private network');
  const trusted =
    url.origin === registry.origin ||
    // `URL` leaves the port of https out of `host`, so that a name alone means that port.
    named.includes(url.host) ||
    (url.protocol === 'https:' && KNOWN[registry.host] === url.host);
  return { url, trusted };
}

function unsafe(registry: URL, url: URL, how: string): ProvisionError {
  return new ProvisionError(
    'unsafe-redirect',
    `${registry.host}: the registry redirects to a token server ${how} (${shownUrl(url)})`,
    { suggestions: ['If you run that registry, correct the address of its token server.'] },
  );
}
