/** Whom a registry may send us to for an access token, and whom of them a password is shown. */
import { ProvisionError } from '../../core/errors.ts';
import { shownUrl } from '../../net/errors.ts';
import { isPrivateHost } from '../../net/private-addresses.ts';

/** Registries whose token server is known to be on another host of the same operator. */
const KNOWN: Readonly<Record<string, string>> = {
  'registry-1.docker.io': 'auth.docker.io',
  'registry.gitlab.com': 'gitlab.com',
};

export interface Realm {
  readonly url: URL;
  /** A password may be sent there. */
  readonly trusted: boolean;
}

/**
 * Checks the address of a token server that a registry names. It must be an https address (or the registry's own host,
 * where that is itself reached by plain http), and a public registry may not send us into a private network. A password
 * goes there only when it is the registry's own host, a host below it, the known token server of that registry, or one
 * that the user named: a registry that is made to point elsewhere (CVE-2025-51471) gets nobody's password.
 * Throws `remote-fault`, `unsafe-redirect`.
 */
export function checkRealm(realm: string, registry: URL, named: readonly string[]): Realm {
  const url = URL.parse(realm);
  if (url === null || !['https:', 'http:'].includes(url.protocol) || url.username !== '' || url.password !== '')
    throw new ProvisionError('remote-fault', `${registry.host}: the registry names no usable token server`, {
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
    `${registry.host}: the registry sends us to a token server ${how} (${shownUrl(url)})`,
    { suggestions: ['If you run that registry, correct the address of its token server.'] },
  );
}
