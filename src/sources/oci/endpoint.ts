/** Where a registry's API is, and whether it is reached by https. */
import { errnoOf, ProvisionError } from '../../core/errors.ts';
import { networkFault } from '../../net/errors.ts';
import type { Http } from '../../net/http.ts';
import { isLoopback, isPrivateHost } from '../../net/reach.ts';

export interface Endpoint {
  /** Without a slash at its end. */
  readonly base: URL;
  /** A password may be sent: https, this machine, or a host that the user named for plain http. */
  readonly mayCarryPasswords: boolean;
}

/** What OpenSSL and Node say when the other side speaks no TLS. */
const NOT_TLS = /ERR_SSL_|EPROTO|SSL routines|wrong version number|packet length too long/i;

/**
 * By https, unless the user asked for plain http or, on this machine and in private networks, the other side turns out to
 * speak no TLS. Throws `network`.
 */
export async function findEndpoint(
  http: Http,
  host: string,
  plainHttp: readonly string[],
  signal: AbortSignal,
): Promise<Endpoint> {
  const api = host === 'docker.io' ? 'registry-1.docker.io' : host;
  const secure = new URL(`https://${api}`);
  const plain = { base: new URL(`http://${api}`), mayCarryPasswords: true };
  if (plainHttp.includes(host) || plainHttp.includes(secure.hostname)) return plain;
  if (!isPrivateHost(secure.hostname)) return { base: secure, mayCarryPasswords: true };
  try {
    const reply = await http({ method: 'GET', url: new URL('/v2/', secure).href, kind: 'probe', signal });
    await reply.close();
    return { base: secure, mayCarryPasswords: true };
  } catch (thrown) {
    signal.throwIfAborted();
    if (!speaksNoTls(thrown)) throw networkFault(new URL('/v2/', secure), thrown);
    return { ...plain, mayCarryPasswords: isLoopback(secure.hostname) };
  }
}

function speaksNoTls(thrown: unknown): boolean {
  for (let at: unknown = thrown, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth += 1) {
    if (NOT_TLS.test(errnoOf(at) ?? '') || NOT_TLS.test(at.message)) return true;
  }
  return false;
}

/** The error for a password that would be sent in plain text. */
export function passwordOverHttp(host: string): ProvisionError {
  return new ProvisionError('unauthorised', `${host} requires a password but does not use https: none was sent.`, {
    suggestions: [
      'Ask the operator of the registry to set up a certificate.',
      `If you trust the network in between: --plain-http, or GEMMA_PROVISION_OCI_PLAIN_HTTP=${host}`,
    ],
  });
}
