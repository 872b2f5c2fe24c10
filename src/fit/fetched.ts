import type { Hyperparameters } from '../catalog/schema.ts';

/** How much more a block's largest matrix may take than its share of the weights: `ffn_down` is often of a larger type. */
const LARGER_TYPE = 1.3;

/**
 * Bytes of the largest matrix of some blocks, from above: the feed-forward's share of a block's weights, as if its
 * tensors were of one type, and something for those that are not.
 */
export function largestMatrix(
  { embeddingLength: e, feedForwardLength, headCount, headCountKv, keyLength, valueLength }: Hyperparameters,
  blocks: readonly number[],
): number {
  const matrix = feedForwardLength * e;
  const attention = e * (2 * headCount * keyLength + headCountKv * (keyLength + valueLength));
  return (Math.max(0, ...blocks) * matrix * LARGER_TYPE) / (3 * matrix + attention);
}
