/** The files of a stand-in hub: their content, held in memory or made as it is read, and what the hub says of them. */
import { createHash } from 'node:crypto';

/** A file that need not be in memory: `head`, then zeros up to `size`. */
export interface SparseContent {
  readonly head: Buffer;
  readonly size: number;
  /** What the hub says that its SHA-256 is; computed unless given, which reads every zero. */
  readonly sha256?: string;
}

export interface HubFileContent {
  readonly path: string;
  readonly content: Buffer | SparseContent;
  /** False: a small text file that is not in large-file storage, so without a SHA-256. */
  readonly lfs?: boolean;
}

/** What the tree and the paths of the API say of a file. */
export interface HubEntry {
  readonly type: 'file';
  readonly oid: string;
  readonly size: number;
  readonly lfs?: { readonly oid: string; readonly size: number; readonly pointerSize: number };
  readonly xetHash?: string;
  readonly path: string;
}

const PIECE = 1 << 20;
const ZEROS = Buffer.alloc(PIECE);
const digests = new WeakMap<object, string>();

export function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

export function sizeOf({ content }: HubFileContent): number {
  return Buffer.isBuffer(content) ? content.length : content.size;
}

export function digestOfFile({ content }: HubFileContent): string {
  if (!Buffer.isBuffer(content) && content.sha256 !== undefined) return content.sha256;
  const known = digests.get(content);
  if (known !== undefined) return known;
  const hash = createHash('sha256');
  for (const piece of piecesOf(content, 0, Buffer.isBuffer(content) ? content.length : content.size))
    hash.update(piece);
  const digest = hash.digest('hex');
  digests.set(content, digest);
  return digest;
}

/** The bytes from `start` to before `end`. */
export function* piecesOf(content: HubFileContent['content'], start: number, end: number): Generator<Buffer> {
  const head = Buffer.isBuffer(content) ? content : content.head;
  if (start < head.length) yield head.subarray(start, Math.min(end, head.length));
  for (let at = Math.max(start, head.length); at < end; at += PIECE) yield ZEROS.subarray(0, Math.min(PIECE, end - at));
}

/** Git's name of a blob. */
function gitOid(content: Buffer | string): string {
  const bytes = Buffer.from(content);
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
}

export function xetHashOf(file: HubFileContent): string {
  // Any 64 digits that are not the SHA-256: who takes it for one is found out.
  return createHash('sha256').update('xet').update(digestOfFile(file)).digest('hex');
}

/** Git's name of a file: of its pointer where the file is in large-file storage. */
export function oidOf(file: HubFileContent): string {
  return gitOid(isSmall(file) ? file.content : pointerOf(file));
}

/** A file that is in the repository itself. */
export function isSmall(file: HubFileContent): file is HubFileContent & { content: Buffer } {
  return file.lfs === false && Buffer.isBuffer(file.content);
}

/** What git has in place of a file in large-file storage. */
export function pointerOf(file: HubFileContent): string {
  const size = sizeOf(file);
  return `version https://git-lfs.github.com/spec/v1\noid sha256:${digestOfFile(file)}\nsize ${size}\n`;
}

export function entryOf(file: HubFileContent): HubEntry {
  const size = sizeOf(file);
  if (isSmall(file)) return { type: 'file', oid: oidOf(file), size, path: file.path };
  const lfs = { oid: digestOfFile(file), size, pointerSize: pointerOf(file).length };
  return { type: 'file', oid: oidOf(file), size, lfs, xetHash: xetHashOf(file), path: file.path };
}
