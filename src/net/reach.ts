/** How near to this machine an address is. Lists: the IANA registries of special-purpose addresses, IPv4 and IPv6. */
import { BlockList, isIP } from 'node:net';

/**
 * `link-local` is apart: neighbours on one wire, and 169.254.169.254, where cloud machines find their credentials.
 * `private` is everything that no server on the internet has as its address, reserved and multicast networks included.
 */
export type Reach = 'public' | 'private' | 'loopback' | 'link-local';

/** Where a server may send us: never to a place nearer to this machine than itself, and nobody to a neighbour on the wire. */
const LEADS: Readonly<Record<Reach, readonly Reach[]>> = {
  public: ['public'],
  private: ['public', 'private'],
  loopback: ['public', 'private', 'loopback'],
  'link-local': ['public', 'private', 'link-local'],
};

/** True when a server at `from` may redirect to one at `to`. */
export function mayLead(from: Reach, to: Reach): boolean {
  return LEADS[from].includes(to);
}

/** The one that is farthest from this machine: a name that has a public address, too, may lead nowhere else. */
export function outermost(list: readonly Reach[]): Reach {
  return (['public', 'private', 'link-local'] as const).find((reach) => list.includes(reach)) ?? 'loopback';
}

/** NAT64 carries an IPv4 address in the last 32 bits of this network. */
const NAT64 = '64:ff9b::';

/**
 * A list of networks such as `10.0.0.0/8`. An IPv4 network also covers its addresses in IPv6 form, as NAT64 carries them
 * and as `::ffff:10.0.0.1`, which `BlockList` itself sees through.
 */
function networks(...list: readonly string[]): BlockList {
  const block = new BlockList();
  for (const entry of list) {
    const [network = '', bits = ''] = entry.split('/');
    if (isIP(network) === 4) {
      block.addSubnet(network, Number(bits), 'ipv4');
      block.addSubnet(`${NAT64}${network}`, 96 + Number(bits), 'ipv6');
    } else block.addSubnet(network, Number(bits), 'ipv6');
  }
  return block;
}

const LOOPBACK = networks('127.0.0.0/8', '::1/128');
/** A connection to "any address" reaches this machine. */
const ANY = networks('0.0.0.0/8', '::/128');
const LINK_LOCAL = networks('169.254.0.0/16', 'fe80::/10');
const PRIVATE = networks(
  '10.0.0.0/8',
  '100.64.0.0/10',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  // Multicast, reserved, broadcast.
  '224.0.0.0/4',
  '240.0.0.0/4',
  // Forms that carry an IPv4 address: compatible, translated, NAT64 of one network, Teredo (in 2001::/23), 6to4.
  '::/96',
  '::ffff:0:0:0/96',
  '64:ff9b:1::/48',
  '2001::/23',
  '2002::/16',
  '100::/64',
  '2001:db8::/32',
  '3fff::/20',
  '5f00::/16',
  'fc00::/7',
  // Site-local, as it was called before fc00::/7.
  'fec0::/10',
  'ff00::/8',
);

/** Where an address leads. It must be one, without brackets; a zone such as `%eth0` is ignored. */
export function reachOfAddress(address: string): Reach {
  const bare = address.replace(/%.*$/, '');
  const family = isIP(bare) === 4 ? 'ipv4' : 'ipv6';
  if (LINK_LOCAL.check(bare, family)) return 'link-local';
  if (LOOPBACK.check(bare, family) || ANY.check(bare, family)) return 'loopback';
  return PRIVATE.check(bare, family) ? 'private' : 'public';
}

/** Where the host of a URL leads, as far as its text says: nobody is asked what a name means. */
export function reachOfHost(hostname: string): Reach {
  const host = bareHost(hostname);
  if (isIP(host) !== 0) return reachOfAddress(host);
  if (host === 'localhost' || host.endsWith('.localhost')) return 'loopback';
  return host === 'metadata.google.internal' ? 'link-local' : 'public';
}

/** True for `127.0.0.1`, `[::1]`, `localhost`, `10.1.2.3`, …: everything that is not on the internet by its text. */
export function isPrivateHost(hostname: string): boolean {
  return reachOfHost(hostname) !== 'public';
}

/** True for this machine's own addresses and name, as an address or as the host of a URL. */
export function isLoopback(hostname: string): boolean {
  const host = bareHost(hostname);
  const family = isIP(host);
  return family === 0 ? host === 'localhost' : LOOPBACK.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

function bareHost(hostname: string): string {
  return hostname
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase();
}
