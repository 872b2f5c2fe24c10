/** What is measured: settings that the formulas were found on, settings held out, and places. */

import type { Placement } from '../../src/fit/memory/weights.ts';
import type { RunSettings } from '../../src/fit/schema.ts';
import type { BenchModel } from './models.ts';

/** Where the layers are. `half` and `most` leave the first blocks on the CPU. */
export type PlaceName = 'cpu' | 'gpu' | 'two-gpus' | 'half' | 'most';

const MODES = [
  { flashAttention: true, kvType: 'f16' },
  { flashAttention: true, kvType: 'q8_0' },
  { flashAttention: false, kvType: 'f16' },
] as const;

export const FITTED: readonly RunSettings[] = [2048, 8192, 32_768].flatMap((contextLength) =>
  [128, 512, 2048].flatMap((batch) => MODES.map((mode) => ({ contextLength, batch, parallel: 1, ...mode }))),
);

/** A third of all settings: other contexts, micro-batches, slots, and a cache type that no coefficient has seen. */
export const HELD_OUT: readonly RunSettings[] = (
  [
    [4096, 256, 1, 'f16', true],
    [4096, 1024, 2, 'q8_0', true],
    [6000, 512, 1, 'f16', true],
    [6000, 256, 1, 'f16', false],
    [12_288, 1024, 1, 'f16', false],
    [12_288, 512, 4, 'f16', true],
    [16_384, 64, 1, 'q4_0', true],
    [16_384, 512, 2, 'f16', false],
    [20_000, 1024, 1, 'q8_0', true],
    [24_576, 256, 1, 'f16', true],
    [24_576, 2048, 1, 'q4_0', true],
    [1024, 512, 4, 'f16', false],
    [3072, 384, 1, 'f16', false],
    [3072, 384, 3, 'q8_0', true],
  ] as const
).map(([contextLength, batch, parallel, kvType, flashAttention]) => ({
  contextLength,
  batch,
  parallel,
  kvType,
  flashAttention,
}));

/** Settings for a part of the layers on the GPU, where an upper bound is all that is claimed. */
export const PARTIAL: readonly RunSettings[] = FITTED.filter(
  ({ contextLength, batch }) => (contextLength !== 32_768 || batch > 128) && (contextLength !== 2048 || batch === 512),
);

/** Quants whose partial offload is measured: what is fetched from RAM depends on the types of the matrices. */
export const PARTIAL_QUANTS: readonly string[] = ['f16', 'q8_0', 'q4_k_m', 'q2_k'];

export function placementOf(place: PlaceName, { hyperparameters: { blockCount } }: BenchModel): Placement {
  const layers = blockCount + 1;
  switch (place) {
    case 'cpu':
      return { gpuLayers: 0 };
    case 'gpu':
      return { gpuLayers: layers };
    case 'two-gpus':
      return { gpuLayers: layers, split: [Math.ceil(layers / 2), Math.floor(layers / 2)] };
    case 'half':
      return { gpuLayers: Math.floor(layers / 2) };
    case 'most':
      return { gpuLayers: blockCount };
  }
}
