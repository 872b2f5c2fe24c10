import { architectureFacts } from '../../catalog/architectures.ts';
import { atLayer, type Hyperparameters, layerShape, type WeightBytes } from '../../catalog/quant-schema.ts';
import type { EngineTraits } from '../memory/engines.ts';
import { kvBytesByLayer } from '../memory/kv.ts';
import { type Placement, sharesOf, sum } from '../memory/weights.ts';
import type { RunSettings } from '../schema.ts';

/** What has to be done for one token in one place. */
export interface Work {
  /** Bytes of weights that are multiplied for one token: each is read once. */
  readonly weightBytes: number;
  /** The same for a batch of tokens of a prompt: of experts, all are read, since other tokens use other ones. */
  readonly batchBytes: number;
  /** Weights that are multiplied; a multiplication and an addition each. */
  readonly weights: number;
  /** Those of them that are multiplied for every token of a prompt: logits are made for its last one only. */
  readonly promptWeights: number;
  /** Bytes of the KV cache that are read with `CACHED_TOKENS` tokens in it. */
  readonly cacheBytes: number;
  /** The same with a full context. */
  readonly fullCacheBytes: number;
  /** Nodes of the graph that start something on the device. */
  readonly nodes: number;
}

export interface WorkSplit {
  /** One for each GPU that has layers. */
  readonly gpus: readonly Work[];
  readonly cpu: Work;
}

/** A conversation of some turns; the estimate is for this many tokens in the context, or for all that it holds. */
const CACHED_TOKENS = 1024;

/** Nodes that llama.cpp's graph has per block where `architectures.json` has no number: 1,360 for Gemma 3 4B by its scheduler's log. */
const USUAL_NODES = 40;

/**
 * What one token costs on each GPU and on the CPU. Not read are the token and per-layer embeddings (one row of each is),
 * experts that the token does not use, and keys and values of blocks that use an earlier block's cache: their matrices are
 * in the file but never multiplied.
 */
export function workOf(
  architecture: string,
  hyperparameters: Hyperparameters,
  weights: WeightBytes,
  settings: RunSettings,
  engine: Pick<EngineTraits, 'outputFirst'>,
  placement: Placement,
): WorkSplit {
  const count = weights.blocks.length;
  const output = outputWork(hyperparameters, weights);
  const read = readShare(architecture, hyperparameters, weights);
  const cached = cacheBytesPerToken(hyperparameters, settings);
  const nodes = architectureFacts(architecture).graphNodesPerBlock?.value ?? USUAL_NODES;
  const blocks = weights.blocks.map((bytes, block) =>
    blockWork(
      hyperparameters,
      {
        bytes: bytes * read,
        stored: blockWeights(architecture, hyperparameters, block),
        cached: cached[block] ?? 0,
        nodes,
      },
      settings.contextLength,
      block,
    ),
  );
  const projection = projectionWork(hyperparameters, weights);
  const shares = sharesOf(placement, count, engine);
  const gpus = shares.map((share) =>
    added([
      ...blocks.slice(share.from, share.to),
      ...(share.output ? [output] : []),
      ...(share.from === 0 && share.to > 0 ? [projection] : []),
    ]),
  );
  const onCpu = shares[0]?.from ?? count;
  const cpu = added([
    ...blocks.slice(0, onCpu),
    ...(shares.some((share) => share.output) ? [] : [output]),
    ...(onCpu > 0 || count === 0 ? [projection] : []),
  ]);
  return { gpus, cpu };
}

/** Where only the size of a file is known its blocks have all of it, also the per-layer embeddings, which are not read. */
function readShare(architecture: string, hyperparameters: Hyperparameters, weights: WeightBytes): number {
  const { perLayerEmbeddingLength, blockCount, vocabularySize, embeddingLength } = hyperparameters;
  if (perLayerEmbeddingLength === 0 || weights.perLayerEmbedding > 0) return 1;
  const inBlocks = sum(
    Array.from({ length: blockCount }, (_, block) => blockWeights(architecture, hyperparameters, block)),
  );
  const read = inBlocks + vocabularySize * embeddingLength;
  return read / (read + perLayerEmbeddingLength * blockCount * vocabularySize);
}

/** What all blocks of a model have in common, but for the bytes. */
interface Block {
  readonly bytes: number;
  /** Weights of its matrices. */
  readonly stored: number;
  /** Bytes of keys and values of one token. */
  readonly cached: number;
  readonly nodes: number;
}

function blockWork(
  hyperparameters: Hyperparameters,
  { bytes, stored, cached, nodes }: Block,
  contextLength: number,
  block: number,
): Work {
  const { embeddingLength, blockCount, sharedKvLayers } = hyperparameters;
  const { keys, values } = layerShape(hyperparameters, block);
  const keysAndValues = embeddingLength * (keys + values);
  const inBatch = block < blockCount - sharedKvLayers ? stored : stored - keysAndValues;
  const multiplied = inBatch - unusedExperts(hyperparameters);
  const seen = (tokens: number): number => Math.min(tokens, windowOf(hyperparameters, block)) * cached;
  return {
    weightBytes: (bytes * multiplied) / stored,
    batchBytes: (bytes * inBatch) / stored,
    weights: multiplied,
    promptWeights: multiplied,
    cacheBytes: seen(Math.min(CACHED_TOKENS, contextLength)),
    fullCacheBytes: seen(contextLength),
    nodes,
  };
}

/** Weights of a block's matrices by its shape: attention, a gated feed-forward network, experts, and what Gemma 3n adds. */
function blockWeights(architecture: string, hyperparameters: Hyperparameters, block: number): number {
  const { embeddingLength: e, headCount, valueLength } = hyperparameters;
  const { feedForward, query, keys, values } = layerShape(hyperparameters, block);
  const attention = e * (query + keys + values + atLayer(headCount, block) * atLayer(valueLength, block));
  const perLayer = 2 * e * hyperparameters.perLayerEmbeddingLength;
  const laurel = 2 * e * (architectureFacts(architecture).laurelRank?.value ?? 0);
  return attention + 3 * e * feedForward + expertWeights(hyperparameters) + perLayer + laurel;
}

/** Weights of all experts of a block, and of the matrix that chooses among them. */
function expertWeights({ embeddingLength: e, experts }: Hyperparameters): number {
  return experts === undefined ? 0 : experts.count * (3 * e * experts.feedForwardLength + e);
}

/** Weights of those experts of a block that one token does not use. */
function unusedExperts({ embeddingLength: e, experts }: Hyperparameters): number {
  return experts === undefined ? 0 : (experts.count - experts.used) * 3 * e * experts.feedForwardLength;
}

/** The matrix of all words' logits: the token embeddings again where they are tied. */
function outputWork({ embeddingLength, vocabularySize }: Hyperparameters, weights: WeightBytes): Work {
  const weightBytes = weights.output + (weights.tiedEmbeddings ? weights.tokenEmbedding : 0);
  return { ...NOTHING, weightBytes, batchBytes: weightBytes, weights: embeddingLength * vocabularySize };
}

function projectionWork(hyperparameters: Hyperparameters, { perLayerProjection }: WeightBytes): Work {
  const { embeddingLength, perLayerEmbeddingLength, blockCount } = hyperparameters;
  const weights = embeddingLength * perLayerEmbeddingLength * blockCount;
  return {
    ...NOTHING,
    weightBytes: perLayerProjection,
    batchBytes: perLayerProjection,
    weights,
    promptWeights: weights,
  };
}

/** Tokens that one padded piece of a cache holds. */
const CELLS = 256;

/** Bytes of keys and values of one token, block by block. */
function cacheBytesPerToken(hyperparameters: Hyperparameters, settings: RunSettings): number[] {
  const ownCaches = { ...hyperparameters, sharedKvLayers: 0 };
  const bytes = kvBytesByLayer(ownCaches, { ...settings, contextLength: CELLS, parallel: 1 });
  return bytes.map((each) => each / CELLS);
}

/** Tokens that a block sees at most. */
function windowOf({ slidingWindow, slidingPattern }: Hyperparameters, block: number): number {
  if (slidingWindow === undefined || slidingPattern === undefined) return Number.POSITIVE_INFINITY;
  return (block + 1) % slidingPattern === 0 ? Number.POSITIVE_INFINITY : slidingWindow;
}

const NOTHING: Work = {
  weightBytes: 0,
  batchBytes: 0,
  weights: 0,
  promptWeights: 0,
  cacheBytes: 0,
  fullCacheBytes: 0,
  nodes: 0,
};

function added(parts: readonly Work[]): Work {
  return {
    weightBytes: sum(parts.map((part) => part.weightBytes)),
    batchBytes: sum(parts.map((part) => part.batchBytes)),
    weights: sum(parts.map((part) => part.weights)),
    promptWeights: sum(parts.map((part) => part.promptWeights)),
    cacheBytes: sum(parts.map((part) => part.cacheBytes)),
    fullCacheBytes: sum(parts.map((part) => part.fullCacheBytes)),
    nodes: sum(parts.map((part) => part.nodes)),
  };
}
