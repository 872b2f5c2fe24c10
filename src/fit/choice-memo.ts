import type { WeightBytes } from '../catalog/schema.ts';
import type { EstimateRequest, Estimator } from './estimate.ts';
import type { MemoryEstimate } from './schema.ts';

/**
 * An estimator that answers the same question once. What would change an answer is found by ranking many times, mostly
 * with other free memory, which no estimate depends on. For one model on one engine.
 */
export function remembering(estimator: Estimator): Estimator {
  const known = new WeakMap<WeightBytes, Map<string, MemoryEstimate>>();
  return (request) => {
    const ofWeights = known.get(request.weights) ?? new Map<string, MemoryEstimate>();
    known.set(request.weights, ofWeights);
    const key = keyOf(request);
    const memory = ofWeights.get(key) ?? estimator(request);
    ofWeights.set(key, memory);
    return memory;
  };
}

function keyOf({ settings, placement }: EstimateRequest): string {
  const { contextLength, batch, parallel, kvType, flashAttention } = settings;
  const { gpuLayers, split = [], mapsWholeFile = false } = placement;
  return [contextLength, batch, parallel, kvType, flashAttention, gpuLayers, split.join('+'), mapsWholeFile].join(' ');
}
