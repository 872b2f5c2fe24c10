/** What proxy variables mean for one server, by the rules of Go (Ollama) and of most other clients. */
import { BlockList, isIP } from 'node:net';
import type { Env } from '../core/environment.ts';
import { isLoopback } from './reach.ts';

export interface ProxyVariable {
  readonly name: string;
  readonly value: string;
}

/** The first of the names, in capitals before small letters, that is set and not empty. */
export function proxyVariable(env: Env, names: readonly string[]): ProxyVariable | undefined {
  for (const name of names.flatMap((each) => [each, each.toLowerCase()])) {
    const value = env[name];
    if (value !== undefined && value !== '') return { name, value };
  }
  return undefined;
}

/** Variables that send requests for this address to a proxy. */
export function proxyFor(url: URL, env: Env): ProxyVariable | undefined {
  const own = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const proxy = proxyVariable(env, [own, 'ALL_PROXY']);
  return proxy === undefined || isExempt(url, proxyVariable(env, ['NO_PROXY'])?.value ?? '') ? undefined : proxy;
}

/** Whether NO_PROXY names the address: `*`, a name with its subdomains, an address, a network; each perhaps with a port. */
function isExempt(url: URL, noProxy: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return noProxy.split(/[,\s]+/).some((entry) => entry !== '' && covers(entry.toLowerCase(), host, port));
}

function covers(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true;
  const { name, port: wanted } = withoutPort(entry);
  if (wanted !== undefined && wanted !== port) return false;
  if (name.includes('/')) return inNetwork(name, host);
  const bare = name.replace(/^\*?\./, '');
  return bare !== '' && (host === bare || (isIP(host) === 0 && host.endsWith(`.${bare}`)));
}

function withoutPort(entry: string): { name: string; port?: string } {
  const match = /^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(entry);
  if (match?.[3] === undefined) return { name: entry.replace(/^\[|\]$/g, '') };
  return { name: match[1] ?? match[2] ?? '', port: match[3] };
}

function inNetwork(entry: string, host: string): boolean {
  const [network = '', bits = ''] = entry.split('/');
  const [family, ours] = [isIP(network), isIP(host)];
  if (family === 0 || family !== ours || !/^\d{1,3}$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128))
    return false;
  const list = new BlockList();
  const type = family === 4 ? 'ipv4' : 'ipv6';
  list.addSubnet(network, Number(bits), type);
  return list.check(host, type);
}

/** Go's clients, Ollama's among them, never use a proxy for loopback, whatever the variables say. */
export function goesThroughProxyInGo(url: URL, env: Env): boolean {
  return !isLoopback(url.hostname) && proxyFor(url, env) !== undefined;
}
