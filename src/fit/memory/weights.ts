import { architectureFacts } from '../../catalog/architectures.ts';
import type { WeightBytes } from '../../catalog/schema.ts';
import { totalWeightBytes } from '../../gguf/weights.ts';
import type { EngineTraits } from './engines.ts';

/** Where a model is asked to be. */
export interface Placement {
  /** Offloaded layers, from 0 (none) to the number of blocks + 1 (all, the output layer among them). */
  readonly gpuLayers: number;
  /** How the offloaded layers are shared by several GPUs, first layers first; adds up to `gpuLayers`. One GPU when absent. */
  readonly split?: readonly number[];
  /** Metal maps one stretch of the file from the first to the last tensor it uses; the embeddings lie inside it. */
  readonly mapsWholeFile?: boolean;
}

export interface Split {
  readonly gpu: number;
  readonly cpu: number;
  /** Bytes on each GPU of `split`, or of the one. */
  readonly devices: readonly number[];
}

/** What one GPU has of the model: a run of blocks, and perhaps the output layer. */
export interface Share {
  /** Index of the first block, and of the one after the last. */
  readonly from: number;
  readonly to: number;
  readonly output: boolean;
}

/**
 * Which blocks each GPU has. The last layers are offloaded first; the output layer counts as one and is the first of
 * all in llama.cpp (b10488 `common/fit.cpp`: "the first layer is the output layer"), the last in Ollama's own engine
 * (v0.20.0 `llm/server.go`).
 */
export function sharesOf(
  { gpuLayers, split }: Placement,
  blockCount: number,
  engine: Pick<EngineTraits, 'outputFirst'>,
): Share[] {
  if (gpuLayers === 0) return [];
  const withOutput = gpuLayers > blockCount || engine.outputFirst;
  const layers = split ?? [gpuLayers];
  let from = blockCount - (gpuLayers - (withOutput ? 1 : 0));
  return layers.map((count, index) => {
    const output = withOutput && index === layers.length - 1;
    const share = { from, to: from + count - (output ? 1 : 0), output };
    from = share.to;
    return share;
  });
}

/**
 * Weight bytes on each GPU and on the CPU. Token embeddings are always looked up on the CPU; where they are tied, the
 * output layer has a copy of its own.
 */
export function splitWeights(
  architecture: string,
  weights: WeightBytes,
  engine: EngineTraits,
  placement: Placement,
): Split {
  const { blocks, tokenEmbedding, perLayerEmbedding, perLayerProjection, output, other, tiedEmbeddings } = weights;
  const total = totalWeightBytes(weights);
  const all = placement.gpuLayers > blocks.length;
  if (placement.mapsWholeFile && all) return { gpu: total, cpu: 0, devices: [total] };
  const shares = sharesOf(placement, blocks.length, engine);
  const withOutput = shares.some((share) => share.output);
  const outputLayer = output + other + (engine.perLayerEmbeddingsOnGpu ? perLayerProjection + perLayerEmbedding : 0);
  const copyOnGpu = tiedEmbeddings ? tokenEmbedding : 0;
  // llama.cpp counts the projection of the per-layer embeddings among the tensors of block 0.
  const firstBlock = engine.perLayerEmbeddingsOnGpu ? 0 : perLayerProjection;
  const devices = shares.map(
    ({ from, to, output: hasOutput }) =>
      sum(blocks.slice(from, to)) + (from === 0 && to > 0 ? firstBlock : 0) + (hasOutput ? outputLayer + copyOnGpu : 0),
  );
  const gpu = sum(devices);
  const loadsTwice = engine.copiesTiedEmbedding || architectureFacts(architecture).loadsEmbeddingTwice?.value === true;
  const copyOnCpu = !withOutput && tiedEmbeddings && loadsTwice && !engine.mapsFile ? tokenEmbedding : 0;
  return { gpu, cpu: total - (gpu - (withOutput ? copyOnGpu : 0)) + copyOnCpu, devices };
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
