import { ProvisionError } from '../core/errors.ts';
import { BLOCK, checksumOf, FOLDER, PAX, paddingOf, REGULAR } from './tar-format.ts';

/** A file that can be read anywhere. */
export interface RandomAccess {
  /** How messages name it. */
  readonly name: string;
  readonly size: number;
  /** At most `buffer.length` bytes from `position` on; fewer only at the end. */
  read(buffer: Uint8Array, position: number): Promise<number>;
}

/** Where the bytes of one file in a tar are. */
export interface TarEntry {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
}

/** A bundle has some ten files, one with many layers some hundred. */
const MOST_ENTRIES = 2000;
const LARGEST_PAX = 64 * 1024;

/**
 * The files of a tar, in their order; no byte of them is read. Folders are passed over. Refuses everything that could
 * mean something else to another reader: links, devices, sparse files, names that lead elsewhere or come twice, numbers
 * that are none, files longer than the tar, a missing end, and whatever stands behind it. Throws `bad-bundle`,
 * `truncated-file`.
 */
export async function readTar(file: RandomAccess): Promise<TarEntry[]> {
  const entries = new Map<string, TarEntry>();
  let paxSize: number | undefined;
  for (let at = 0, headers = 0; ; headers += 1) {
    if (headers > MOST_ENTRIES) throw bad(file, `it has more than ${MOST_ENTRIES} files`);
    const header = await block(file, at);
    if (header.every((byte) => byte === 0)) {
      if (paxSize !== undefined) throw bad(file, 'a size belongs to no file');
      await requireEnd(file, at);
      return [...entries.values()];
    }
    const { name, size: told, type } = parseHeader(file, header);
    const size = type === PAX ? told : (paxSize ?? told);
    const offset = at + BLOCK;
    if (offset + size > file.size) throw cutShort(file);
    at = offset + size + paddingOf(size);
    if (type === PAX) {
      if (paxSize !== undefined) throw bad(file, 'two sizes belong to one file');
      paxSize = await readPax(file, offset, size);
      continue;
    }
    paxSize = undefined;
    if (type === FOLDER && size === 0) continue;
    if (type !== REGULAR) throw bad(file, `${JSON.stringify(name)} is no plain file (type ${JSON.stringify(type)})`);
    if (entries.has(name)) throw bad(file, `${JSON.stringify(name)} is in it twice`);
    entries.set(name, { name, offset, size });
  }
}

interface Header {
  readonly name: string;
  readonly size: number;
  readonly type: string;
}

function parseHeader(file: RandomAccess, header: Buffer): Header {
  if (octal(file, header, 148, 8) !== checksumOf(header)) throw bad(file, 'it is no tar file, or it is damaged');
  if (header.toString('latin1', 257, 263) !== 'ustar\0') throw bad(file, 'it is no ustar file');
  const prefix = text(header, 345, 155);
  const name = `${prefix === '' ? '' : `${prefix}/`}${text(header, 0, 100)}`.replace(/^\.\//, '').replace(/\/$/, '');
  const isSafe = /^[\x21-\x7e]+$/.test(name) && name.split('/').every((part) => !['', '.', '..'].includes(part));
  if (!isSafe || name.includes('\\')) throw bad(file, `${JSON.stringify(name)} is no name of a file in a bundle`);
  const flag = header.toString('latin1', 156, 157);
  return { name, size: octal(file, header, 124, 12), type: flag === '\0' ? REGULAR : flag };
}

function text(header: Buffer, at: number, length: number): string {
  const end = header.indexOf(0, at);
  return header.toString('latin1', at, end < 0 || end > at + length ? at + length : end);
}

/** Octal digits alone: GNU's binary form for large numbers is not POSIX, and an own way to lie about sizes. */
function octal(file: RandomAccess, header: Buffer, at: number, length: number): number {
  const digits = /^ *([0-7]+)[ \0]*$/.exec(header.toString('latin1', at, at + length))?.[1];
  if (digits === undefined) throw bad(file, 'a number in it is none');
  return Number.parseInt(digits, 8);
}

/** Of pax records only `size` is read; those that would rename or retype a file are refused, the others say nothing here. */
async function readPax(file: RandomAccess, offset: number, size: number): Promise<number | undefined> {
  if (size > LARGEST_PAX) throw bad(file, 'it has too large an extended header');
  const bytes = await exactly(file, offset, size);
  let found: number | undefined;
  for (let at = 0; at < bytes.length; ) {
    const length = /^([1-9]\d{0,5}) /.exec(bytes.toString('latin1', at, at + 8))?.[1] ?? '0';
    const record = bytes.toString('utf8', at + length.length + 1, at + Number(length));
    const [, key, value] = /^([^=]+)=(.*)\n$/s.exec(record) ?? [];
    if (key === undefined || at + Number(length) > bytes.length) throw bad(file, 'it has a broken extended header');
    if (key === 'path' || key === 'linkpath' || key.startsWith('GNU.'))
      throw bad(file, `it has an extended header with ${key}`);
    if (key === 'size') {
      if (found !== undefined || !/^(0|[1-9]\d{0,15})$/.test(value ?? '') || !Number.isSafeInteger(Number(value)))
        throw bad(file, 'a size in it is none');
      found = Number(value);
    }
    at += Number(length);
  }
  return found;
}

/** Two empty blocks end a tar; some tools fill up with more of them, and nothing else may follow. */
async function requireEnd(file: RandomAccess, at: number): Promise<void> {
  for (let position = at, blocks = 0; ; position += BLOCK, blocks += 1) {
    if (position === file.size && blocks >= 2) return;
    // tar fills up to 20 blocks.
    if (blocks > 64) throw bad(file, 'something follows its end');
    const empty = await block(file, position);
    if (!empty.every((byte) => byte === 0)) throw bad(file, 'something follows its end');
  }
}

function block(file: RandomAccess, position: number): Promise<Buffer> {
  return exactly(file, position, BLOCK);
}

/** Throws `truncated-file` when there are fewer bytes. */
export async function exactly(file: RandomAccess, position: number, length: number): Promise<Buffer> {
  if (position + length > file.size) throw cutShort(file);
  const buffer = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const read = await file.read(buffer.subarray(done), position + done);
    if (read === 0) throw cutShort(file);
    done += read;
  }
  return buffer;
}

function cutShort({ name }: RandomAccess): ProvisionError {
  return new ProvisionError('truncated-file', `${name} is cut short.`, { suggestions: ['Copy the bundle again.'] });
}

export function bad({ name }: Pick<RandomAccess, 'name'>, why: string): ProvisionError {
  return new ProvisionError('bad-bundle', `${name} is no bundle that can be used: ${why}.`, {
    suggestions: ['Copy the bundle again, or make it anew with: gemma-provision bundle create'],
  });
}
