import type { Cursor } from './cursor.ts';
import { MAX_DIMENSIONS, MAX_TENSOR_NAME_BYTES } from './limits.ts';
import { quoteName, refusal } from './refusal.ts';
import type { Tensor } from './schema.ts';
import { type TensorType, tensorType } from './types.ts';

/** Name with its length, dimensions with their count, type, offset. */
const LONGEST_ENTRY_BYTES = 8 + MAX_TENSOR_NAME_BYTES + 4 + 8 * MAX_DIMENSIONS + 4 + 8;

/**
 * Reads the tensor list by llama.cpp's own rules (`gguf_init_from_reader`): each name once, at most four dimensions,
 * rows of whole blocks, known types, and data that follow each other without gap or overlap.
 */
export async function readTensors(cursor: Cursor, count: number, alignment: number): Promise<Tensor[]> {
  const tensors: Tensor[] = [];
  const names = new Set<string>();
  let end = 0;
  for (let index = 0; index < count; index += 1) {
    const at = cursor.position;
    if (!cursor.has(LONGEST_ENTRY_BYTES)) await fetchEntry(cursor, index);
    const tensor = readTensor(cursor, index);
    if (names.has(tensor.name)) throw refusal(`the tensor ${quoteName(tensor.name)} appears twice`, at);
    names.add(tensor.name);
    checkOffset(tensor, end, alignment, at);
    end = alignUp(tensor.offset + tensor.bytes, alignment);
    if (!Number.isSafeInteger(end)) throw refusal(`the data of ${quoteName(tensor.name)} exceed any file`, at);
    tensors.push(tensor);
  }
  return tensors;
}

/** Makes one entry of the list readable where the window may end inside it. Throws `truncated-file` where the file does. */
async function fetchEntry(cursor: Cursor, index: number): Promise<void> {
  const start = cursor.position;
  const what = `tensor ${index} of the list`;
  await cursor.need(8, what);
  const length = nameLength(cursor, index);
  await cursor.need(length + 4, what);
  cursor.skip(length, what);
  const dimensions = cursor.u32();
  if (dimensions <= MAX_DIMENSIONS) await cursor.need(dimensions * 8 + 12, what);
  cursor.seek(start);
}

/** Reads an entry that lies in the window. */
function readTensor(cursor: Cursor, index: number): Tensor {
  const name = cursor.strictText(nameLength(cursor, index), `the name of tensor ${index}`);
  const dimensions = cursor.u32();
  if (dimensions > MAX_DIMENSIONS) {
    throw refusal(
      `tensor ${quoteName(name)} claims ${dimensions} dimensions; ggml has ${MAX_DIMENSIONS}`,
      cursor.position - 4,
    );
  }
  const at = cursor.position;
  const shape = Array.from({ length: dimensions }, () => cursor.u64());
  const typeId = cursor.u32();
  const offset = cursor.u64();
  const type = tensorType(typeId);
  if (type === undefined) {
    throw refusal(`tensor ${quoteName(name)} has the unknown type ${typeId}`, cursor.position - 12);
  }
  return { name, type: type.name, shape, bytes: bytesOf(name, shape, type, at), offset };
}

function nameLength(cursor: Cursor, index: number): number {
  const length = cursor.u64();
  if (length === 0 || length > MAX_TENSOR_NAME_BYTES) {
    throw refusal(
      `the name of tensor ${index} claims ${length} bytes; ggml has 1 to ${MAX_TENSOR_NAME_BYTES}`,
      cursor.position - 8,
    );
  }
  return length;
}

/** Bytes of a tensor's data. Throws `bad-gguf` for a shape that no file of this type can hold. */
export function bytesOf(name: string, shape: readonly number[], type: TensorType, at: number | undefined): number {
  const elements = shape.reduce((product, size) => product * size, 1);
  if (!shape.every(Number.isSafeInteger) || !Number.isSafeInteger(elements)) {
    throw refusal(`tensor ${quoteName(name)} claims ${shape.join(' x ')} elements, more than any file holds`, at);
  }
  if ((shape[0] ?? 1) % type.block !== 0) {
    throw refusal(
      `tensor ${quoteName(name)} has rows of ${shape[0] ?? 1} elements, which is not a multiple of ${type.name}'s block size, ${type.block}`,
      at,
    );
  }
  const bytes = (elements / type.block) * type.blockBytes;
  if (!Number.isSafeInteger(bytes))
    throw refusal(`tensor ${quoteName(name)} claims ${bytes} bytes, more than any file holds`, at);
  return bytes;
}

function checkOffset(tensor: Tensor, expected: number, alignment: number, at: number): void {
  if (tensor.offset === expected) return;
  const what = `the data of tensor ${quoteName(tensor.name)}`;
  if (!Number.isSafeInteger(tensor.offset)) throw refusal(`${what} start past the end of any file`, at);
  if (tensor.offset % alignment !== 0) {
    throw refusal(`${what} start at ${tensor.offset}, which is not a multiple of the alignment ${alignment}`, at);
  }
  const fault = tensor.offset < expected ? 'overlap the previous tensor' : 'leave a gap after the previous tensor';
  throw refusal(`${what} start at ${tensor.offset} and ${fault}, which ends at ${expected}`, at);
}

/** `alignment` must be a power of two; exact also above 2^32, where bit operations are not. */
export function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}
