import { isIP } from 'node:net';
import { ProvisionError } from '../../core/errors.ts';
import { isLoopback } from '../../net/reach.ts';
import type { RuntimeContext, RuntimeFlags } from '../contract.ts';

/** Where a server is, read from what `OLLAMA_HOST` or `--host` says. */
export interface HostAddress {
  /** Base of every request, without a slash at the end and without credentials. Safe to print. */
  readonly url: string;
  /** What Ollama itself makes of the same text, for its server: differs from `url` in `:1234` and `0.0.0.0`. Safe to print. */
  readonly spelled: string;
  /** `authorization`, where the text had credentials: for a proxy before the server, since Ollama itself knows none. */
  readonly headers: Readonly<Record<string, string>>;
  /** True for this machine's loopback addresses and names. */
  readonly loopback: boolean;
}

const DEFAULT_PORTS: Readonly<Record<string, string>> = { http: '80', https: '443' };
const OLLAMA_PORT = '11434';
const SUGGESTIONS = ['Use the form of OLLAMA_HOST: 127.0.0.1:11434, http://server:11434 or https://server/ollama.'];

/**
 * Reads a host by the rules of Ollama's own `envconfig.Host` (read at v0.24.0 and v0.33.0-rc2): quotes and blanks are
 * trimmed, no scheme means http and port 11434, `http://` means 80 and `https://` 443, a path is kept. As Ollama's client
 * does, a host of "any address" is reached through loopback. Throws `bad-configuration` for what no client can connect to,
 * and for a port that cannot be, where Ollama silently uses the default: another server would answer than was meant.
 */
export function parseHost(text: string | undefined): HostAddress {
  const { scheme, rest, defaultPort } = splitScheme(trimQuotes(text ?? ''));
  if (scheme !== 'http' && scheme !== 'https') {
    refuse(`the scheme ${JSON.stringify(scheme)} is neither http nor https`);
  }
  const slash = rest.indexOf('/');
  const authority = slash < 0 ? rest : rest.slice(0, slash);
  const path = slash < 0 ? '' : rest.slice(slash).replace(/\/+$/, '');
  const { credentials, hostport } = splitCredentials(authority);
  const { host, port } = splitHostPort(hostport, defaultPort);
  return {
    url: connectable(scheme, host, port, path),
    spelled: `${scheme}://${bracketed(host)}:${port}${path}`,
    headers: authorization(credentials),
    loopback: isLoopback(connectableHost(host)),
  };
}

/** The host that the flag, else the settings file, else `OLLAMA_HOST` names; undefined where none of them does. */
export function namedHost(
  flags: Pick<RuntimeFlags, 'host'>,
  { settings, env }: Pick<RuntimeContext, 'settings' | 'env'>,
): string | undefined {
  return [flags.host, settings.host, env.OLLAMA_HOST].find((text) => text !== undefined && trimQuotes(text) !== '');
}

/**
 * The address that the flag, else the settings file, else `OLLAMA_HOST` names. Warns of a connection in the clear; throws
 * `bad-configuration`, and `tls-required` before anything is asked.
 */
export function serverAddress(
  flags: Pick<RuntimeFlags, 'host'>,
  { settings, env, requireTls: isTlsRequired, warn }: Pick<RuntimeContext, 'settings' | 'env' | 'requireTls' | 'warn'>,
): HostAddress {
  const host = parseHost(namedHost(flags, { settings, env }));
  if (isTlsRequired) requireTls(host);
  const warning = plainHttpWarning(host);
  if (warning !== undefined) warn(warning);
  return host;
}

/** The warning about a connection to another host in the clear; undefined for https and for this machine. */
export function plainHttpWarning({ url, loopback, headers }: HostAddress): string | undefined {
  if (loopback || url.startsWith('https://')) return undefined;
  const what = 'authorization' in headers ? 'the password, prompts and models' : 'prompts and models';
  return `${url} is another host without TLS: ${what} can be read and changed on the way (--require-tls refuses this)`;
}

/** Throws `tls-required` for another host that is not reached by https. To be asked before any request. */
export function requireTls(host: HostAddress): void {
  if (plainHttpWarning(host) === undefined) return;
  throw new ProvisionError('tls-required', `${host.url} is another host without TLS, which --require-tls forbids`, {
    suggestions: [
      'Put a proxy with a certificate before the server and use https://….',
      'Or tunnel to it, and use the tunnel’s end on this machine: ssh -L 11434:127.0.0.1:11434 SERVER',
    ],
  });
}

/** Go's `strings.Trim(strings.TrimSpace(v), "\"'")`, then the second TrimSpace of `Host`. */
function trimQuotes(text: string): string {
  return text
    .trim()
    .replace(/^["']+|["']+$/g, '')
    .trim();
}

function splitScheme(text: string): { scheme: string; rest: string; defaultPort: string } {
  const at = text.indexOf('://');
  if (at < 0) {
    if (text === 'ollama.com') return { scheme: 'https', rest: 'ollama.com:443', defaultPort: OLLAMA_PORT };
    return { scheme: 'http', rest: text, defaultPort: OLLAMA_PORT };
  }
  const scheme = text.slice(0, at);
  return { scheme, rest: text.slice(at + 3), defaultPort: DEFAULT_PORTS[scheme] ?? OLLAMA_PORT };
}

function splitCredentials(authority: string): { credentials?: string; hostport: string } {
  const at = authority.lastIndexOf('@');
  if (at < 0) return { hostport: authority };
  return { credentials: authority.slice(0, at), hostport: authority.slice(at + 1) };
}

function authorization(credentials: string | undefined): Record<string, string> {
  if (credentials === undefined || credentials === '') return {};
  const plain = decoded(credentials.includes(':') ? credentials : `${credentials}:`);
  return { authorization: `Basic ${Buffer.from(plain, 'utf8').toString('base64')}` };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function splitHostPort(hostport: string, defaultPort: string): { host: string; port: string } {
  const split = goSplitHostPort(hostport);
  if (split === undefined) {
    const bare = goIp(hostport.replace(/^[[\]]+|[[\]]+$/g, ''));
    if (bare !== undefined) return { host: bare, port: defaultPort };
    return { host: hostport === '' ? '127.0.0.1' : hostport, port: defaultPort };
  }
  if (/^[+-]?\d{1,10}$/.test(split.port)) {
    const number = Number(split.port);
    if (number >= 1 && number <= 65535) return { host: split.host, port: String(number) };
  }
  return refuse(`the port ${JSON.stringify(split.port)} is not a number from 1 to 65535`);
}

/** Go's `net.ParseIP` and back to text: the shortest form, IPv4 where it is embedded in IPv6, no zones. */
function goIp(text: string): string | undefined {
  if (isIP(text) !== 6) return isIP(text) === 4 ? text : undefined;
  const url = `http://[${text}]`;
  const short = URL.canParse(url) ? new URL(url).hostname.slice(1, -1) : undefined;
  const embedded = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short ?? '');
  if (embedded === null) return short;
  const halves = [embedded[1], embedded[2]].map((half) => Number.parseInt(half ?? '', 16));
  return halves.flatMap((half) => [half >> 8, half & 255]).join('.');
}

/** Go's `net.SplitHostPort`; undefined where that gives an error. */
function goSplitHostPort(text: string): { host: string; port: string } | undefined {
  const colon = text.lastIndexOf(':');
  if (colon < 0) return undefined;
  const port = text.slice(colon + 1);
  if (!text.startsWith('[')) {
    const host = text.slice(0, colon);
    return /[:[\]]/.test(host) || /[[\]]/.test(port) ? undefined : { host, port };
  }
  const end = text.indexOf(']');
  if (end < 0 || end + 1 !== colon) return undefined;
  const host = text.slice(1, end);
  return host.includes('[') || /[[\]]/.test(port) ? undefined : { host, port };
}

/** "Any address" is for servers to bind; a client reaches it through loopback. An empty host is Go's word for local. */
function connectableHost(host: string): string {
  const ip = goIp(host);
  if (host === '' || ip === '0.0.0.0') return '127.0.0.1';
  return ip === '::' ? '::1' : host;
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function connectable(scheme: string, host: string, port: string, path: string): string {
  const target = connectableHost(host);
  const text = `${scheme}://${bracketed(target)}:${port}${path}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.search !== '' || url.hash !== '' || /\s/.test(host)) {
    return refuse(`${JSON.stringify(host)} with port ${port} is not an address`);
  }
  // A browser's URL reads 1234 as 0.0.4.210; Ollama reads it as a name. Neither is what anybody means.
  if (isIP(target) === 0 && isIP(url.hostname) !== 0) refuse(`${JSON.stringify(host)} is not a host name`, host);
  return text;
}

function refuse(reason: string, host = ''): never {
  const near = /^\d{1,5}$/.test(host) ? [`Did you mean :${host}?`] : [];
  throw new ProvisionError('bad-configuration', `The Ollama host cannot be used: ${reason}.`, {
    suggestions: [...near, ...SUGGESTIONS],
  });
}
