import { architectureFacts } from '../../catalog/architectures.ts';
import { type Hyperparameters, largestLayer, layerShapes } from '../../catalog/quant-schema.ts';
import type { RunSettings } from '../schema.ts';
import { gemma4Moments, gemma4PassedOn } from './gemma4.ts';
import {
  type Fit,
  fitOf,
  inputBytes,
  type Moments,
  momentsOf,
  ollamaInputBytes,
  ollamaMoments,
  widthsOf,
} from './graph.ts';
import { cacheCells, effectiveBatch, isGlobal } from './kv.ts';

const F32 = 4;
const F16 = 2;

/** Added to the estimate of an architecture whose graph nothing here was compared with. */
const WIDE = 1.5;

/** Copies of its inputs that llama.cpp keeps when it lets several GPUs work at once (`GGML_SCHED_MAX_COPIES`). */
const PIPELINE_COPIES = 4;

/** Smaller batches stay where the weights are; larger ones are computed on the GPU (`op_offload_min_batch_size` in ggml-cuda). */
const OFFLOADED_BATCH = 32;

export interface ComputeBuffer {
  readonly bytes: number;
  readonly basis: string;
}

/** Where a compute buffer is and what it must hold besides the layers' own activations. */
export interface Place {
  readonly onGpu: boolean;
  /** Logits of every token of a micro-batch, not one row a slot. */
  readonly allLogits: boolean;
  /** The graph is the one that Ollama before 0.30 builds, not llama.cpp's. */
  readonly ollamaGraph?: boolean;
  /** Several GPUs take turns, each with four copies of its inputs: the first ones get fewer than the last. */
  readonly pipelined?: 'last' | 'earlier';
  /** Blocks on the device. */
  readonly blocks?: number;
  /** Bytes of caches on other devices that layers here use: each layer has a copy. */
  readonly borrowedBytes?: number;
  /** What a GPU fetches from RAM, layer by layer, when only a part of the layers is on it. */
  readonly fetched?: { readonly matrixBytes: number; readonly cacheBytes: number };
}

/**
 * The scratch buffer of one device that computes layers, in bytes: the inputs of the graph and whichever is widest of
 * feed-forward, attention and output. For Gemma 3n, Gemma 3 and networks of their shape this is what llama.cpp
 * reserves (docs/fit.md has the errors); for other architectures it is made half as large again.
 */
export function computeBuffer(
  architecture: string,
  hyperparameters: Hyperparameters,
  settings: RunSettings,
  where: Place,
): ComputeBuffer {
  const batch = effectiveBatch(settings);
  const own = where.ollamaGraph === true;
  const isGemma4 = architectureFacts(architecture).computeGraph?.value === 'gemma4';
  const fit = fitOf(architecture);
  const input = own
    ? ollamaInputBytes(hyperparameters, settings) + (isGemma4 ? gemma4MaskCopies(hyperparameters, settings) : 0)
    : inputBytes(hyperparameters, settings);
  const inputs = input * (where.pipelined === undefined ? 1 : PIPELINE_COPIES);
  const moments = momentsAt(hyperparameters, settings, where, isGemma4, input / F32 / batch);
  const passed = passedOn(hyperparameters, settings, where, isGemma4);
  const values = (moment: number, more: number): number => (moment + more) * F32 * batch;
  const attention =
    values(moments.attention, passed.attention) + scoreBytes(hyperparameters, settings, where.onGpu) + inputs;
  const layers = Math.max(values(moments.feedForward, passed.feedForward) + inputs, attention);
  const allLogits = (where.allLogits || fit === 'wide') && where.pipelined !== 'earlier';
  // At the output layer the inputs are no longer needed, unless they are kept for another batch.
  const kept = where.pipelined === undefined ? 0 : inputs;
  const widest = allLogits ? Math.max(layers, values(moments.logits, passed.logits) + kept) : layers;
  const borrowed = (where.borrowedBytes ?? 0) * (where.pipelined === undefined ? 1 : PIPELINE_COPIES);
  const bytes = widest * (fit === 'wide' ? WIDE : 1) + borrowed + fetchedBytes(hyperparameters, settings, where);
  return { bytes: Math.ceil(bytes), basis: basisOf(fit, allLogits, where) };
}

/** What Ollama 0.24.0 takes for Gemma 4 E2B beyond the f16 mask, from two loads on a CPU: 10 bytes for each token and cell. */
function gemma4MaskCopies(hyperparameters: Hyperparameters, settings: RunSettings): number {
  if (!settings.flashAttention) return 0;
  return 10 * effectiveBatch(settings) * cacheCells(hyperparameters, settings).full;
}

function momentsAt(
  hyperparameters: Hyperparameters,
  settings: RunSettings,
  { onGpu, ollamaGraph, pipelined }: Place,
  isGemma4: boolean,
  inputs: number,
): Moments {
  // Inputs that are kept for another batch are counted with it.
  const own = (): Moments => gemma4Moments(hyperparameters, settings, onGpu, pipelined === undefined ? inputs : 0);
  if (ollamaGraph !== true) return isGemma4 ? own() : momentsOf(hyperparameters, settings, onGpu);
  const moments = ollamaMoments(hyperparameters, settings);
  if (!isGemma4) return moments;
  const { feedForward, attention } = own();
  return {
    feedForward: Math.max(moments.feedForward, feedForward),
    attention: Math.max(moments.attention, attention),
    logits: moments.logits,
  };
}

/**
 * Without flash attention the scores of all heads. With it, and a quantised cache on a GPU, the f16 copies of keys and
 * values that CUDA makes for a layer (`ggml_cuda_flash_attn_ext_get_alloc_size`, llama.cpp b10488).
 */
function scoreBytes(hyperparameters: Hyperparameters, settings: RunSettings, onGpu: boolean): number {
  const { headCount } = hyperparameters;
  const { full, windowed } = cacheCells(hyperparameters, settings);
  if (!settings.flashAttention) return F32 * effectiveBatch(settings) * largestLayer(headCount) * full;
  if (settings.kvType === 'f16' || !onGpu) return 0;
  const copies = layerShapes(hyperparameters).map(({ keys, values }, layer, shapes) => {
    const cells = shapes.length === 1 || isGlobal(hyperparameters, layer) ? full : windowed;
    return cells * (keys + values);
  });
  return F16 * settings.parallel * Math.max(...copies);
}

/** Values per token that GPUs which take turns pass on, in four copies; for Gemma 3n with its per-layer embeddings and four streams, fitted. */
function passedOn(
  hyperparameters: Hyperparameters,
  settings: RunSettings,
  { pipelined, blocks = 0 }: Place,
  isGemma4: boolean,
): Moments {
  if (pipelined === undefined) return { feedForward: 0, attention: 0, logits: 0 };
  if (isGemma4) return gemma4PassedOn(hyperparameters, settings, pipelined, PIPELINE_COPIES, blocks);
  const { embedding: e, perLayer: p } = widthsOf(hyperparameters);
  if (p === 0) {
    const values = PIPELINE_COPIES * e * (pipelined === 'last' ? 2 : 1);
    return { feedForward: values, attention: values, logits: values };
  }
  return pipelined === 'last'
    ? { feedForward: 57 * e + 16 - p, attention: 5 * p + 40 * e, logits: 5 * p + 40 * e }
    : { feedForward: 4 * p + 39 * e, attention: 4 * p + 41 * e, logits: 0 };
}

/**
 * When a part of the layers is on the CPU, large batches are computed on the GPU nevertheless, where a matrix lies in
 * plain RAM: one matrix at a time, and the cache of a layer, are copied there, and activations go to and fro. How these
 * copies lie beside the rest is not modelled: an upper bound, fitted.
 */
function fetchedBytes(hyperparameters: Hyperparameters, settings: RunSettings, { fetched }: Place): number {
  const batch = effectiveBatch(settings);
  if (fetched === undefined || batch < OFFLOADED_BATCH) return 0;
  const activations = 4 * hyperparameters.embeddingLength * F32 * batch;
  return fetched.matrixBytes + fetched.cacheBytes * (settings.flashAttention ? 1.25 : 1.6) + activations;
}

/**
 * What the CPU keeps while a GPU computes the layers: the inputs of the graph, the looked-up embeddings (of tokens, and
 * per layer) and their scaled copies.
 */
export function lookupBuffer(hyperparameters: Hyperparameters, settings: RunSettings, pipelined = false): number {
  const { embedding, perLayer } = widthsOf(hyperparameters);
  const ids = perLayer > 0 ? 2 : 1;
  const copies = pipelined ? PIPELINE_COPIES : 1;
  const values = perLayer + 2 * embedding + ids * copies;
  return copies * inputBytes(hyperparameters, settings) + values * F32 * effectiveBatch(settings);
}

/** One row of logits per slot, in host memory. */
export function outputBuffer(hyperparameters: Hyperparameters, settings: RunSettings): number {
  return F32 * hyperparameters.vocabularySize * settings.parallel;
}

function basisOf(fit: Fit, allLogits: boolean, { fetched, pipelined, ollamaGraph }: Place): string {
  const logits = allLogits ? 'logits of the whole batch' : 'one row of logits';
  if (fit === 'wide')
    return `no comparison for this architecture: a network of the usual shape, half as much added, ${logits}`;
  const compared = ollamaGraph
    ? 'upper bound for what Ollama 0.10.0 and 0.24.0 report'
    : 'formula validated against llama.cpp’s own reservations';
  const source = fit === 'exact' ? compared : 'formula of Gemma 3, whose graph has the same shape';
  const more = [
    ...(fetched === undefined ? [] : ['upper bound for what is fetched from RAM']),
    ...(pipelined === undefined ? [] : ['four copies of the inputs for GPUs that take turns']),
  ];
  return [source, logits, ...more].join(', ');
}

/** How much more a block's largest matrix may take than its share of the weights: `ffn_down` is often of a larger type. */
const LARGER_TYPE = 1.3;

/**
 * Bytes of the largest matrix of some blocks, from above: the feed-forward's share of a block's weights, as if its
 * tensors were of one type, and something for those that are not.
 */
export function largestMatrix(hyperparameters: Hyperparameters, blocks: readonly number[]): number {
  const { embeddingLength: e, experts } = hyperparameters;
  // Gate and up of all experts are one matrix.
  const fused = experts === undefined ? 0 : 2 * e * experts.feedForwardLength * experts.count;
  const shares = layerShapes(hyperparameters).map(({ feedForward, query, keys, values }) => {
    const own = feedForward * e;
    return { matrix: Math.max(own, fused), whole: 3 * own + 1.5 * fused + e * (2 * query + keys + values) };
  });
  const largestBlock = Math.max(0, ...blocks);
  return Math.max(...shares.map(({ matrix, whole }) => (largestBlock * matrix * LARGER_TYPE) / whole));
}
