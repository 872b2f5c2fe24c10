import type { TensorFacts, TypeBytes } from './schema.ts';

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
