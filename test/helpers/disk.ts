/** Disks for tests: one in memory, and ways to make a call of any disk fail, wait or count. */
import { basename, dirname } from 'node:path';
import { type Disk, type FileFacts, type OpenFile, realDisk } from '../../src/disk/disk.ts';

export function errno(code: string): Error & { code: string } {
  return Object.assign(new Error(`${code}: refused`), { code });
}

/** Runs before each call of a disk and of the files that it opened (`file.read`); what it throws, the call throws. */
export type Before = (call: string, ...args: unknown[]) => void | Promise<void>;

export function intercepted(disk: Disk, before: Before): Disk {
  return guarded(disk, async (call, args, run) => {
    await before(call, ...args);
    const result = await run();
    if (call !== 'open') return result;
    return guarded(result as OpenFile, async (each, more, go) => {
      await before(`file.${each}`, ...more, args[0]);
      return go();
    });
  });
}

type Around = (call: string, args: unknown[], run: () => Promise<unknown>) => Promise<unknown>;

function guarded<Target extends object>(target: Target, around: Around): Target {
  return new Proxy(target, {
    get(from, name) {
      const value: unknown = Reflect.get(from, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => around(String(name), args, async () => value.apply(from, args));
    },
  });
}

/** The real disk, of which some calls are replaced. */
export function diskWith(changes: Partial<Disk>): Disk {
  return { ...realDisk, ...changes };
}

/** The real disk on which one call always fails. */
export function failingDisk(call: keyof Disk, code: string): Disk {
  return diskWith({ [call]: () => Promise.reject(errno(code)) });
}

/** An open file, of which some calls are replaced. */
export function fileWith(file: OpenFile, changes: Partial<OpenFile>): OpenFile {
  return new Proxy(file, {
    get(target, name) {
      const value: unknown = Reflect.get({ ...changes }, name) ?? Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

interface MemoryFile {
  content: Buffer;
  nlink: bigint;
  mtimeNs: bigint;
  readonly ino: bigint;
}

/** A disk in memory without permissions and links that point; folders exist where files do, or once they are created. */
export interface MemoryDisk extends Disk {
  /** The text of every file, by path. */
  readonly texts: ReadonlyMap<string, string>;
  write(path: string, text: string): void;
}

export function memoryDisk(initial: Readonly<Record<string, string>> = {}): MemoryDisk {
  const files = new Map<string, MemoryFile>();
  const folders = new Set<string>();
  let count = 0n;
  const tick = (): bigint => {
    count += 1n;
    return count;
  };
  const make = (path: string, content: string | Uint8Array): MemoryFile => {
    const file = { content: Buffer.from(content), nlink: 1n, mtimeNs: tick(), ino: tick() };
    files.set(path, file);
    return file;
  };
  const at = (path: string): MemoryFile => {
    const file = files.get(path);
    if (file === undefined) throw errno(isFolder(path) ? 'EISDIR' : 'ENOENT');
    return file;
  };
  const isFolder = (path: string) => folders.has(path) || [...files.keys()].some((each) => each.startsWith(`${path}/`));
  const refuseExisting = (path: string): void => {
    if (files.has(path) || isFolder(path)) throw errno('EEXIST');
  };
  const remove = (path: string): void => {
    at(path).nlink -= 1n;
    files.delete(path);
  };
  const write = (file: MemoryFile, bytes: Uint8Array, position: number): void => {
    const grown = Buffer.alloc(Math.max(file.content.length, position + bytes.length));
    file.content.copy(grown);
    grown.set(bytes, position);
    file.content = grown;
    file.mtimeNs = tick();
  };
  const factsOf = (path: string): FileFacts => {
    const file = isFolder(path) ? undefined : at(path);
    const { content = Buffer.alloc(0), nlink = 1n, mtimeNs = 0n, ino = 0n } = file ?? {};
    const size = BigInt(content.length);
    const times = { mtimeNs, ctimeNs: mtimeNs, birthtimeNs: mtimeNs };
    const owner = { mode: 0o644n, uid: 1000n, gid: 1000n };
    const type = {
      isFile: () => file !== undefined,
      isDirectory: () => file === undefined,
      isSymbolicLink: () => false,
    };
    return { dev: 1n, ino, size, blocks: (size + 511n) / 512n, nlink, ...owner, ...times, ...type };
  };
  const openFile = (file: MemoryFile, path: string): OpenFile => {
    let cursor = 0;
    const nothing = async (): Promise<void> => undefined;
    return {
      async read(buffer, offset, length, position) {
        const from = position ?? cursor;
        const part = file.content.subarray(from, from + length);
        buffer.set(part, offset);
        if (position === null) cursor += part.length;
        return { bytesRead: part.length };
      },
      async write(buffer, offset, length, position) {
        write(file, buffer.subarray(offset, offset + length), position ?? cursor);
        if (position === undefined || position === null) cursor += length;
        return { bytesWritten: length };
      },
      async writeFile(text) {
        write(file, Buffer.from(text), cursor);
      },
      async truncate(length) {
        file.content = Buffer.from(file.content.subarray(0, length));
      },
      stat: async () => factsOf(path),
      chmod: nothing,
      chown: nothing,
      datasync: nothing,
      sync: nothing,
      close: nothing,
    };
  };
  const disk: Disk = {
    stat: async (path) => factsOf(path),
    lstat: async (path) => factsOf(path),
    async realpath(path) {
      factsOf(path);
      return path;
    },
    async readlink() {
      throw errno('EINVAL');
    },
    access: async (path) => void factsOf(path),
    async readdir(folder) {
      if (!isFolder(folder)) throw errno(files.has(folder) ? 'ENOTDIR' : 'ENOENT');
      const below = [...files.keys(), ...folders].filter((path) => path.startsWith(`${folder}/`));
      return [...new Set(below.map((path) => path.slice(folder.length + 1).split('/')[0] ?? ''))];
    },
    readFile: async (path) => at(path).content.toString('utf8'),
    async writeFile(path, content, { flag }) {
      if (flag === 'wx') refuseExisting(path);
      if (flag === 'r+') write(at(path), Buffer.from(content), 0);
      else make(path, content);
    },
    async open(path, flags) {
      if (flags === 'wx') refuseExisting(path);
      const mayCreate = flags === 'wx' || typeof flags === 'number';
      if (flags === 'r' && isFolder(path))
        return openFile({ content: Buffer.alloc(0), nlink: 1n, mtimeNs: 0n, ino: 0n }, path);
      return openFile(mayCreate && !files.has(path) ? make(path, '') : at(path), path);
    },
    async mkdir(folder) {
      const missing = [];
      for (let each = folder; each !== dirname(each) && !isFolder(each); each = dirname(each)) missing.unshift(each);
      for (const each of missing) folders.add(each);
      return missing[0];
    },
    async copyFile(from, to) {
      refuseExisting(to);
      make(to, at(from).content);
    },
    async link(from, to) {
      const file = at(from);
      refuseExisting(to);
      file.nlink += 1n;
      files.set(to, file);
    },
    async rename(from, to) {
      const file = at(from);
      files.delete(from);
      files.set(to, file);
    },
    unlink: async (path) => remove(path),
    async rm(path) {
      if (files.has(path)) remove(path);
    },
    chmod: async (path) => void at(path),
    async utimes(path) {
      at(path).mtimeNs = tick();
    },
    sync: async () => undefined,
    space: async () => ({ free: 2 ** 40, total: 2 ** 41 }),
    readText: async (path) => files.get(path)?.content.toString('utf8'),
    replaceText: async (path, text) => void make(path, text),
    replaceOutput: async (path, text) => void make(path, text),
    list: async (folder) => [...files.keys()].filter((path) => dirname(path) === folder).map((path) => basename(path)),
    remove: async (path) => void files.delete(path),
  };
  for (const [path, text] of Object.entries(initial)) make(path, text);
  return {
    ...disk,
    write: (path, text) => void make(path, text),
    get texts() {
      return new Map([...files].map(([path, { content }]) => [path, content.toString('utf8')]));
    },
  };
}
