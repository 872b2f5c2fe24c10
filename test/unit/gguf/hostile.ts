/** Headers that keep every single limit and are as expensive to read as can be: each ends in a fault behind all of it. */
import { Buffer } from 'node:buffer';
import { MIB } from '../../../src/core/units.ts';
import {
  MAX_ARRAY_LENGTH,
  MAX_HEADER_BYTES,
  MAX_KEPT_ARRAY_LENGTH,
  MAX_KEPT_STRING_BYTES,
  MAX_METADATA_ENTRIES,
  MAX_TENSORS,
} from '../../../src/gguf/limits.ts';

const STRING = 8;
const ARRAY = 9;

export const HOSTILE: Readonly<Record<string, () => Buffer>> = {
  'as many empty strings in one list as a header holds': () => {
    const count = Math.min(MAX_ARRAY_LENGTH, Math.floor(MAX_HEADER_BYTES / 8) - 64);
    return header(2, 1, [
      entry('tokenizer.ggml.tokens', ARRAY, u32(STRING), u64(count), Buffer.alloc(count * 8)),
      FAULT,
    ]);
  },
  'as many metadata entries as are read': () =>
    header(MAX_METADATA_ENTRIES, 1, [
      ...Array.from({ length: MAX_METADATA_ENTRIES - 1 }, (_, index) => entry(`key.${index}`, 0, Buffer.from([1]))),
      FAULT,
    ]),
  'as many tensors as are read': () =>
    header(1, MAX_TENSORS, [
      entry('general.architecture', STRING, text('x')),
      ...Array.from({ length: MAX_TENSORS - 1 }, (_, index) => tensor(`${'n'.repeat(50)}.${index}`, index)),
      tensor('last', 1),
    ]),
  'texts of the largest kept size that take two bytes a letter': () => {
    const letters = Buffer.from(`Ω${'x'.repeat(MAX_KEPT_STRING_BYTES - 2)}`);
    const count = Math.floor(MAX_HEADER_BYTES / (MAX_KEPT_STRING_BYTES + 32)) - 1;
    return header(count + 1, 1, [
      ...Array.from({ length: count }, (_, index) => entry(`t${index}`, STRING, u64(letters.length), letters)),
      FAULT,
    ]);
  },
  'texts just too long to be kept': () => {
    const letters = Buffer.alloc(MAX_KEPT_STRING_BYTES + 1, 'x');
    const count = Math.floor(MAX_HEADER_BYTES / (letters.length + 32)) - 1;
    return header(count + 1, 1, [
      ...Array.from({ length: count }, (_, index) => entry(`t${index}`, STRING, u64(letters.length), letters)),
      FAULT,
    ]);
  },
  'many short lists of empty strings': () => lists(STRING, Buffer.alloc(8 * MAX_KEPT_ARRAY_LENGTH)),
  'many short lists of numbers': () => lists(0, Buffer.alloc(MAX_KEPT_ARRAY_LENGTH)),
  'keys of the largest size': () => {
    const count = Math.floor(MAX_HEADER_BYTES / 65_600) - 1;
    return header(count + 1, 1, [
      ...Array.from({ length: count }, (_, index) => entry(`${'k'.repeat(65_000)}${index}`, 0, Buffer.from([1]))),
      FAULT,
    ]);
  },
};

/** An entry with a value type that does not exist. */
const FAULT = entry('fault', 99);

function lists(type: number, items: Buffer): Buffer {
  const count = Math.min(MAX_METADATA_ENTRIES - 1, Math.floor(MAX_HEADER_BYTES / (items.length + 64)));
  return header(count + 1, 1, [
    ...Array.from({ length: count }, (_, index) =>
      entry(`l${index}`, ARRAY, u32(type), u64(MAX_KEPT_ARRAY_LENGTH), items),
    ),
    FAULT,
  ]);
}

function header(entries: number, tensors: number, parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat([Buffer.from('GGUF'), u32(3), u64(tensors), u64(entries), ...parts]);
  if (content.length > MAX_HEADER_BYTES + MIB) throw new RangeError('a hostile header must keep the limits');
  return content;
}

function entry(key: string, type: number, ...value: Buffer[]): Buffer {
  return Buffer.concat([text(key), u32(type), ...value]);
}

function tensor(name: string, index: number): Buffer {
  return Buffer.concat([text(name), u32(1), u64(8), u32(0), u64(index * 32)]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u64(bytes.length), bytes]);
}

function u32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
}

function u64(value: number): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt(value));
  return buffer;
}
