/** What root asks of a child process that has the rights of another user alone. */
import * as z from 'zod';

/** The first message: whom the child becomes, for good. */
export const Owner = z.strictObject({ uid: z.int().positive(), gid: z.int().nonnegative() });
export type Owner = z.infer<typeof Owner>;

/** Calls of a disk, and those of an open file. */
export const METHODS = [
  'stat',
  'lstat',
  'realpath',
  'readlink',
  'access',
  'readdir',
  'readFile',
  'writeFile',
  'open',
  'mkdir',
  'copyFile',
  'link',
  'rename',
  'unlink',
  'rm',
  'chmod',
  'utimes',
  'sync',
  'space',
  'read',
  'write',
  'truncate',
  'chown',
  'datasync',
  'close',
] as const;

/** `file`: the open file whose method is called; absent for one of the disk. */
export const Call = z.strictObject({
  id: z.int(),
  file: z.int().optional(),
  method: z.enum(METHODS),
  args: z.array(z.unknown()),
});
export type Call = z.infer<typeof Call>;
export type Method = Call['method'];

/** `fault`: what the system refused, with its errno. */
export const Reply = z.strictObject({
  id: z.int(),
  value: z.unknown().optional(),
  fault: z.strictObject({ message: z.string(), code: z.string().optional() }).optional(),
});
export type Reply = z.infer<typeof Reply>;

const Bytes = z.instanceof(Uint8Array);
export const ReadReply = z.strictObject({ bytes: Bytes });

/** Facts of a file without its functions. */
export const PlainFacts = z.strictObject({
  dev: z.bigint(),
  ino: z.bigint(),
  size: z.bigint(),
  blocks: z.bigint(),
  nlink: z.bigint(),
  mode: z.bigint(),
  uid: z.bigint(),
  gid: z.bigint(),
  mtimeNs: z.bigint(),
  ctimeNs: z.bigint(),
  birthtimeNs: z.bigint(),
  kind: z.enum(['file', 'folder', 'link', 'other']),
});
export type PlainFacts = z.infer<typeof PlainFacts>;
