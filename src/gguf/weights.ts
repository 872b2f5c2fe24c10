import type { WeightBytes } from '../catalog/schema.ts';
import type { TensorFacts } from './schema.ts';

type Place = 'tokenEmbedding' | 'perLayerEmbedding' | 'perLayerProjection' | 'output' | 'other';

/** Which part of a model a tensor name belongs to, as llama.cpp and Ollama group them when they place tensors on devices. */
const PLACES: ReadonlyMap<string, Place> = new Map([
  ['token_embd', 'tokenEmbedding'],
  ['per_layer_token_embd', 'perLayerEmbedding'],
  ['per_layer_model_proj', 'perLayerProjection'],
  ['per_layer_proj_norm', 'perLayerProjection'],
  ['output', 'output'],
  ['output_norm', 'output'],
  ['output_b', 'output'],
  ['altup_proj', 'output'],
  ['altup_unembd_proj', 'output'],
]);

/** Sums tensor bytes by place. Blocks beyond `blockCount` (draft heads) count as other. */
export function weightBytes(tensors: readonly TensorFacts[], blockCount: number): WeightBytes {
  const blocks = Array.from({ length: blockCount }, () => 0);
  const sums = { tokenEmbedding: 0, perLayerEmbedding: 0, perLayerProjection: 0, output: 0, other: 0 };
  for (const { name, bytes } of tensors) {
    const block = blockOf(name);
    const before = block === undefined ? undefined : blocks[block];
    if (block !== undefined && before !== undefined) blocks[block] = before + bytes;
    else sums[PLACES.get(name.split('.')[0] ?? '') ?? 'other'] += bytes;
  }
  return { blocks, ...sums, tiedEmbeddings: !tensors.some(({ name }) => name === 'output.weight') };
}

function blockOf(name: string): number | undefined {
  const digits = /^blk\.(\d{1,6})\./.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Bytes of all tensors, each once. */
export function totalWeightBytes(weights: WeightBytes): number {
  const blocks = weights.blocks.reduce((sum, bytes) => sum + bytes, 0);
  const { tokenEmbedding, perLayerEmbedding, perLayerProjection, output, other } = weights;
  return blocks + tokenEmbedding + perLayerEmbedding + perLayerProjection + output + other;
}
