import { architectureFacts } from '../../catalog/architectures.ts';
import { atLayer, type Hyperparameters, largestLayer, layerShapes } from '../../catalog/quant-schema.ts';
import type { RunSettings } from '../schema.ts';
import { cacheCells, effectiveBatch, hasWindow, isGlobal } from './kv.ts';

/** How sure the formulas below are for an architecture. */
export type Fit = 'exact' | 'family' | 'wide';

/** The widths of a network that buffers are made of, in values per token. */
export interface Widths {
  readonly embedding: number;
  readonly feedForward: number;
  readonly query: number;
  readonly key: number;
  /** Per-layer embeddings of all layers; 0 where there are none. */
  readonly perLayer: number;
  readonly vocabulary: number;
}

export interface Moments {
  /** Values per token that are alive at the widest point of a feed-forward block. */
  readonly feedForward: number;
  /** The same in attention, without the scores. */
  readonly attention: number;
  /** The same at the output layer where the logits of every token are kept. */
  readonly logits: number;
}

const F32 = 4;
const INDEX = 8;

/** Activations that Gemma 3n's AltUp keeps side by side. */
const ALTUP_INPUTS = 4;

export function fitOf(architecture: string): Fit {
  return architectureFacts(architecture).computeFormula?.value ?? 'wide';
}

export function widthsOf(hyperparameters: Hyperparameters): Widths {
  const { blockCount, perLayerEmbeddingLength } = hyperparameters;
  // Buffers are made for the widest layer.
  const shapes = layerShapes(hyperparameters);
  return {
    embedding: hyperparameters.embeddingLength,
    feedForward: largestLayer(hyperparameters.feedForwardLength),
    query: Math.max(...shapes.map(({ query }) => query)),
    key: Math.max(...shapes.map(({ keys }) => keys)),
    perLayer: perLayerEmbeddingLength * blockCount,
    vocabulary: hyperparameters.vocabularySize,
  };
}

/**
 * What is alive at the three widest points of the graph, in values (f32) per token of a micro-batch, found from what
 * llama.cpp's graph allocator reserves (docs/fit.md): it is linear in the widths of the network, and the coefficients
 * are small whole numbers, since tensors are reused whole. On a CPU the looked-up embedding lives in the same buffer.
 */
export function momentsOf(hyperparameters: Hyperparameters, settings: RunSettings, onGpu: boolean): Moments {
  const widths = widthsOf(hyperparameters);
  if (widths.perLayer > 0) return onGpu ? gemma3nOnGpu(widths, settings) : gemma3nOnCpu(widths, settings);
  const { embedding: e, feedForward: f, query: q, vocabulary } = widths;
  const plain = !settings.flashAttention;
  const rotated = settings.flashAttention && settings.kvType !== 'f16';
  const moments = {
    feedForward: 3 * f + 2 * e + q + (plain ? q : 0),
    attention: 2 * e + 2 * q,
    logits: vocabulary + e,
  };
  if (onGpu) return moments;
  // A feed-forward that does not fit where the queries were leaves their rotated copy in the way.
  const inTheWay = rotated && f > 2 * q ? q : 0;
  // Long contexts without flash attention: the logits do not fit where the scores were either.
  const besideScores =
    plain && f > 2 * q && 2 * largestLayer(hyperparameters.headCount) * paddedContext(settings) >= vocabulary;
  return {
    feedForward: moments.feedForward + e + 1 + inTheWay,
    attention: moments.attention + e + 1,
    logits: moments.logits + 2 * e + 1 + (besideScores ? 3 * f : 0),
  };
}

function gemma3nOnGpu(widths: Widths, settings: RunSettings): Moments {
  const { embedding: e, feedForward: f, perLayer: p, vocabulary } = widths;
  // Where the activations end up beside the logits depends on the context; the lesser arrangements are not modelled.
  const besideLogits = !settings.flashAttention && paddedContext(settings) >= ALTUP_INPUTS * e ? 9 : 6;
  // Where the feed-forward is narrow, preparing the per-layer embeddings takes more.
  const feedForward = Math.max(3 * f + p + 9 * e, 4 * p + 4 * e);
  return { feedForward, attention: p + 7 * e, logits: vocabulary + besideLogits * e };
}

/** On a CPU the per-layer embeddings are looked up in the same buffer; whether AltUp's activations fit where they were decides. */
function gemma3nOnCpu(widths: Widths, settings: RunSettings): Moments {
  const { embedding: e, feedForward: f, perLayer: p, key, vocabulary } = widths;
  const logits = vocabulary + (ALTUP_INPUTS * e <= p ? 5 : 7) * e + 1;
  if (ALTUP_INPUTS * e <= p) {
    const feedForward = 2 * f + 2 * p + (settings.flashAttention ? 13 : 12) * e + 2;
    return { feedForward: Math.max(feedForward, 5 * p + 2 * e + 1), attention: p + 8 * e + 2, logits };
  }
  return { feedForward: 2 * f + 2 * p + 10 * e + 2, attention: 2 * p + 10 * e - key + 2, logits };
}

function paddedContext({ contextLength }: RunSettings): number {
  return Math.ceil(contextLength / 256) * 256;
}

/**
 * Bytes that the graph's inputs take for one micro-batch: attention masks (f16 with flash attention), positions, where
 * to write into the caches (without flash attention V is stored transposed, one index a value), and, for a quantised
 * cache, the matrices that rotate keys and values.
 */
export function inputBytes(hyperparameters: Hyperparameters, settings: RunSettings): number {
  const { full, windowed } = cacheCells(hyperparameters, settings);
  const caches = hasWindow(hyperparameters) ? 2 : 1;
  const { flashAttention, kvType } = settings;
  const maskValue = flashAttention ? 2 : F32;
  const masks = maskValue * (caches === 2 ? full + windowed : full);
  const valueIndices = flashAttention ? 1 : Math.max(...layerShapes(hyperparameters).map(({ values }) => values));
  const perToken = masks + F32 + caches * INDEX * (1 + valueIndices);
  return effectiveBatch(settings) * perToken + (kvType === 'f16' ? 0 : rotationBytes(hyperparameters));
}

/**
 * Square f32 matrices for each cache: for keys the largest power of two that divides a head, for values 64
 * (`build_input_k_rot`). The layers of one cache have heads of one width.
 */
function rotationBytes(hyperparameters: Hyperparameters): number {
  const { blockCount } = hyperparameters;
  const first = Array.from({ length: blockCount }, (_, layer) => layer);
  const layers = [
    first.find((layer) => isGlobal(hyperparameters, layer)),
    first.find((layer) => !isGlobal(hyperparameters, layer)),
  ];
  return layers.reduce((sum: number, layer) => sum + (layer === undefined ? 0 : rotationOf(hyperparameters, layer)), 0);
}

function rotationOf(hyperparameters: Hyperparameters, layer: number): number {
  const keyLength = atLayer(hyperparameters.keyLength, layer);
  const valueLength = atLayer(hyperparameters.valueLength, layer);
  if (keyLength % 64 !== 0 || valueLength % 64 !== 0) return 0;
  let side = 64;
  while (keyLength % (side * 2) === 0) side *= 2;
  return F32 * (side * side + 64 * 64);
}

const F16 = 2;

/**
 * The same three points of the graph that Ollama before 0.30 builds itself, from above. Found from what 0.10.0 and 0.24.0
 * say they allocate on a CPU for Gemma 3 270m and 1b and Gemma 3n E2B and E4B (docs/fit.md); on GPUs the same is assumed.
 * Logits are one row a slot in all of them.
 */
export function ollamaMoments(hyperparameters: Hyperparameters, { flashAttention }: RunSettings): Moments {
  const { embedding: e, feedForward: f, query: q, perLayer: p, vocabulary } = widthsOf(hyperparameters);
  if (p > 0) {
    return { feedForward: 3 * f + p + (flashAttention ? 13 : 11) * e, attention: p + 11 * e, logits: vocabulary };
  }
  return { feedForward: 3 * f + 2 * e + 2 * q, attention: 2 * e + 2 * q, logits: vocabulary };
}

/** Attention masks, f16 with flash attention; without it their room is used again for the scores. */
export function ollamaInputBytes(hyperparameters: Hyperparameters, settings: RunSettings): number {
  if (!settings.flashAttention) return 0;
  const { full, windowed } = cacheCells(hyperparameters, settings);
  return F16 * effectiveBatch(settings) * (hasWindow(hyperparameters) ? full + windowed : full);
}
