/** Changes single metadata entries of a real GGUF file, so that tests need no second model. */
import { readGgufHeader } from '../../src/gguf/header.ts';
import { alignUp } from '../../src/gguf/tensors.ts';

/** ggml's numbers of the value types. */
const BOOL = 7;
const STRING = 8;

/** The model with another text under a key that has one already. */
export async function withString(model: Buffer, key: string, text: string): Promise<Buffer> {
  const facts = await readGgufHeader({ read: async (offset, length) => model.subarray(offset, offset + length) });
  const at = offsetOfValue(model, key, STRING);
  const after = at + 8 + Number(model.readBigUInt64LE(at));
  const headerEnd = endOfTensorList(model, facts.tensors.at(-1)?.name ?? '');
  const head = Buffer.concat([model.subarray(0, at), sized(text), model.subarray(after, headerEnd)]);
  // Offsets of tensors count from the data section, so these bytes stay as they are.
  const gap = Buffer.alloc(alignUp(head.length, facts.alignment) - head.length);
  return Buffer.concat([head, gap, model.subarray(facts.dataOffset)]);
}

/** The model with another truth value under a key that has one already. */
export function withBool(model: Buffer, key: string, value: boolean): Buffer {
  const changed = Buffer.from(model);
  changed.writeUInt8(value ? 1 : 0, offsetOfValue(model, key, BOOL));
  return changed;
}

/** The model without a key: it gets a name that nobody reads. */
export function withoutKey(model: Buffer, key: string): Buffer {
  const changed = Buffer.from(model);
  changed.write('x', keyOf(model, key) + 8 + key.length - 1, 'latin1');
  return changed;
}

function offsetOfValue(model: Buffer, key: string, type: number): number {
  const at = keyOf(model, key) + 8 + key.length;
  if (model.readUInt32LE(at) !== type) throw new Error(`${key} is of another type`);
  return at + 4;
}

/** Offset of the key's length, which keeps a key from being found inside a text. */
function keyOf(model: Buffer, key: string): number {
  const at = model.indexOf(sized(key));
  if (at < 0) throw new Error(`the model has no ${key}`);
  return at;
}

/** The last tensor's entry ends a header: name, number of dimensions, dimensions, type, offset. */
function endOfTensorList(model: Buffer, lastName: string): number {
  const at = keyOf(model, lastName) + 8 + Buffer.byteLength(lastName);
  return at + 4 + model.readUInt32LE(at) * 8 + 4 + 8;
}

function sized(text: string): Buffer {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  return Buffer.concat([length, bytes]);
}
