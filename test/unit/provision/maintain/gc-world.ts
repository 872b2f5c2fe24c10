/** A host in memory for the collection: files with links and times, names of a runtime, records, journals, locks. */

import { basename, dirname } from 'node:path';
import type { Digest } from '../../../../src/core/digest.ts';
import { digestOf } from '../../../../src/core/digest.ts';
import { ProvisionError } from '../../../../src/core/errors.ts';
import { drive } from '../../../../src/core/progress.ts';
import type { Disk } from '../../../../src/disk/disk.ts';
import type { Locker } from '../../../../src/disk/lock.ts';
import { collectGarbage, type GcEffects, type GcOptions } from '../../../../src/provision/maintain/gc/gc.ts';
import type { GcReport } from '../../../../src/provision/maintain/gc/schema.ts';
import { lockName } from '../../../../src/provision/plan/names.ts';
import { type ChangeJournal, type Journal, putJournal, putRecord } from '../../../../src/registry/index.ts';
import type { InstallRecord } from '../../../../src/registry/schema.ts';
import type { StoredModel } from '../../../../src/runtimes/contract.ts';
import { isTemporary } from '../../../../src/runtimes/ollama/folder/files.ts';
import { readModelsFolder } from '../../../../src/runtimes/ollama/folder/read.ts';
import { isTransferName } from '../../../../src/runtimes/ollama/loopback/names.ts';
import type { CachePruning } from '../../../../src/sources/cache/schema.ts';
import { diskWith } from '../../../helpers/disk.ts';

export const ENDPOINT = 'http://127.0.0.1:11434';
export const WHERE = { kind: 'ollama', endpoint: ENDPOINT } as const;
export const NOW = Date.parse('2026-06-01T12:00:00.000Z');
export const HOUR = 3_600_000;
const MODELS = '/models';

interface File {
  text: string;
  inode: string;
  modifiedMs: number;
}

export class World {
  readonly files = new Map<string, File>();
  readonly heldLocks = new Set<string>();
  readonly names = new Set<string>();
  readonly removedNames: string[] = [];
  readonly cached: { path: string; digest: Digest }[] = [];
  keepsAll = false;
  /** Called when the server's folder is read. */
  onRead: () => void = () => {};

  write(path: string, text: string, { ageMs = 2 * HOUR, inode = path } = {}): string {
    this.files.set(path, { text, inode, modifiedMs: NOW - ageMs });
    return path;
  }

  blob(name: string, text = 'x'.repeat(10), ageMs = 2 * HOUR): string {
    return this.write(`${MODELS}/blobs/${name}`, text, { ageMs });
  }

  manifest(model: string, digests: readonly string[], ageMs = 2 * HOUR): string {
    const [config, ...layers] = digests;
    const text = JSON.stringify({ config: { digest: config }, layers: layers.map((digest) => ({ digest })) });
    this.names.add(model);
    return this.write(manifestPath(model), text, { ageMs });
  }

  readonly registry = {
    dataDir: '/data',
    disk: {
      readText: async (path: string) => this.files.get(path)?.text,
      replaceText: async (path: string, text: string) => void this.write(path, text, { ageMs: 0 }),
      list: async (folder: string) => this.list(folder),
      remove: async (path: string) => void this.files.delete(path),
    },
  };

  list(folder: string): string[] {
    return [...this.files.keys()].filter((path) => dirname(path) === folder).map((path) => basename(path));
  }

  async record(record: InstallRecord): Promise<void> {
    await putRecord(this.registry, record);
  }

  async journal(journal: Journal, alive = false): Promise<void> {
    await putJournal(this.registry, journal);
    if (alive) this.heldLocks.add(lockName(journal.runtime, journal.name));
  }

  effects(): GcEffects {
    const { files, names } = this;
    const locker: Locker = {
      acquire: async (name) => {
        if (this.heldLocks.has(name)) throw new ProvisionError('busy', `${name} is held`);
        this.heldLocks.add(name);
        return { lost: new AbortController().signal, release: async () => void this.heldLocks.delete(name) };
      },
    };
    return {
      identity: { ...WHERE, version: '0.24.0' },
      runtime: {
        names: async () => [...names],
        find: async (name): Promise<StoredModel | undefined> => this.#stored(name),
        remove: async (name) => {
          this.removedNames.push(name);
          names.delete(name);
          files.delete(manifestPath(name));
        },
      },
      registry: this.registry,
      locker,
      nonWaitingLocker: locker,
      cache: { prune: (options) => this.#prune(options) },
      digestsInUse: async () => ({ digests: new Set() }),
      disk: this.#disk(),
      stateFolders: ['/data', '/data/registry', '/data/journal'],
      listStaleLocks: async () => [],
      folder: {
        keepsAll: this.keepsAll,
        isTemporary,
        remove: async (path) => void this.files.delete(path),
        read: async () => {
          this.onRead();
          return readModelsFolder(MODELS, this.#disk());
        },
      },
      isTransferName,
      now: () => new Date(NOW),
    };
  }

  /** As the server: the digest of an entry is that of its manifest. */
  #stored(name: string): StoredModel | undefined {
    if (!this.names.has(name)) return undefined;
    const text = this.files.get(manifestPath(name))?.text;
    return { name, ...(text !== undefined && { entryDigest: digestOf(text) }) };
  }

  async *#prune({ inUse, apply }: { inUse: ReadonlySet<Digest>; apply: boolean }) {
    const free = this.cached.filter(({ digest, path }) => !inUse.has(digest) && this.files.has(path));
    const items: CachePruning['items'] = free.map(({ path, digest }) => {
      const sizeBytes = this.files.get(path)?.text.length ?? 0;
      if (apply) this.files.delete(path);
      return { path, digest, sizeBytes, reason: 'not the source of an installed model', removed: apply };
    });
    yield { type: 'phase', id: 'prune', title: 'Prune', status: 'done' } as const;
    return { folder: '/cache', applied: apply, items, reclaimableBytes: 0, kept: 0 };
  }

  #disk(): Disk {
    const isFolder = (path: string) => [...this.files.keys()].some((each) => each.startsWith(`${path}/`));
    const absent = (path: string) => Object.assign(new Error(`no ${path}`), { code: 'ENOENT' });
    return diskWith({
      ...this.registry.disk,
      rm: async (path) => void this.files.delete(path),
      realpath: async (path) => (isFolder(path) ? path : Promise.reject(absent(path))),
      readFile: async (path) => this.files.get(path)?.text ?? Promise.reject(absent(path)),
      readdir: async (path) => [
        ...new Set(
          [...this.files.keys()]
            .filter((each) => each.startsWith(`${path}/`))
            .map((each) => each.slice(path.length + 1).split('/')[0] ?? ''),
        ),
      ],
      lstat: async (path) => {
        const file = this.files.get(path);
        if (file === undefined && !isFolder(path)) throw absent(path);
        return {
          dev: 1n,
          ino: inodeOf(file?.inode ?? path),
          blocks: 1n,
          nlink: BigInt([...this.files.values()].filter(({ inode }) => inode === file?.inode).length),
          mode: 0o644n,
          uid: 0n,
          gid: 0n,
          ctimeNs: BigInt(file?.modifiedMs ?? 0) * 1_000_000n,
          birthtimeNs: 0n,
          isSymbolicLink: () => false,
          size: BigInt(file?.text.length ?? 0),
          mtimeNs: BigInt(file?.modifiedMs ?? 0) * 1_000_000n,
          isFile: () => file !== undefined,
          isDirectory: () => file === undefined,
        };
      },
    });
  }

  gc(options: Partial<GcOptions> = {}): Promise<GcReport> {
    const work = collectGarbage(
      { apply: false, previous: false, ...options },
      this.effects(),
      new AbortController().signal,
    );
    return drive(work, () => undefined);
  }
}

export function manifestPath(name: string): string {
  const [model, tag] = name.split(':');
  return `${MODELS}/manifests/registry.ollama.ai/library/${model}/${tag}`;
}

export function digest(letter: string): Digest {
  return `sha256:${letter.repeat(64).slice(0, 64)}`;
}

export function blobName(letter: string): string {
  return digest(letter).replace(':', '-');
}

export function installJournal(name: string, changes: Partial<ChangeJournal> = {}): ChangeJournal {
  return {
    schemaVersion: 1,
    operation: 'install',
    name,
    runtime: WHERE,
    startedAt: '2026-06-01T10:00:00.000Z',
    toolVersion: '1.0.0',
    step: 'stage',
    undo: { restores: [], drop: [] },
    ...changes,
  };
}

/** A number for the name of an inode. */
function inodeOf(name: string): bigint {
  return BigInt(`0x${Buffer.from(name).toString('hex')}`);
}
