import { BLOCK, checksumOf, LARGEST_USTAR, PAX, paddingOf, REGULAR } from './tar-format.ts';

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
      yield headerOf(`pax/${file.name}`.slice(0, 100), record.length, PAX);
      yield padded(record);
    }
    yield headerOf(file.name, file.size > LARGEST_USTAR ? 0 : file.size, REGULAR);
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

function headerOf(name: string, size: number, type: string): Uint8Array {
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

function padded(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(bytes.length + paddingOf(bytes.length));
  whole.set(bytes);
  return whole;
}
