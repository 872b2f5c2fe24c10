import type { Cursor } from './cursor.ts';
import type { TensorFacts, TypeBytes } from './schema.ts';

export type Scalar = string | number | boolean;

interface ScalarType {
  readonly name: string;
  readonly bytes: number;
  readonly read: (cursor: Cursor) => number | boolean;
}

export const STRING_TYPE = 8;
export const ARRAY_TYPE = 9;

/** Metadata value types of fixed size by their number (GGUF specification, `gguf_metadata_value_type`). */
const SCALAR_TYPES: ReadonlyMap<number, ScalarType> = new Map([
  [0, { name: 'u8', bytes: 1, read: (cursor: Cursor) => cursor.u8() }],
  [1, { name: 'i8', bytes: 1, read: (cursor: Cursor) => cursor.i8() }],
  [2, { name: 'u16', bytes: 2, read: (cursor: Cursor) => cursor.u16() }],
  [3, { name: 'i16', bytes: 2, read: (cursor: Cursor) => cursor.i16() }],
  [4, { name: 'u32', bytes: 4, read: (cursor: Cursor) => cursor.u32() }],
  [5, { name: 'i32', bytes: 4, read: (cursor: Cursor) => cursor.i32() }],
  [6, { name: 'f32', bytes: 4, read: (cursor: Cursor) => cursor.f32() }],
  [7, { name: 'bool', bytes: 1, read: (cursor: Cursor) => cursor.u8() !== 0 }],
  [10, { name: 'u64', bytes: 8, read: (cursor: Cursor) => cursor.u64() }],
  [11, { name: 'i64', bytes: 8, read: (cursor: Cursor) => cursor.i64() }],
  [12, { name: 'f64', bytes: 8, read: (cursor: Cursor) => cursor.f64() }],
]);

export function scalarType(id: number): ScalarType | undefined {
  return SCALAR_TYPES.get(id);
}

/** Sums tensors by the type that they are stored in, most bytes first. */
export function typeBytes(tensors: readonly TensorFacts[]): TypeBytes[] {
  const sums = new Map<string, { tensors: number; weights: number; bytes: number }>();
  for (const tensor of tensors) {
    const sum = sums.get(tensor.type) ?? { tensors: 0, weights: 0, bytes: 0 };
    sum.tensors += 1;
    sum.weights += weightCount(tensor);
    sum.bytes += tensor.bytes;
    sums.set(tensor.type, sum);
  }
  return [...sums].map(([type, sum]) => ({ type, ...sum })).sort((a, b) => b.bytes - a.bytes);
}

/** Weights of a tensor: the product of its dimensions. */
export function weightCount({ shape }: TensorFacts): number {
  return shape.reduce((product, size) => product * size, 1);
}

export interface TensorType {
  /** As llama.cpp prints it, in upper case. */
  readonly name: string;
  /** Weights that are stored together. */
  readonly block: number;
  /** Bytes of one such block. */
  readonly blockBytes: number;
}

/**
 * Tensor types by number with their block sizes, from llama.cpp b10488 (`ggml/include/ggml.h`, `GGML_QUANT_SIZES` of
 * gguf-py). Numbers that are missing were withdrawn (4, 5, 31-33, 36-38) or are not assigned: such files are refused,
 * since guessing a size would make every number after it wrong.
 */
const TENSOR_TYPES: ReadonlyMap<number, TensorType> = new Map(
  (
    [
      [0, 'F32', 1, 4],
      [1, 'F16', 1, 2],
      [2, 'Q4_0', 32, 18],
      [3, 'Q4_1', 32, 20],
      [6, 'Q5_0', 32, 22],
      [7, 'Q5_1', 32, 24],
      [8, 'Q8_0', 32, 34],
      [9, 'Q8_1', 32, 40],
      [10, 'Q2_K', 256, 84],
      [11, 'Q3_K', 256, 110],
      [12, 'Q4_K', 256, 144],
      [13, 'Q5_K', 256, 176],
      [14, 'Q6_K', 256, 210],
      [15, 'Q8_K', 256, 292],
      [16, 'IQ2_XXS', 256, 66],
      [17, 'IQ2_XS', 256, 74],
      [18, 'IQ3_XXS', 256, 98],
      [19, 'IQ1_S', 256, 50],
      [20, 'IQ4_NL', 32, 18],
      [21, 'IQ3_S', 256, 110],
      [22, 'IQ2_S', 256, 82],
      [23, 'IQ4_XS', 256, 136],
      [24, 'I8', 1, 1],
      [25, 'I16', 1, 2],
      [26, 'I32', 1, 4],
      [27, 'I64', 1, 8],
      [28, 'F64', 1, 8],
      [29, 'IQ1_M', 256, 56],
      [30, 'BF16', 1, 2],
      [34, 'TQ1_0', 256, 54],
      [35, 'TQ2_0', 256, 66],
      [39, 'MXFP4', 32, 17],
      [40, 'NVFP4', 64, 36],
      [41, 'Q1_0', 128, 18],
      [42, 'Q2_0', 64, 18],
    ] as const
  ).map(([id, name, block, blockBytes]) => [id, { name, block, blockBytes }]),
);

export function tensorType(id: number): TensorType | undefined {
  return TENSOR_TYPES.get(id);
}

const BY_NAME: ReadonlyMap<string, TensorType> = new Map([...TENSOR_TYPES.values()].map((type) => [type.name, type]));

export function tensorTypeNamed(name: string): TensorType | undefined {
  return BY_NAME.get(name);
}

/** `general.file_type` in words, from `enum llama_ftype` of llama.cpp b10488; withdrawn numbers are left out. */
const FILE_TYPES: ReadonlyMap<number, string> = new Map([
  [0, 'f32'],
  [1, 'f16'],
  [2, 'q4_0'],
  [3, 'q4_1'],
  [7, 'q8_0'],
  [8, 'q5_0'],
  [9, 'q5_1'],
  [10, 'q2_k'],
  [11, 'q3_k_s'],
  [12, 'q3_k_m'],
  [13, 'q3_k_l'],
  [14, 'q4_k_s'],
  [15, 'q4_k_m'],
  [16, 'q5_k_s'],
  [17, 'q5_k_m'],
  [18, 'q6_k'],
  [19, 'iq2_xxs'],
  [20, 'iq2_xs'],
  [21, 'q2_k_s'],
  [22, 'iq3_xs'],
  [23, 'iq3_xxs'],
  [24, 'iq1_s'],
  [25, 'iq4_nl'],
  [26, 'iq3_s'],
  [27, 'iq3_m'],
  [28, 'iq2_s'],
  [29, 'iq2_m'],
  [30, 'iq4_xs'],
  [31, 'iq1_m'],
  [32, 'bf16'],
  [36, 'tq1_0'],
  [37, 'tq2_0'],
  [38, 'mxfp4_moe'],
  [39, 'nvfp4'],
  [40, 'q1_0'],
  [41, 'q2_0'],
]);

/** The quant that a file declares, in the catalog's spelling; undefined for unassigned numbers. */
export function declaredQuant(fileType: unknown): string | undefined {
  return typeof fileType === 'number' ? FILE_TYPES.get(fileType) : undefined;
}
