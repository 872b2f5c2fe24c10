/** Listening sockets as Linux tells them in /proc/net/tcp and /proc/net/tcp6, readable by every user. */
export interface ListeningSocket {
  /** `127.0.0.1`, `0.0.0.0`, `::1`, `::`; other IPv6 addresses in eight groups. */
  readonly address: string;
  readonly port: number;
  /** User number of its owner. */
  readonly uid: number;
  readonly inode: string;
}

const LISTEN = '0A';

/** Reads a table; lines that make no sense are left out. */
export function parseSockets(text: string): ListeningSocket[] {
  return text.split('\n').flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    const [hexAddress = '', hexPort = ''] = (fields[1] ?? '').split(':');
    const [state, uid, inode = ''] = [fields[3], fields[7], fields[9]];
    const address = addressOf(hexAddress);
    if (state !== LISTEN || address === undefined || !/^[0-9A-F]{4}$/i.test(hexPort)) return [];
    if (!/^\d+$/.test(uid ?? '') || !/^\d+$/.test(inode)) return [];
    return [{ address, port: Number.parseInt(hexPort, 16), uid: Number(uid), inode }];
  });
}

/** Words of four bytes, each in the byte order of the machine; every Linux that Ollama is built for is little-endian. */
function addressOf(hex: string): string | undefined {
  if (!/^([0-9A-F]{8}|[0-9A-F]{32})$/i.test(hex)) return undefined;
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) =>
    (word.match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16)).reverse(),
  );
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, at) => (bytes[2 * at] ?? 0) * 256 + (bytes[2 * at + 1] ?? 0));
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) return bytes.slice(12).join('.');
  if (groups.slice(0, 7).every((group) => group === 0) && (groups[7] ?? 2) < 2) return groups[7] === 1 ? '::1' : '::';
  return groups.map((group) => group.toString(16)).join(':');
}

export function isLoopback(address: string): boolean {
  return address === '::1' || address === 'localhost' || /^127\.[\d.]+$/.test(address);
}

export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** The socket that a connection to `host:port` reaches: its own address before a loopback one before any address. */
export function socketFor(
  sockets: readonly ListeningSocket[],
  host: string,
  port: number,
): ListeningSocket | undefined {
  const candidates = sockets.filter((socket) => socket.port === port);
  return (
    candidates.find(({ address }) => address === host) ??
    candidates.find(({ address }) => isLoopback(host) && isLoopback(address)) ??
    candidates.find(({ address }) => isWildcard(address))
  );
}
