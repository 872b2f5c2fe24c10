import { atLayer, type Hyperparameters } from '../../catalog/quant-schema.ts';
import type { RunSettings } from '../schema.ts';
import { type Moments, widthsOf } from './graph.ts';

/**
 * What is alive at the three widest points of Gemma 4's graph, in values (f32) per token of a micro-batch, found from what
 * llama.cpp's graph allocator reserves for the five published shapes (docs/fit.md). Without per-layer embeddings and experts
 * it is the graph of Gemma 3; where the allocator's gaps make a difference the larger arrangement is taken. `inputs` are the
 * graph's own inputs in values per token: at the output layer their room is used again, if it is large enough.
 */
export function gemma4Moments(
  hyperparameters: Hyperparameters,
  settings: RunSettings,
  onGpu: boolean,
  inputs: number,
): Moments {
  if (hyperparameters.perLayerEmbeddingLength > 0) return withPerLayer(hyperparameters, settings, onGpu, inputs);
  if (hyperparameters.experts !== undefined) return withExperts(hyperparameters, settings, onGpu, inputs);
  return dense(hyperparameters, settings, onGpu, inputs);
}

function dense(hyperparameters: Hyperparameters, settings: RunSettings, onGpu: boolean, inputs: number): Moments {
  const { embedding: e, feedForward: f, query: q, vocabulary } = widthsOf(hyperparameters);
  const lookup = onGpu ? 0 : e + 1;
  return {
    feedForward: 3 * f + 2 * e + (settings.flashAttention ? (onGpu ? q : besideLookup(hyperparameters)) : 0) + lookup,
    attention: 2 * e + 2 * q + lookup,
    logits: vocabulary + denseLogits(hyperparameters, settings, onGpu, inputs),
  };
}

/** Queries of all heads are wider than three embeddings (31B): they leave gaps that others fit into, or do not. */
function hasWideQueries(hyperparameters: Hyperparameters): boolean {
  const { embedding, query } = widthsOf(hyperparameters);
  return query > 3 * embedding;
}

/** What of the queries is beside a feed-forward where the activations are in the same buffer as well. */
function besideLookup(hyperparameters: Hyperparameters): number {
  return hasWideQueries(hyperparameters) ? localQuery(hyperparameters) : widthsOf(hyperparameters).query;
}

/** Beside the logits of a whole batch. */
function denseLogits(
  hyperparameters: Hyperparameters,
  { flashAttention, kvType }: RunSettings,
  onGpu: boolean,
  inputs: number,
): number {
  const { embedding: e, feedForward: f, query: q } = widthsOf(hyperparameters);
  const wideQueries = hasWideQueries(hyperparameters);
  // Without flash attention the scores leave a gap that the logits do not fit into.
  if (!flashAttention) return f + q;
  if (onGpu) {
    if (wideQueries && kvType !== 'f16') return 3 * e + inputs;
    return 2 * e + (inputs < e ? inputs : 0);
  }
  if (inputs >= 3 * e && kvType === 'f16') return 3 * e + 2;
  if (inputs >= e) return 2 * e + inputs + 2;
  return (wideQueries ? f + q : 3 * e) + inputs + 2;
}

/** The outputs of the experts that a token uses, before and after they are weighted, are wider than the network itself. */
function withExperts(hyperparameters: Hyperparameters, settings: RunSettings, onGpu: boolean, inputs: number): Moments {
  const { embedding: e, feedForward: f, query: q, vocabulary } = widthsOf(hyperparameters);
  const { flashAttention } = settings;
  const outputs = 2 * (hyperparameters.experts?.used ?? 0) * e;
  const local = localQuery(hyperparameters);
  const beside = flashAttention ? Math.max(e, local) : e;
  const lookup = onGpu ? 0 : e + 1;
  return {
    feedForward: outputs + (onGpu ? beside : Math.max(beside, flashAttention ? 0 : 2 * e) + 1),
    attention: (flashAttention ? 3 * e + 2 * q + local : 2 * e + 2 * q + f + Math.max(e, local)) + lookup,
    logits: vocabulary + expertLogits({ e, f }, flashAttention, onGpu, inputs),
  };
}

function expertLogits(
  { e, f }: { readonly e: number; readonly f: number },
  flashAttention: boolean,
  onGpu: boolean,
  inputs: number,
): number {
  if (!onGpu) return inputs < 2 * e ? 4 * e + f + inputs + 2 : 5 * e + f + 2;
  if (!flashAttention) return 4 * e + f;
  return inputs < e + f ? 3 * e + f + inputs : 2 * e + f;
}

function withPerLayer(
  hyperparameters: Hyperparameters,
  settings: RunSettings,
  onGpu: boolean,
  inputs: number,
): Moments {
  const { embedding: e, feedForward: f, query: q, key: k, perLayer: p, vocabulary } = widthsOf(hyperparameters);
  const { flashAttention, kvType } = settings;
  // Where attention ends up when the per-layer embeddings have been prepared.
  const scored = p + 3 * e + 2 * q + 3 * hyperparameters.perLayerEmbeddingLength;
  // A feed-forward wider than the per-layer embeddings of all layers does not fit where these were prepared (E2B).
  const wide = f + p + 5 * e + q;
  if (onGpu) {
    return {
      feedForward: flashAttention ? 4 * f + p : 3 * f + scored,
      attention: flashAttention ? p + 8 * e + q : scored,
      logits: vocabulary + p + 3 * e + (flashAttention ? 0 : f + k) + inputs,
    };
  }
  const rotated = flashAttention && kvType !== 'f16';
  const shortInputs = inputs < 2 * e;
  const beside = f > p ? (shortInputs ? wide : 3 * e) : shortInputs && rotated ? f + p + 3 * e : 4 * e;
  return {
    feedForward: Math.max(3 * f + p + 4 * e + q, 5 * p + e + k) + 2,
    attention: (f > p ? wide : scored + e) + 2,
    logits: vocabulary + beside + inputs + 3,
  };
}

/**
 * Values per token that GPUs which take turns pass on in four copies: the activations, and the per-layer embeddings of the
 * layers on the last one.
 */
export function gemma4PassedOn(
  hyperparameters: Hyperparameters,
  settings: RunSettings,
  pipelined: 'last' | 'earlier',
  copies: number,
  blocks: number,
): Moments {
  const { embedding: e, feedForward: f, query: q, perLayer: p } = widthsOf(hyperparameters);
  if (p === 0) {
    const values = copies * e * (pipelined === 'last' ? 2 : 1);
    const gap =
      settings.flashAttention && hyperparameters.experts === undefined ? q - besideLookup(hyperparameters) : 0;
    const more = hasWideQueries(hyperparameters) ? 3 * e : 0;
    return { feedForward: values - gap, attention: values, logits: values + more };
  }
  if (pipelined === 'earlier') return { feedForward: copies * (p + e), attention: copies * (p + e) + e, logits: 0 };
  const own = gemma4Moments(hyperparameters, settings, true, 0);
  const passed = copies * (hyperparameters.perLayerEmbeddingLength * blocks + 2 * e) + 2 * e;
  // The per-layer embeddings were prepared elsewhere: what the device holds of them is in `passed`.
  return {
    feedForward: passed + 3 * f + q - own.feedForward,
    attention: passed + 2 * q + (settings.flashAttention ? localQuery(hyperparameters) : 0) - own.attention,
    logits: passed - p - 3 * e,
  };
}

/** Width of all heads' queries in a layer that sees only a window. */
function localQuery({ headCount, keyLength }: Hyperparameters): number {
  return atLayer(headCount, 0) * atLayer(keyLength, 0);
}
