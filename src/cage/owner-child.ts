/**
 * A child process of root that gives its rights away at its start, and then works on files with those of another user: a
 * link that this user puts in its way leads nowhere that this user could not go alone.
 */
import { errnoOf, messageOf } from '../core/errors.ts';
import { type FileFacts, type OpenFile, realDisk } from '../disk/disk.ts';
import { Call, Owner, type PlainFacts, type Reply } from './owner-protocol.ts';

const files = new Map<number, OpenFile>();
let opened = 0;

function become({ uid, gid }: Owner): void {
  const { setgroups, setgid, setuid, getuid } = process;
  if (setgroups === undefined || setgid === undefined || setuid === undefined) throw new Error('no user numbers here');
  process.chdir('/');
  setgroups([gid]);
  setgid(gid);
  setuid(uid);
  if (getuid?.() !== uid) throw new Error('the rights of root are still there');
}

async function perform({ file, method, args }: Call): Promise<unknown> {
  const target = file === undefined ? realDisk : files.get(file);
  if (target === undefined) throw new TypeError('the file is closed');
  if (method === 'open') return keep(await invoke(target, method, args));
  if (method === 'stat' || method === 'lstat') return plainFacts(await invoke(target, method, args));
  if (method === 'read' && file !== undefined) return await read(file, args);
  if (method === 'close' && file !== undefined) files.delete(file);
  return await invoke(target, method, args);
}

async function invoke<Result>(target: object, method: string, args: readonly unknown[]): Promise<Result> {
  return await Reflect.apply(Reflect.get(target, method), target, args);
}

function keep(file: OpenFile): number {
  opened += 1;
  files.set(opened, file);
  return opened;
}

async function read(file: number, [length, position]: readonly unknown[]): Promise<{ bytes: Uint8Array }> {
  const buffer = Buffer.alloc(Number(length));
  const at = position === null ? null : Number(position);
  const result = await files.get(file)?.read(buffer, 0, buffer.length, at);
  return { bytes: buffer.subarray(0, result?.bytesRead ?? 0) };
}

function plainFacts(facts: FileFacts): PlainFacts {
  const { dev, ino, size, blocks, nlink, mode, uid, gid, mtimeNs, ctimeNs, birthtimeNs } = facts;
  const link = facts.isSymbolicLink() ? 'link' : 'other';
  const kind = facts.isFile() ? 'file' : facts.isDirectory() ? 'folder' : link;
  return { dev, ino, size, blocks, nlink, mode, uid, gid, mtimeNs, ctimeNs, birthtimeNs, kind };
}

async function answer(call: Call): Promise<Reply> {
  try {
    return { id: call.id, value: await perform(call) };
  } catch (thrown) {
    const code = errnoOf(thrown);
    return { id: call.id, fault: { message: messageOf(thrown), ...(code !== undefined && { code }) } };
  }
}

process.once('message', (first) => {
  become(Owner.parse(first));
  process.on('message', (message) => {
    void answer(Call.parse(message)).then((reply) => process.send?.(reply));
  });
});
process.on('disconnect', () => process.exit(0));
// The parent decides when to end: Ctrl-C in a terminal reaches the whole process group.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
