import { BlockList, isIP } from 'node:net';

/** Networks that no address on the internet is in: this machine, its neighbours, and what clouds keep secrets at. */
const PRIVATE = new BlockList();
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  // Link-local, with 169.254.169.254, where cloud machines find their credentials.
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
] as const) {
  PRIVATE.addSubnet(network, bits, 'ipv4');
}
PRIVATE.addAddress('::', 'ipv6');
PRIVATE.addAddress('::1', 'ipv6');
PRIVATE.addSubnet('fc00::', 7, 'ipv6');
PRIVATE.addSubnet('fe80::', 10, 'ipv6');

/** True for this machine's own addresses and name, as an address or as the host of a URL. */
export function isLoopback(host: string): boolean {
  const address = host.replace(/^\[|\]$/g, '');
  return address === '::1' || address === 'localhost' || /^127\.[\d.]+$/.test(address);
}

/** An IPv4 address in its IPv6 form, also as NAT64 translates it, carries it in the last two groups. */
const CARRIED = /^(?:::ffff:|::|64:ff9b::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;

/** True for `127.0.0.1`, `[::1]`, `localhost`, `10.1.2.3`, … by the name alone: nobody is asked what other names mean. */
export function isPrivateHost(hostname: string): boolean {
  const host = hostname
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase();
  if (isIP(host) === 0)
    return host === 'localhost' || host.endsWith('.localhost') || host === 'metadata.google.internal';
  const [, high, low] = CARRIED.exec(host) ?? [];
  if (high === undefined || low === undefined) return PRIVATE.check(host, isIP(host) === 4 ? 'ipv4' : 'ipv6');
  const [first, second] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return host === '::1' || PRIVATE.check([first >> 8, first & 255, second >> 8, second & 255].join('.'), 'ipv4');
}
