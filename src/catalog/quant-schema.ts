/** A model's quants, their sizes and where they can be had. */
import * as z from 'zod';
import { Digest } from '../core/digest.ts';
import { Bytes, Count, Sourced, Text } from './ids.ts';

/**
 * `q5_k_m`: lower case inside ids, accepted in any case from users. After a dash, the checkpoint that was quantised where
 * it is another one: `q4_0-qat` comes from weights that were trained for Q4_0.
 */
export const QuantId = z
  .string()
  .regex(/^[a-z][a-z0-9_]{1,15}(?:-[a-z0-9]{1,8})?$/, 'must be a quant in lower case such as q5_k_m or q4_0-qat');
/** `gemma-3n-e4b`. */
export const ModelId = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]{0,63}$/, 'must be lower-case letters, digits, dots and dashes');

/** A number that all layers share, or one number for each layer, the first layer first. */
export const PerLayer = z.union([Count, z.array(Count).min(1)]);
export type PerLayer = z.infer<typeof PerLayer>;

export function atLayer(value: PerLayer, layer: number): number {
  return typeof value === 'number' ? value : (value[layer] ?? 0);
}

export function largestLayer(value: PerLayer): number {
  return typeof value === 'number' ? value : Math.max(...value);
}

/** Feed-forward networks of which each token uses a few, beside one that all tokens use. */
export const Experts = z.strictObject({
  /** How many each block has. */
  count: Count,
  /** How many a token uses. */
  used: Count,
  /** Width of one of them. */
  feedForwardLength: Count,
});
export type Experts = z.infer<typeof Experts>;

/** The shape of the network, in the words of the GGUF keys that carry it. */
export const Hyperparameters = z.strictObject({
  blockCount: Count,
  embeddingLength: Count,
  feedForwardLength: PerLayer,
  headCount: PerLayer,
  headCountKv: PerLayer,
  /** Width of one head's keys. */
  keyLength: PerLayer,
  /** Width of one head's values. */
  valueLength: PerLayer,
  contextLength: Count,
  /** Tokens that a local layer sees; absent where every layer is global. */
  slidingWindow: Count.optional(),
  /** Every n-th layer is global, the others are local; absent without a window. */
  slidingPattern: Count.optional(),
  /** Layers at the end that own no KV cache but reuse an earlier one. */
  sharedKvLayers: z.int().nonnegative(),
  /** Width of the per-layer embeddings (Gemma 3n, Gemma 4 E2B and E4B); 0 where there are none. */
  perLayerEmbeddingLength: z.int().nonnegative(),
  vocabularySize: Count,
  /** Absent where every token uses all weights. */
  experts: Experts.optional(),
});
export type Hyperparameters = z.infer<typeof Hyperparameters>;

/** Widths of one layer, in values per token. */
export interface LayerShape {
  readonly feedForward: number;
  readonly query: number;
  readonly keys: number;
  readonly values: number;
}

export function layerShape(hyperparameters: Hyperparameters, layer: number): LayerShape {
  const { feedForwardLength, headCount, headCountKv, keyLength, valueLength } = hyperparameters;
  const headsKv = atLayer(headCountKv, layer);
  return {
    feedForward: atLayer(feedForwardLength, layer),
    query: atLayer(headCount, layer) * atLayer(keyLength, layer),
    keys: headsKv * atLayer(keyLength, layer),
    values: headsKv * atLayer(valueLength, layer),
  };
}

const shapesOf = new WeakMap<Hyperparameters, readonly LayerShape[]>();

/** The shapes that layers have: one where all are the same, else one for each layer, the first layer first. */
export function layerShapes(hyperparameters: Hyperparameters): readonly LayerShape[] {
  // A ranking estimates thousands of times.
  const known = shapesOf.get(hyperparameters);
  if (known !== undefined) return known;
  const shapes = everyShape(hyperparameters);
  shapesOf.set(hyperparameters, shapes);
  return shapes;
}

function everyShape(hyperparameters: Hyperparameters): LayerShape[] {
  const { feedForwardLength, headCount, headCountKv, keyLength, valueLength, blockCount } = hyperparameters;
  const widths = [feedForwardLength, headCount, headCountKv, keyLength, valueLength];
  const count = widths.every((width) => typeof width === 'number') ? 1 : blockCount;
  return Array.from({ length: count }, (_, layer) => layerShape(hyperparameters, layer));
}

/** Tensor bytes of one file by where an engine places them; taken from tensors, never from the quant's name. */
export const WeightBytes = z.strictObject({
  /** Bytes of `blk.N.*`, one entry a block. */
  blocks: z.array(Bytes),
  /** `token_embd`; with tied embeddings engines also copy it as the output matrix. */
  tokenEmbedding: Bytes,
  /** `per_layer_token_embd` of Gemma 3n, else 0. */
  perLayerEmbedding: Bytes,
  /** `per_layer_model_proj` and `per_layer_proj_norm`, else 0. */
  perLayerProjection: Bytes,
  /** `output*`, `output_norm`, `altup_proj`, `altup_unembd_proj`. */
  output: Bytes,
  /** Whatever fits none of the above (projector tensors included). */
  other: Bytes,
  /** True where the file has no `output.weight`, so `token_embd` serves as both. */
  tiedEmbeddings: z.boolean(),
});
export type WeightBytes = z.infer<typeof WeightBytes>;

/** What the model card prints about a quant, kept as printed. The card's "GB" are GiB. */
export const CardQuant = z.strictObject({
  sizeGiB: z.number().positive(),
  /** Against F16: 2.8 means a file 2.8 times smaller. */
  compression: z.number().min(1),
  /** 1 to 5 stars. */
  quality: z.int().min(1).max(5),
  use: z.string().min(1),
  /** What the card's file list says of the file: `5-bit K-quant medium`. */
  label: Text.optional(),
});

/** Where the bytes of a quant can be had, best first. What is named must stay the same: `check-source.ts` says how. */
export const QuantSource = z.strictObject({
  /** `hf:owner/repo@commit/file.gguf`, `oci:host/repo@sha256:…` or `https://…`. */
  ref: z
    .string()
    .regex(/^(hf|oci|https):[^\s\p{Cc}]{1,2048}$/u, 'must be a reference that begins with hf:, oci: or https:'),
  /** What the bytes must be; default the quant's own digest. */
  digest: Digest.optional(),
  sizeBytes: Count.optional(),
});
export type QuantSource = z.infer<typeof QuantSource>;

export const Quant = z.strictObject({
  id: QuantId,
  /** File name in the publisher's collection, no folder. */
  file: z.string().regex(/^[^/\\]+\.gguf$/, 'must be a .gguf file name without a folder'),
  card: CardQuant.optional(),
  /** Bits of quality per weight order: 1 (worst) to 5; the card's stars where it has them. */
  quality: z.int().min(1).max(5),
  /** Exact sum of all tensors' bytes, with its source. */
  tensorBytes: Sourced.optional(),
  /** Exact bytes of the whole file, where a published file is known. */
  fileBytes: Sourced.optional(),
  digest: Digest.optional(),
  /** Path inside this package of a file that ships with it. */
  bundled: z
    .string()
    .regex(
      /^(?!.*(?:^|\/)\.\.?(?:\/|$))[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+)*$/,
      'must be a relative path inside the package',
    )
    .optional(),
  sources: z.array(QuantSource).min(1).max(20).optional(),
  weights: WeightBytes.optional(),
  note: z.string().optional(),
});
export type Quant = z.infer<typeof Quant>;
