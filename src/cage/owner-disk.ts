import { join } from 'node:path';
import * as z from 'zod';
import { ProvisionError } from '../core/errors.ts';
import { type Disk, type FileFacts, type OpenFile, withTexts } from '../disk/disk.ts';
import { type ChildHandle, forkChild } from './fork.ts';
import { type Call, type Method, type Owner, PlainFacts, ReadReply, Reply } from './owner-protocol.ts';

/** Starts the child that works with the rights of `owner`. */
export type StartOwner = () => ChildHandle<Owner | Call>;

/** The child as a process of this Node, without the environment of root. */
export function forkOwner(root: string): StartOwner {
  const built = !import.meta.filename.endsWith('.ts');
  const path = built ? join(root, 'dist/owner-disk.js') : join(import.meta.dirname, 'owner-child.ts');
  return () => forkChild<Owner | Call>(path, { env: {}, serialization: 'advanced' });
}

const Nothing = z.unknown().transform(() => undefined);

/**
 * The disk as another user may use it, for root. Every call is made by a child process that has given its rights away, so
 * the system itself checks each path at the moment of its use. The child starts with the first call, and ends with us.
 */
export function ownerDisk(owner: Owner, start: StartOwner): Disk {
  let channel: Channel | undefined;
  const call = async <Result>(schema: z.ZodType<Result>, method: Method, args: unknown[], file?: number) => {
    channel ??= new Channel(start(), owner);
    return schema.parse(await channel.call(method, args, file));
  };
  return withTexts({
    stat: async (path) => factsFrom(await call(PlainFacts, 'stat', [path])),
    lstat: async (path) => factsFrom(await call(PlainFacts, 'lstat', [path])),
    realpath: (path) => call(z.string(), 'realpath', [path]),
    readlink: (path) => call(z.string(), 'readlink', [path]),
    access: (path, mode) => call(Nothing, 'access', [path, mode]),
    readdir: (folder) => call(z.array(z.string()), 'readdir', [folder]),
    readFile: (path, encoding) => call(z.string(), 'readFile', [path, encoding]),
    writeFile: (path, content, options) => call(Nothing, 'writeFile', [path, content, options]),
    open: async (path, flags, mode) => fileFrom(await call(z.int(), 'open', [path, flags, mode]), call),
    mkdir: (folder, options) => call(z.string().optional(), 'mkdir', [folder, options]),
    copyFile: (from, to, mode) => call(Nothing, 'copyFile', [from, to, mode]),
    link: (from, to) => call(Nothing, 'link', [from, to]),
    rename: (from, to) => call(Nothing, 'rename', [from, to]),
    unlink: (path) => call(Nothing, 'unlink', [path]),
    rm: (path, options) => call(Nothing, 'rm', [path, options]),
    chmod: (path, mode) => call(Nothing, 'chmod', [path, mode]),
    utimes: (path, accessed, modified) => call(Nothing, 'utimes', [path, accessed, modified]),
    sync: (path) => call(Nothing, 'sync', [path]),
    space: (path) => call(z.strictObject({ free: z.number(), total: z.number() }), 'space', [path]),
  });
}

type CallMethod = <Result>(
  schema: z.ZodType<Result>,
  method: Method,
  args: unknown[],
  file?: number,
) => Promise<Result>;

function fileFrom(file: number, call: CallMethod): OpenFile {
  return {
    async read(buffer, offset, length, position) {
      const { bytes } = await call(ReadReply, 'read', [length, position], file);
      buffer.set(bytes, offset);
      return { bytesRead: bytes.length };
    },
    async write(buffer, offset, length, position) {
      const bytes = buffer.subarray(offset, offset + length);
      const written = z.object({ bytesWritten: z.int() });
      const { bytesWritten } = await call(written, 'write', [bytes, 0, length, position ?? null], file);
      return { bytesWritten };
    },
    stat: async () => factsFrom(await call(PlainFacts, 'stat', [{ bigint: true }], file)),
    writeFile: (content) => call(Nothing, 'writeFile', [content], file),
    truncate: (length) => call(Nothing, 'truncate', [length], file),
    chmod: (mode) => call(Nothing, 'chmod', [mode], file),
    chown: (uid, gid) => call(Nothing, 'chown', [uid, gid], file),
    datasync: () => call(Nothing, 'datasync', [], file),
    sync: () => call(Nothing, 'sync', [], file),
    close: () => call(Nothing, 'close', [], file),
  };
}

function factsFrom({ kind, ...facts }: PlainFacts): FileFacts {
  return {
    ...facts,
    isFile: () => kind === 'file',
    isDirectory: () => kind === 'folder',
    isSymbolicLink: () => kind === 'link',
  };
}

/** One child, and the calls that wait for its replies. */
class Channel {
  readonly #child: ChildHandle<Owner | Call>;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #calls = 0;
  #ended: string | undefined;

  constructor(child: ChildHandle<Owner | Call>, owner: Owner) {
    this.#child = child;
    child.onMessage((message) => this.#settle(Reply.parse(message)));
    child.onEnd((reason) => this.#end(reason));
    child.send(owner);
  }

  async call(method: Method, args: unknown[], file?: number): Promise<unknown> {
    if (this.#ended !== undefined) throw this.#gone(this.#ended);
    this.#calls += 1;
    const id = this.#calls;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(id, waiting);
    this.#child.keepAlive(true);
    this.#child.send({ id, method, args, ...(file !== undefined && { file }) });
    return await waiting.promise;
  }

  #settle({ id, value, fault }: Reply): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    // Between calls nothing keeps this process from ending, and the child ends with it.
    if (this.#waiting.size === 0) this.#child.keepAlive(false);
    if (fault === undefined) waiting?.resolve(value);
    else waiting?.reject(Object.assign(new Error(fault.message), fault.code !== undefined && { code: fault.code }));
  }

  #end(reason: string): void {
    this.#ended = reason;
    for (const waiting of this.#waiting.values()) waiting.reject(this.#gone(reason));
    this.#waiting.clear();
  }

  #gone(reason: string): ProvisionError {
    const last = this.#child.lastLines().at(-1);
    return new ProvisionError(
      'file-access',
      `The process that works with the rights of the folder's owner ended (${reason})${last === undefined ? '' : `: ${last}`}.`,
      { suggestions: ["Run this command as the user of the server's models folder instead of root."] },
    );
  }
}
