/** Tar files that are the same wherever they are written, and read strictly: POSIX.1-2001 ustar, with pax records for sizes beyond 8 GiB. */
import { ProvisionError } from '../core/errors.ts';

const BLOCK = 512;
/** The largest size that a ustar header holds in its 11 octal digits. */
const LARGEST_USTAR = 8 ** 11 - 1;
const REGULAR = '0';
const FOLDER = '5';
const PAX = 'x';

/** Bytes from the end of a file's data to the next header. */
function paddingOf(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

/** The sum of a header's bytes with its own checksum field read as spaces. */
export function checksumOf(header: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < BLOCK; at += 1) sum += at >= 148 && at < 156 ? 0x20 : (header[at] ?? 0);
  return sum;
}

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
    if (headers > MOST_ENTRIES) throw invalidBundle(file, `it has more than ${MOST_ENTRIES} files`);
    if (at === 0 && !(await isTar(file))) throw notABundle(file);
    const header = await readBlock(file, at);
    if (header.every((byte) => byte === 0)) {
      if (paxSize !== undefined) throw invalidBundle(file, 'a size belongs to no file');
      await requireEndOfTar(file, at);
      return [...entries.values()];
    }
    const { name, size: ownSize, type } = parseHeader(file, header);
    const size = type === PAX ? ownSize : (paxSize ?? ownSize);
    const offset = at + BLOCK;
    if (offset + size > file.size) throw truncated(file);
    at = offset + size + paddingOf(size);
    await requireZeros(file, offset + size, paddingOf(size));
    if (type === PAX) {
      if (paxSize !== undefined) throw invalidBundle(file, 'two sizes belong to one file');
      paxSize = await readPax(file, offset, size);
      continue;
    }
    paxSize = undefined;
    if (type === FOLDER && size === 0) continue;
    if (type !== REGULAR)
      throw invalidBundle(file, `${JSON.stringify(name)} is not a plain file (type ${JSON.stringify(type)})`);
    if (entries.has(name)) throw invalidBundle(file, `${JSON.stringify(name)} occurs twice`);
    entries.set(name, { name, offset, size });
  }
}

/** A text, a page or a model was given instead of a bundle, however short it is: that is not damage. */
async function isTar(file: RandomAccess): Promise<boolean> {
  return file.size >= BLOCK && (await readBlock(file, 0)).toString('latin1', 257, 262) === 'ustar';
}

interface Header {
  readonly name: string;
  readonly size: number;
  readonly type: string;
}

function parseHeader(file: RandomAccess, header: Buffer): Header {
  if (parseOctal(file, header, 148, 8) !== checksumOf(header)) throw invalidBundle(file, 'it is damaged');
  if (header.toString('latin1', 257, 263) !== 'ustar\0') throw invalidBundle(file, 'it is not a ustar file');
  const prefix = decodeText(header, 345, 155);
  const name = `${prefix === '' ? '' : `${prefix}/`}${decodeText(header, 0, 100)}`
    .replace(/^\.\//, '')
    .replace(/\/$/, '');
  const isSafe = /^[\x21-\x7e]+$/.test(name) && name.split('/').every((part) => !['', '.', '..'].includes(part));
  if (!isSafe || name.includes('\\'))
    throw invalidBundle(file, `${JSON.stringify(name)} is not a valid file name in a bundle`);
  const flag = header.toString('latin1', 156, 157);
  return { name, size: parseOctal(file, header, 124, 12), type: flag === '\0' ? REGULAR : flag };
}

function decodeText(header: Buffer, at: number, length: number): string {
  const end = header.indexOf(0, at);
  return header.toString('latin1', at, end < 0 || end > at + length ? at + length : end);
}

/** Octal digits alone: GNU's binary form for large numbers is not POSIX, and an own way to lie about sizes. */
function parseOctal(file: RandomAccess, header: Buffer, at: number, length: number): number {
  const digits = /^ *([0-7]+)[ \0]*$/.exec(header.toString('latin1', at, at + length))?.[1];
  if (digits === undefined) throw invalidBundle(file, 'it contains an invalid number');
  return Number.parseInt(digits, 8);
}

/** Of pax records only `size` is read; those that would rename or retype a file are refused, the others say nothing here. */
async function readPax(file: RandomAccess, offset: number, size: number): Promise<number | undefined> {
  if (size > LARGEST_PAX) throw invalidBundle(file, 'it has too large an extended header');
  const bytes = await readExactly(file, offset, size);
  let found: number | undefined;
  for (let at = 0; at < bytes.length; ) {
    const length = /^([1-9]\d{0,5}) /.exec(bytes.toString('latin1', at, at + 8))?.[1] ?? '0';
    const record = bytes.toString('utf8', at + length.length + 1, at + Number(length));
    const [, key, value] = /^([^=]+)=(.*)\n$/s.exec(record) ?? [];
    if (key === undefined || at + Number(length) > bytes.length)
      throw invalidBundle(file, 'it has a broken extended header');
    if (key === 'path' || key === 'linkpath' || key.startsWith('GNU.'))
      throw invalidBundle(file, `it has an extended header with ${key}`);
    if (key === 'size') {
      if (found !== undefined || !/^(0|[1-9]\d{0,15})$/.test(value ?? '') || !Number.isSafeInteger(Number(value)))
        throw invalidBundle(file, 'it contains an invalid size');
      found = Number(value);
    }
    at += Number(length);
  }
  return found;
}

/** Two empty blocks end a tar; some tools fill up with more of them, and nothing else may follow. */
async function requireEndOfTar(file: RandomAccess, at: number): Promise<void> {
  for (let position = at, blocks = 0; ; position += BLOCK, blocks += 1) {
    if (position === file.size && blocks >= 2) return;
    // tar fills up to 20 blocks.
    if (blocks > 64) throw invalidBundle(file, 'something follows its end');
    const empty = await readBlock(file, position);
    if (!empty.every((byte) => byte === 0)) throw invalidBundle(file, 'something follows its end');
  }
}

/** Nothing may hide behind a file. */
async function requireZeros(file: RandomAccess, position: number, length: number): Promise<void> {
  const end = Math.min(position + length, file.size);
  const rest = await readExactly(file, position, Math.max(0, end - position));
  if (rest.some((byte) => byte !== 0)) throw invalidBundle(file, 'there are bytes between its files');
}

function readBlock(file: RandomAccess, position: number): Promise<Buffer> {
  return readExactly(file, position, BLOCK);
}

/** Throws `truncated-file` when there are fewer bytes. */
export async function readExactly(file: RandomAccess, position: number, length: number): Promise<Buffer> {
  if (position + length > file.size) throw truncated(file);
  const buffer = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const read = await file.read(buffer.subarray(done), position + done);
    if (read === 0) throw truncated(file);
    done += read;
  }
  return buffer;
}

function truncated({ name }: RandomAccess): ProvisionError {
  return new ProvisionError('truncated-file', `${name} is truncated.`, { suggestions: ['Copy the bundle again.'] });
}

function notABundle({ name }: RandomAccess): ProvisionError {
  return new ProvisionError('bad-bundle', `${name} is not a bundle: it is not a tar file.`, {
    suggestions: ['Create a bundle with: gemma-provision bundle create'],
  });
}

export function invalidBundle({ name }: Pick<RandomAccess, 'name'>, why: string): ProvisionError {
  return new ProvisionError('bad-bundle', `${name} is not a valid bundle: ${why}.`, {
    suggestions: ['Copy the bundle again, or create it again with: gemma-provision bundle create'],
  });
}

/** One file to write. `bytes` must be exactly `size` long. */
export interface TarFile {
  /** At most 100 ASCII characters. */
  readonly name: string;
  readonly size: number;
  bytes(): Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** The length of the tar that {@link writeTar} gives. */
export function tarSize(files: readonly Pick<TarFile, 'size'>[]): number {
  const sizes = files.map(({ size }) => (size > LARGEST_USTAR ? 2 * BLOCK : 0) + BLOCK + size + paddingOf(size));
  return sizes.reduce((sum, each) => sum + each, 2 * BLOCK);
}

/** A tar with nothing of this machine or moment in it: the same files give the same bytes. Throws RangeError for bytes that are not as long as announced. */
export async function* writeTar(files: readonly TarFile[]): AsyncGenerator<Uint8Array, void, undefined> {
  for (const file of files) {
    if (file.size > LARGEST_USTAR) {
      const record = paxRecord('size', String(file.size));
      yield buildHeader(`pax/${file.name}`.slice(0, 100), record.length, PAX);
      yield padToBlock(record);
    }
    yield buildHeader(file.name, file.size > LARGEST_USTAR ? 0 : file.size, REGULAR);
    let done = 0;
    for await (const chunk of file.bytes()) {
      done += chunk.length;
      if (done > file.size) break;
      yield chunk;
    }
    if (done !== file.size) throw new RangeError(`${file.name} has not the ${file.size} bytes that it should have`);
    if (paddingOf(file.size) > 0) yield new Uint8Array(paddingOf(file.size));
  }
  yield new Uint8Array(2 * BLOCK);
}

function buildHeader(name: string, size: number, type: string): Uint8Array {
  if (!/^[\x21-\x7e]{1,100}$/.test(name)) throw new RangeError(`${name} does not fit into a tar header`);
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, digits: number) =>
    header.write(value.toString(8).padStart(digits, '0'), at, 'latin1');
  header.write(name, 0, 'latin1');
  octal(0o644, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(size, 124, 11);
  octal(0, 136, 11);
  header.write(type, 156, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  octal(0, 329, 7);
  octal(0, 337, 7);
  octal(checksumOf(header), 148, 6);
  header.write('\0 ', 154, 'latin1');
  return header;
}

/** `<length> key=value\n`, where the length counts itself. */
function paxRecord(key: string, value: string): Uint8Array {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (`${length}${rest}`.length !== length) length = `${length}${rest}`.length;
  return Buffer.from(`${length}${rest}`, 'latin1');
}

function padToBlock(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(bytes.length + paddingOf(bytes.length));
  whole.set(bytes);
  return whole;
}
