import { posix } from 'node:path';
import { ProvisionError } from '../../../src/core/errors.ts';
import { GIB } from '../../../src/core/units.ts';
import type { Disk } from '../../../src/disk/disk.ts';
import { CHECKS } from '../../../src/doctor/checks/all.ts';
import type { DoctorEffects } from '../../../src/doctor/effects.ts';
import { runDoctor } from '../../../src/doctor/run.ts';
import type { CheckResult } from '../../../src/doctor/schema.ts';
import type { HostProfile } from '../../../src/hardware/schema.ts';
import type { TextReply } from '../../../src/net/text.ts';
import type { ServerEffects } from '../../../src/runtimes/registry.ts';
import { errno, memoryDisk } from '../../helpers/disk.ts';

export const NOW = Date.parse('2026-12-01T12:00:00Z');
export const ENDPOINT = 'http://127.0.0.1:11434';

export function hang(): Promise<never> {
  return new Promise(() => undefined);
}

export { errno };

/** What is at a path: a file's text, a link, a folder's names, or why it cannot be looked at. */
export type Entry =
  | { readonly text: string; readonly mode?: number; readonly modifiedMs?: number }
  | { readonly link: string }
  | {
      readonly names: readonly string[];
      readonly mode?: number;
      readonly uid?: number;
      readonly modifiedMs?: number;
      readonly write?: Error;
      readonly free?: number;
    }
  | Error;

/** A file system of a few paths; folders on the way to them are there too, and everything else is not. */
export function fakeFiles(entries: Readonly<Record<string, Entry>>): Disk {
  const all: Record<string, Entry> = { '/': { names: [] }, ...entries };
  for (const path of Object.keys(entries)) {
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
      all[path.slice(0, at)] ??= { names: [] };
    }
  }
  const at = (path: string): Entry => {
    const entry = all[path] ?? errno('ENOENT');
    if (entry instanceof Error) throw entry;
    return entry;
  };
  const write = async (path: string) => {
    const entry = at(path);
    if ('write' in entry && entry.write !== undefined) throw entry.write;
  };
  return {
    ...memoryDisk(),
    async readFile(path) {
      const entry = at(path);
      if ('text' in entry) return entry.text;
      throw errno('EISDIR');
    },
    async readdir(path) {
      const entry = at(path);
      if ('names' in entry) return [...entry.names];
      throw errno('ENOTDIR');
    },
    async readlink(path) {
      const entry = at(path);
      if ('link' in entry) return entry.link;
      throw errno('EINVAL');
    },
    async stat(path) {
      const entry = at(path);
      const isFolder = 'names' in entry;
      const { uid = 1000, mode = 0o755 } = isFolder ? entry : { uid: undefined, mode: undefined };
      const modifiedMs = ('modifiedMs' in entry ? entry.modifiedMs : undefined) ?? 0;
      const disk = memoryDisk();
      disk.write('/any', '');
      const facts = await disk.stat('/any', { bigint: true });
      const times = { mtimeNs: BigInt(modifiedMs) * 1_000_000n };
      return { ...facts, ...times, uid: BigInt(uid), mode: BigInt(mode), isDirectory: () => isFolder };
    },
    async space(path) {
      const entry = at(path);
      return { free: ('free' in entry ? entry.free : undefined) ?? 100 * GIB, total: 500 * GIB };
    },
    access: write,
    writeFile: (path) => write(posix.dirname(path)),
    rm: async () => undefined,
  };
}

export const PROFILE: HostProfile = {
  schemaVersion: 1,
  name: 'box',
  os: { platform: 'linux', distribution: 'Debian', release: '12', wsl: false },
  cpu: { model: 'CPU', vendor: 'AMD', architecture: 'x64', physicalCores: 8, logicalCores: 16, vectorFlags: [] },
  memory: { total: 32 * GIB, available: 24 * GIB, usable: 24 * GIB },
  gpus: [],
  disks: [],
  sources: {},
  warnings: [],
};

export const RTX = {
  index: 0,
  vendor: 'nvidia',
  model: 'RTX 4090',
  memoryKind: 'dedicated',
  vramTotal: 24 * GIB,
  vramFree: 23 * GIB,
  backend: 'cuda',
} as const satisfies HostProfile['gpus'][number];

export const RADEON = {
  index: 0,
  vendor: 'amd',
  model: 'Radeon 780M',
  memoryKind: 'unified',
  backend: 'none',
} as const satisfies HostProfile['gpus'][number];

export const UNREACHABLE = new ProvisionError(
  'runtime-unreachable',
  'No Ollama server answers: nothing listens there.',
  {
    suggestions: ['Start Ollama.', 'Or use --runtime embedded.'],
  },
);

export function server(version: string | Error | Promise<string>, more: Partial<ServerEffects> = {}): ServerEffects {
  return {
    endpoint: ENDPOINT,
    headers: {},
    loopback: true,
    async version() {
      if (version instanceof Error) throw version;
      return version;
    },
    ...more,
  };
}

export function json(value: unknown, date?: string): TextReply {
  return { status: 200, text: JSON.stringify(value), ...(date !== undefined && { date }) };
}

/** Answers by path; anything else is refused. */
export function answers(byPath: Readonly<Record<string, TextReply | Error | Promise<never>>>): DoctorEffects['get'] {
  return async (url) => {
    const answer = byPath[new URL(url).pathname] ?? errno('ECONNREFUSED');
    if (answer instanceof Error) throw answer;
    return answer;
  };
}

const EMPTY = { '/api/ps': json({ models: [] }), '/api/tags': json({ models: [] }), '/api/version': json({}) };

/** /proc of a server on port 11434 that runs as `uid` from /opt/ollama/bin/ollama. */
export function processEntries(environment: string, { uid = 1000, address = '0100007F' } = {}): Record<string, Entry> {
  const line = `   0: ${address}:2CAA 00000000:0000 0A 00000000:00000000 00:00000000 00000000  ${uid} 0 4242 1 0 100 0 0 10 0`;
  return {
    '/proc': { names: ['1', '77', 'self'] },
    '/proc/net/tcp': { text: `  sl  local_address rem_address   st\n${line}\n` },
    '/proc/1/comm': { text: 'init\n' },
    '/proc/77/comm': { text: 'ollama\n' },
    '/proc/77/fd': { names: ['0', '3'] },
    '/proc/77/fd/0': { link: '/dev/null' },
    '/proc/77/fd/3': { link: 'socket:[4242]' },
    '/proc/77/exe': { link: '/opt/ollama/bin/ollama' },
    '/proc/77/environ': { text: environment },
    '/proc/77/ns/mnt': { link: 'mnt:[1]' },
    '/proc/self/ns/mnt': { link: 'mnt:[1]' },
  };
}

export const HELPERS = ['llama-server', 'llama-quantize', 'libggml-cpu.so', 'cuda_v12'];

/** Everything in order: a server of the newest version, started by this user with an environment that says nothing. */
export function fakeEffects(over: Partial<DoctorEffects> = {}): DoctorEffects {
  const env = over.env ?? {};
  return {
    platform: 'linux',
    nodeVersion: '24.21.0',
    uid: 1000,
    home: '/home/anna',
    env,
    paths: { config: '/home/anna/config', data: '/home/anna/data', cache: '/home/anna/cache' },
    ownFile: '/opt/tool/package.json',
    now: () => NOW,
    disk: fakeFiles({
      ...processEntries('HOME=/home/anna\0'),
      '/opt/ollama/lib/ollama': { names: HELPERS },
      '/home/anna': { names: [] },
    }),
    get: answers(EMPTY),
    addresses: () => [
      { address: '127.0.0.1', internal: true },
      { address: '192.0.2.7', internal: false },
    ],
    server: server('0.33.0'),
    embedded: { version: async () => '3.22.1', tryOut: async () => undefined, has: async () => true },
    registry: {
      dataDir: '/home/anna/data',
      disk: {
        readText: async () => undefined,
        replaceText: async () => undefined,
        list: async () => [],
        remove: async () => undefined,
      },
    },
    configuration: { flags: {}, env, file: {}, filePath: '/home/anna/config/config.json' },
    wanted: { usesServer: true, serverOnly: false },
    stagingPrefix: 'gemma-provision-staging:',
    catalog: async () => ({ families: [] }),
    subject: async () => ({
      label: 'gemma-3n-e4b',
      named: true,
      architecture: 'gemma3n',
      smallest: { quant: 'q2_k', bytes: 3 * GIB },
      typical: { quant: 'q4_k_m', bytes: 4 * GIB },
    }),
    profile: async () => PROFILE,
    ...over,
  };
}

/** Runs one check of the list by its id. */
export async function check(id: string, over: Partial<DoctorEffects> = {}, limitMs = 5000): Promise<CheckResult> {
  const checks = CHECKS.filter((each) => each.id === id);
  const { checks: results } = await runDoctor(fakeEffects(over), new AbortController().signal, {
    checks,
    limitMs,
    versionMs: 30,
  });
  const [result] = results as [CheckResult];
  return result;
}
