import { posix } from 'node:path';
import type { Env } from '../core/environment.ts';
import { errnoOf } from '../core/errors.ts';
import type { Disk } from '../disk/disk.ts';
import { isLoopback } from '../net/reach.ts';

/** The process behind the server's port, as far as it can be seen from here. */
export interface ServerProcess {
  /** Why less is known than could be, for people; absent when everything is. */
  readonly hidden?: string;
  readonly socket?: ListeningSocket;
  readonly pid?: number;
  /** Its program's name: `ollama`, `docker-proxy`, `node`. */
  readonly name?: string;
  /** True for a process that is not Ollama and forwards requests to it or imitates it: nothing more is known then. */
  readonly passesOn?: boolean;
  readonly environment?: Env;
  /** Path of its program. */
  readonly program?: string;
  /** True when its program was replaced while it runs: it is still the old one. */
  readonly replaced?: boolean;
  /** What to put before a path of its, to reach it from here: it may live in a container. */
  readonly root?: string;
}

interface Where {
  /** `process.platform`. */
  readonly platform: string;
  readonly disk: Disk;
}

/** Looks for the process that listens where `url` points. Works only on Linux; never throws, except when aborted. */
export async function findServerProcess(
  { platform, disk }: Where,
  url: URL,
  signal: AbortSignal,
): Promise<ServerProcess> {
  if (platform !== 'linux') return { hidden: `the process of a server cannot be inspected on ${platform}` };
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
  const tables = await Promise.all(['/proc/net/tcp', '/proc/net/tcp6'].map((path) => tableOf(disk, path)));
  if (tables.every((table) => table === undefined)) return { hidden: '/proc/net/tcp cannot be read' };
  const socket = socketFor(
    tables.flatMap((table) => table ?? []),
    host,
    port,
  );
  if (socket === undefined) return { hidden: `no socket of this system listens on port ${port}` };
  const pid = await ownerOf(disk, socket, signal);
  if (pid === undefined) {
    const who = socket.uid === 0 ? 'root' : `the user with id ${socket.uid}`;
    return {
      socket,
      hidden: `the process behind port ${port} belongs to ${who}; only that user and root can inspect it`,
    };
  }
  return { socket, ...(await describe(disk, pid, port)) };
}

async function tableOf(disk: Disk, path: string): Promise<ListeningSocket[] | undefined> {
  return disk.readFile(path, 'utf8').then(parseSockets, () => undefined);
}

/** Ollama's own processes are looked at first: there may be thousands of others. */
async function ownerOf(disk: Disk, socket: ListeningSocket, signal: AbortSignal): Promise<number | undefined> {
  const names = await disk.readdir('/proc').catch(() => []);
  const pids = names.filter((name) => /^\d+$/.test(name)).map(Number);
  const called = await Promise.all(pids.map(async (pid) => ({ pid, name: await nameOf(disk, pid) })));
  const isOllama = ({ name }: { name: string | undefined }) => (name?.startsWith('ollama') ? 0 : 1);
  for (const { pid } of called.toSorted((a, b) => isOllama(a) - isOllama(b) || a.pid - b.pid)) {
    signal.throwIfAborted();
    if (await holds(disk, pid, socket.inode)) return pid;
  }
  return undefined;
}

async function nameOf(disk: Disk, pid: number): Promise<string | undefined> {
  return disk.readFile(`/proc/${pid}/comm`, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  );
}

async function holds(disk: Disk, pid: number, inode: string): Promise<boolean> {
  const folder = `/proc/${pid}/fd`;
  for (const name of await disk.readdir(folder).catch(() => [])) {
    if ((await linkOf(disk, `${folder}/${name}`)) === `socket:[${inode}]`) return true;
  }
  return false;
}

async function linkOf(disk: Disk, path: string): Promise<string | undefined> {
  return disk.readlink(path).catch(() => undefined);
}

const REPLACED = / \(deleted\)$/;

async function describe(disk: Disk, pid: number, port: number): Promise<ServerProcess> {
  const at = `/proc/${pid}`;
  const [called, program, environment, mounts, ourMounts] = await Promise.all([
    nameOf(disk, pid),
    linkOf(disk, `${at}/exe`),
    environmentOf(disk, pid),
    linkOf(disk, `${at}/ns/mnt`),
    linkOf(disk, '/proc/self/ns/mnt'),
  ]);
  const path = program?.replace(REPLACED, '');
  const name = path === undefined ? called : posix.basename(path);
  if (name !== undefined && !/ollama/i.test(name)) {
    return {
      pid,
      name,
      passesOn: true,
      hidden: `port ${port} belongs to ${name} (process ${pid}), which forwards requests to Ollama or imitates it`,
    };
  }
  return {
    pid,
    ...(name !== undefined && { name }),
    ...(path !== undefined && { program: path, replaced: path !== program }),
    ...(typeof environment === 'string' ? { hidden: environment } : { environment }),
    root: mounts === ourMounts ? '' : `${at}/root`,
  };
}

async function environmentOf(disk: Disk, pid: number): Promise<Env | string> {
  const path = `/proc/${pid}/environ`;
  try {
    return parseEnvironment(await disk.readFile(path, 'utf8'));
  } catch (error) {
    return `${path} cannot be read (${errnoOf(error) ?? 'no reason given'})`;
  }
}

/** `NAME=value` pieces with a zero byte after each; the first of two wins, as for programs themselves. */
function parseEnvironment(text: string): Env {
  const pairs = text.split('\0').flatMap((piece): [string, string][] => {
    const at = piece.indexOf('=');
    return at > 0 ? [[piece.slice(0, at), piece.slice(at + 1)]] : [];
  });
  return Object.fromEntries(pairs.reverse());
}

/** Listening sockets as Linux reports them in /proc/net/tcp and /proc/net/tcp6, readable by every user. */
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
