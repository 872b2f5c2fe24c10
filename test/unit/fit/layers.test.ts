import { expect, test } from 'vitest';
import { estimateMemory } from '../../../src/fit/memory/estimate.ts';
import { kvBytesByLayer } from '../../../src/fit/memory/kv.ts';
import { E4B_SHAPE, tabledWeights } from './support.ts';

const SETTINGS = { contextLength: 4096, batch: 512, parallel: 1, kvType: 'f16', flashAttention: true } as const;

/** Local layers with 8 narrow KV heads, every fifth layer with 2 wide ones, as in Gemma 4. */
const layers = Array.from({ length: E4B_SHAPE.blockCount }, (_, layer) => (layer + 1) % 5 === 0);
const MIXED = {
  ...E4B_SHAPE,
  sharedKvLayers: 0,
  headCountKv: layers.map((global) => (global ? 2 : 8)),
  keyLength: layers.map((global) => (global ? 512 : 256)),
  valueLength: layers.map((global) => (global ? 512 : 256)),
};

test('each layer has the KV cache of its own heads', () => {
  const bytes = kvBytesByLayer(MIXED, SETTINGS);
  // f16: 2 bytes; a window of 512 and a micro-batch of 512 are 1,024 cells.
  expect(bytes[0]).toBe(1024 * 8 * (256 + 256) * 2);
  expect(bytes[4]).toBe(4096 * 2 * (512 + 512) * 2);
});

test('a list of equal numbers gives the same estimate as the number', () => {
  const repeat = (value: number) => Array.from({ length: E4B_SHAPE.blockCount }, () => value);
  const listed = {
    ...E4B_SHAPE,
    feedForwardLength: repeat(16_384),
    headCount: repeat(8),
    headCountKv: repeat(2),
    keyLength: repeat(256),
    valueLength: repeat(256),
  };
  for (const engine of ['ollama-a2', 'ollama-b', 'embedded'] as const)
    for (const gpuLayers of [0, 20, 36]) {
      const request = {
        architecture: 'gemma3n',
        weights: tabledWeights('q4_k_m'),
        weightsBasis: 'test',
        engine,
        settings: SETTINGS,
        placement: { gpuLayers },
      };
      expect(estimateMemory({ ...request, hyperparameters: listed })).toEqual(
        estimateMemory({ ...request, hyperparameters: E4B_SHAPE }),
      );
    }
});
