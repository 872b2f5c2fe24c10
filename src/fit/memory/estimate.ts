import type { Hyperparameters, WeightBytes } from '../../catalog/schema.ts';
import { GIB } from '../../core/units.ts';
import type { Engine, MemoryEstimate, RunSettings } from '../schema.ts';
import { computeBuffer, largestMatrix, lookupBuffer, outputBuffer, type Place } from './compute.ts';
import { type EngineTraits, traitsOf } from './engines.ts';
import { borrowedKvBytes, hasWindow, kvBytesByLayer } from './kv.ts';
import { type Placement, type Share, sharesOf, splitWeights, sum } from './weights.ts';

export interface EstimateRequest {
  /** `general.architecture`: some terms belong to one architecture only. */
  readonly architecture: string;
  readonly hyperparameters: Hyperparameters;
  readonly weights: WeightBytes;
  /** Where `weights` come from, for the basis of the estimate. */
  readonly weightsBasis: string;
  readonly engine: Engine;
  readonly settings: RunSettings;
  readonly placement: Placement;
  /** Bytes of the tensors of a projector that is loaded with the model; absent without one. */
  readonly projectorBytes?: number;
}

/**
 * What a server leaves free beside a projector's weights for its buffers: `mmprojOffloadHeadroom` of Ollama v0.33.0-rc2
 * `llm/llama_server.go`, which is for any projector. Bytes.
 */
export const PROJECTOR_HEADROOM_BYTES = GIB;

/** The seam for other ways to know: simulation by llama.cpp itself, or what was measured on this host. */
export type Estimator = (request: EstimateRequest) => MemoryEstimate;

/**
 * Memory of a model in a given place, in bytes, rounded up; `gpuBytes + cpuBytes = totalBytes` and so do the three
 * parts. Margins are not in it: they are the host's affair (`margins.ts`). A device that computes at least one layer
 * has a compute buffer of full size. How far this is from what llama.cpp allocates: docs/fit.md.
 */
export function estimateMemory(request: EstimateRequest): MemoryEstimate {
  const { architecture, hyperparameters, settings, placement } = request;
  const engine = traitsOf(request.engine);
  const shares = sharesOf(placement, hyperparameters.blockCount, engine);
  const weights = splitWeights(architecture, request.weights, engine, placement);
  const kvByLayer = kvBytesByLayer(hyperparameters, settings, engine);
  const kv = shares.map(({ from, to }) => sum(kvByLayer.slice(from, to)));
  const compute = computeParts(request, engine, shares, kvByLayer);
  const projector = projectorParts(request);
  const devices = shares.map((_, index) =>
    Math.ceil(
      (weights.devices[index] ?? 0) +
        (kv[index] ?? 0) +
        (compute.devices[index] ?? 0) +
        (index === 0 && projector.onGpu ? projector.bytes : 0),
    ),
  );
  const gpuBytes = sum(devices);
  const cpuBytes =
    Math.ceil(weights.cpu + sum(kvByLayer) - sum(kv) + compute.cpu) + (projector.onGpu ? 0 : projector.bytes);
  return {
    gpuBytes,
    cpuBytes,
    weightsBytes: Math.ceil(weights.gpu + weights.cpu) + projector.weights,
    kvBytes: Math.ceil(sum(kvByLayer)),
    computeBytes: Math.ceil(sum(compute.devices) + compute.cpu) + projector.bytes - projector.weights,
    totalBytes: gpuBytes + cpuBytes,
    ...(projector.bytes > 0 && { projectorBytes: projector.bytes }),
    ...(devices.length > 1 && { deviceBytes: devices }),
    basis: {
      weights: `${request.weightsBasis}, placed as by ${engine.title}`,
      kv: kvBasis(hyperparameters, settings),
      compute: compute.basis,
    },
  };
}

/**
 * A projector is on the first GPU where all layers are on GPUs, else in RAM: Ollama keeps it off the GPU with a part of the
 * text model (`shouldDisableMMProjOffload`, v0.33.0-rc2; 0.30 and 0.31.0 do so on small GPUs too).
 */
function projectorParts({ projectorBytes: weights = 0, hyperparameters, placement }: EstimateRequest): {
  readonly weights: number;
  readonly bytes: number;
  readonly onGpu: boolean;
} {
  const bytes = weights === 0 ? 0 : weights + PROJECTOR_HEADROOM_BYTES;
  return { weights, bytes, onGpu: placement.gpuLayers > hyperparameters.blockCount };
}

interface ComputeParts {
  readonly devices: readonly number[];
  readonly cpu: number;
  readonly basis: string;
}

function computeParts(
  { architecture, hyperparameters, settings, weights }: EstimateRequest,
  engine: EngineTraits,
  shares: readonly Share[],
  kvByLayer: readonly number[],
): ComputeParts {
  const bufferAt = (where: Omit<Place, 'allLogits'>): { bytes: number; basis: string } =>
    computeBuffer(architecture, hyperparameters, settings, {
      ...where,
      allLogits: engine.reservesAllLogits,
      ollamaGraph: !engine.llamaGraph,
    });
  // In the graph of Ollama’s own engine the logits are a tensor like any other.
  const rows = engine.llamaGraph ? outputBuffer(hyperparameters, settings) : 0;
  const first = shares[0];
  if (first === undefined) {
    const { bytes, basis } = bufferAt({ onGpu: false });
    return { devices: [], cpu: bytes + rows, basis };
  }
  const all = first.from === 0 && shares.at(-1)?.output === true;
  const pipelined = all && shares.length > 1 && engine.pipelines;
  const fetched = all
    ? undefined
    : {
        // The projection of the per-layer embeddings is multiplied with the first block.
        matrixBytes: Math.max(
          largestMatrix(hyperparameters, weights.blocks.slice(0, first.from)),
          first.from > 0 ? weights.perLayerProjection : 0,
        ),
        cacheBytes: Math.max(0, ...kvByLayer.slice(0, first.from)),
      };
  const buffers = shares.map(({ from, to, output }) =>
    bufferAt({
      onGpu: true,
      blocks: to - from,
      borrowedBytes: borrowedKvBytes(hyperparameters, kvByLayer, { from, to }),
      ...(pipelined && { pipelined: output ? ('last' as const) : ('earlier' as const) }),
      ...(fetched !== undefined && { fetched }),
    }),
  );
  // Matrices that are repacked for the CPU are computed there, so the CPU may need a buffer of full size as well.
  const onCpu = all ? lookupBuffer(hyperparameters, settings, pipelined) : bufferAt({ onGpu: false }).bytes;
  return { devices: buffers.map(({ bytes }) => bytes), cpu: onCpu + rows, basis: buffers[0]?.basis ?? '' };
}

function kvBasis(hyperparameters: Hyperparameters, settings: RunSettings): string {
  const own = hyperparameters.blockCount - hyperparameters.sharedKvLayers;
  const window = hasWindow(hyperparameters)
    ? `window ${hyperparameters.slidingWindow}, every ${hyperparameters.slidingPattern}th layer global`
    : 'no sliding window';
  return `${own} layers with own cache, ${window}, context ${settings.contextLength}, ${settings.kvType}, ${settings.parallel} slot(s)`;
}
