/** Builds GGUF files for tests, right or wrong in one chosen place. */
import { Buffer } from 'node:buffer';
import type { ByteSource } from '../../src/gguf/byte-source.ts';
import { tensorType } from '../../src/gguf/types.ts';

const TYPE_ID = { u8: 0, i8: 1, u16: 2, i16: 3, u32: 4, i32: 5, f32: 6, bool: 7, string: 8, u64: 10, i64: 11, f64: 12 };
export type ValueType = keyof typeof TYPE_ID;
type Scalar = string | number | boolean;

export interface MetadataSpec {
  readonly key: string;
  readonly type: ValueType;
  /** A list becomes an array of `type`. */
  readonly value: Scalar | readonly Scalar[];
}

export interface TensorSpec {
  readonly name: string;
  /** Number of the ggml type; 0 is F32. */
  readonly type?: number;
  readonly shape: readonly number[];
  /** Overrides the offset that would be right. */
  readonly offset?: number;
}

export interface GgufSpec {
  readonly version?: number;
  readonly metadata: readonly MetadataSpec[];
  readonly tensors: readonly TensorSpec[];
  readonly alignment?: number;
  /** False leaves the tensor data out: the header alone. */
  readonly withData?: boolean;
  /** Values of an F32 tensor, in its order; without it all are 0. */
  readonly weight?: (tensor: TensorSpec, index: number) => number;
}

export function buildGguf(spec: GgufSpec): Buffer {
  const alignment = spec.alignment ?? 32;
  const infos: Buffer[] = [];
  let end = 0;
  let dataBytes = 0;
  for (const tensor of spec.tensors) {
    infos.push(tensorInfo(tensor, tensor.offset ?? end));
    dataBytes = end + bytesOf(tensor);
    end = Math.ceil(dataBytes / alignment) * alignment;
  }
  const header = Buffer.concat([
    Buffer.from('GGUF'),
    scalar('u32', spec.version ?? 3),
    scalar('u64', spec.tensors.length),
    scalar('u64', spec.metadata.length),
    ...spec.metadata.map(metadataEntry),
    ...infos,
  ]);
  if (spec.withData === false) return header;
  const padding = Math.ceil(header.length / alignment) * alignment - header.length;
  const file = Buffer.concat([header, Buffer.alloc(padding + dataBytes)]);
  if (spec.weight !== undefined) writeValues(file, header.length + padding, spec, spec.weight);
  return file;
}

/** A whole, tiny, valid model of the given architecture; `changes` replace entries by key, `undefined` removes them. */
export function modelSpec(
  architecture = 'gemma3n',
  changes: Readonly<Record<string, MetadataSpec | undefined>> = {},
): GgufSpec {
  const u32 = (name: string, value: number): MetadataSpec => ({ key: `${architecture}.${name}`, type: 'u32', value });
  const entries: MetadataSpec[] = [
    { key: 'general.architecture', type: 'string', value: architecture },
    { key: 'general.name', type: 'string', value: 'Tiny' },
    { key: 'general.file_type', type: 'u32', value: 15 },
    u32('block_count', 2),
    u32('context_length', 2048),
    u32('embedding_length', 256),
    u32('feed_forward_length', 512),
    u32('attention.head_count', 4),
    u32('attention.head_count_kv', 1),
    { key: 'tokenizer.ggml.model', type: 'string', value: 'llama' },
    { key: 'tokenizer.ggml.tokens', type: 'string', value: ['<pad>', '<eos>', '<bos>', 'a'] },
    { key: 'tokenizer.ggml.bos_token_id', type: 'u32', value: 2 },
    { key: 'tokenizer.ggml.eos_token_id', type: 'u32', value: 1 },
    { key: 'tokenizer.ggml.add_bos_token', type: 'bool', value: true },
    { key: 'tokenizer.chat_template', type: 'string', value: '{{ bos_token }}' },
  ];
  const kept = entries.filter(({ key }) => !(key in changes));
  const added = Object.values(changes).filter((entry) => entry !== undefined);
  return {
    metadata: [...kept, ...added],
    tensors: [
      { name: 'token_embd.weight', type: 14, shape: [256, 4] },
      { name: 'blk.0.attn_q.weight', type: 12, shape: [256, 256] },
      { name: 'blk.0.ffn_up.weight', type: 12, shape: [256, 512] },
      { name: 'blk.1.attn_q.weight', type: 12, shape: [256, 256] },
      { name: 'blk.1.ffn_up.weight', type: 12, shape: [256, 512] },
      { name: 'output_norm.weight', shape: [256] },
    ],
  };
}

export interface CountingSource extends ByteSource {
  readonly reads: { readonly offset: number; readonly length: number }[];
  bytes(): number;
}

/** A byte source over a buffer that counts what was read. */
export function memorySource(content: Uint8Array): CountingSource {
  const reads: { offset: number; length: number }[] = [];
  return {
    reads,
    bytes: () => reads.reduce((sum, { length }) => sum + length, 0),
    async read(offset, length) {
      const piece = content.subarray(offset, offset + length);
      reads.push({ offset, length: piece.length });
      return piece;
    },
  };
}

function metadataEntry({ key, type, value }: MetadataSpec): Buffer {
  if (typeof value !== 'object') return Buffer.concat([text(key), scalar('u32', TYPE_ID[type]), scalar(type, value)]);
  const items = value.map((item) => scalar(type, item));
  const head = [text(key), scalar('u32', 9), scalar('u32', TYPE_ID[type]), scalar('u64', items.length)];
  return Buffer.concat([...head, ...items]);
}

function tensorInfo({ name, shape, type }: TensorSpec, offset: number): Buffer {
  return Buffer.concat([
    text(name),
    scalar('u32', shape.length),
    ...shape.map((size) => scalar('u64', size)),
    scalar('u32', type ?? 0),
    scalar('u64', offset),
  ]);
}

function writeValues(
  file: Buffer,
  start: number,
  spec: GgufSpec,
  weight: (tensor: TensorSpec, index: number) => number,
) {
  const alignment = spec.alignment ?? 32;
  let at = start;
  for (const tensor of spec.tensors) {
    const bytes = bytesOf(tensor);
    for (let index = 0; index < bytes / 4; index += 1) file.writeFloatLE(weight(tensor, index), at + index * 4);
    at += Math.ceil(bytes / alignment) * alignment;
  }
}

function bytesOf({ shape, type }: TensorSpec): number {
  const known = tensorType(type ?? 0) ?? { block: 1, blockBytes: 4 };
  return (shape.reduce((product, size) => product * size, 1) / known.block) * known.blockBytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8');
  return Buffer.concat([scalar('u64', bytes.length), bytes]);
}

function scalar(type: ValueType, value: Scalar): Buffer {
  if (type === 'string') return text(String(value));
  const number = Number(value);
  const buffer = Buffer.alloc(8);
  const length = {
    u8: () => buffer.writeUInt8(number),
    i8: () => buffer.writeInt8(number),
    u16: () => buffer.writeUInt16LE(number),
    i16: () => buffer.writeInt16LE(number),
    u32: () => buffer.writeUInt32LE(number),
    i32: () => buffer.writeInt32LE(number),
    f32: () => buffer.writeFloatLE(number),
    f64: () => buffer.writeDoubleLE(number),
    bool: () => buffer.writeUInt8(number),
    u64: () => buffer.writeBigUInt64LE(BigInt(number)),
    i64: () => buffer.writeBigInt64LE(BigInt(number)),
  }[type]();
  return buffer.subarray(0, length);
}
