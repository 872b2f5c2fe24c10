import { mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { weightsFor } from '../../../bench/fit/cases.ts';
import { benchModels, pick } from '../../../bench/fit/models.ts';
import { writeSparse } from '../../../bench/fit/sparse.ts';
import type { Hyperparameters } from '../../../src/catalog/schema.ts';
import { estimateMemory } from '../../../src/fit/memory/estimate.ts';
import { borrowedKvBytes, kvBytesByLayer } from '../../../src/fit/memory/kv.ts';
import { sum } from '../../../src/fit/memory/weights.ts';
import type { RunSettings } from '../../../src/fit/schema.ts';
import { estimateSpeed } from '../../../src/fit/speed/estimate.ts';
import { workOf } from '../../../src/fit/speed/work.ts';
import { fileSource } from '../../../src/gguf/file-source.ts';
import { readGgufHeader } from '../../../src/gguf/header.ts';

const SETTINGS: RunSettings = { contextLength: 8192, batch: 512, parallel: 1, kvType: 'f16', flashAttention: true };
const models = benchModels().filter(({ architecture }) => architecture === 'gemma4');
const shapeOf = (id: string): Hyperparameters => pick(models, id).hyperparameters;

const folder = mkdtempSync(join(tmpdir(), 'gemma4-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('a header with the keys that converters write', () => {
  test.each(models.map(({ id }) => id))('of %s reads as the catalog has it', async (id) => {
    const file = join(folder, `${id}.gguf`);
    writeSparse(pick(models, id), 'q4_0-qat', file);
    const handle = await open(file);
    const facts = await readGgufHeader(fileSource(handle)).finally(() => handle.close());
    expect(facts.hyperparameters).toEqual(shapeOf(id));
    expect(facts.weights).toEqual(weightsFor(pick(models, id), 'q4_0-qat'));
    expect(facts.warnings).toEqual([]);
    rmSync(file);
  });
});

describe('KV caches', () => {
  test('local and global layers have heads of their own width and number', () => {
    const bytes = kvBytesByLayer(shapeOf('gemma-4-31b'), SETTINGS);
    // f16: 2 bytes, keys and values; a window of 1,024 and a micro-batch of 512 are 1,536 cells.
    expect(bytes[0]).toBe(1536 * 16 * 256 * 2 * 2);
    expect(bytes[5]).toBe(8192 * 4 * 512 * 2 * 2);
  });

  test('without flash attention llama.cpp stores as many values in each layer as in the widest, Ollama’s own engine does not', () => {
    const plain = { ...SETTINGS, flashAttention: false };
    const shape = shapeOf('gemma-4-31b');
    expect(kvBytesByLayer(shape, plain)[5]).toBe(8192 * (4 * 512 + 16 * 256) * 2);
    expect(kvBytesByLayer(shape, plain, { sharesWindow: true, padsTo32: false })[5]).toBe(8192 * 4 * 512 * 2 * 2);
  });

  test('the last layers of E2B and E4B have none', () => {
    for (const [id, own] of [
      ['gemma-4-e2b', 15],
      ['gemma-4-e4b', 24],
    ] as const) {
      const bytes = kvBytesByLayer(shapeOf(id), SETTINGS);
      expect(bytes.slice(0, own).every((each) => each > 0)).toBe(true);
      expect(sum(bytes.slice(own))).toBe(0);
    }
  });

  test('a device whose layers use caches of another has a copy for each of them', () => {
    const shape = shapeOf('gemma-4-e2b');
    const bytes = kvBytesByLayer(shape, SETTINGS);
    // Blocks 18 to 34: four global ones use the cache of block 14, thirteen local ones that of block 13.
    expect(borrowedKvBytes(shape, bytes, { from: 18, to: 35 })).toBe(4 * (bytes[14] ?? 0) + 13 * (bytes[13] ?? 0));
    expect(borrowedKvBytes(shape, bytes, { from: 0, to: 35 })).toBe(0);
    expect(borrowedKvBytes(shape, bytes, { from: 13, to: 35 })).toBe(0);
  });
});

describe('per-layer embeddings', () => {
  test('stay in RAM with Ollama 0.30 or later and go to the GPU with the output layer before', () => {
    const model = pick(models, 'gemma-4-e4b');
    const weights = weightsFor(model, 'q4_k_m');
    const onGpu = (engine: 'ollama-a2' | 'ollama-b'): number =>
      estimateMemory({
        architecture: 'gemma4',
        hyperparameters: model.hyperparameters,
        weights,
        weightsBasis: 'test',
        engine,
        settings: SETTINGS,
        placement: { gpuLayers: 43 },
      }).gpuBytes;
    expect(onGpu('ollama-a2') - onGpu('ollama-b')).toBeGreaterThan(weights.perLayerEmbedding * 0.9);
  });
});

describe('experts', () => {
  const model = pick(models, 'gemma-4-26b-a4b');
  const weights = weightsFor(model, 'q4_k_m');
  const request = { architecture: 'gemma4', weights, settings: SETTINGS, placement: { gpuLayers: 31 } } as const;

  test('all are in memory', () => {
    const { weightsBytes } = estimateMemory({
      ...request,
      hyperparameters: model.hyperparameters,
      weightsBasis: 'test',
      engine: 'ollama-b',
    });
    expect(weightsBytes).toBeGreaterThan(sum(weights.blocks));
  });

  test('a token reads those that it uses: 3.8 billion weights of 25', () => {
    const { gpus } = workOf(
      'gemma4',
      model.hyperparameters,
      weights,
      SETTINGS,
      { outputFirst: true },
      { gpuLayers: 31 },
    );
    const read = gpus[0]?.weights ?? 0;
    expect(read / 1e9).toBeGreaterThan(3.6);
    expect(read / 1e9).toBeLessThan(4);
    expect(gpus[0]?.weightBytes).toBeLessThan(0.25 * sum(weights.blocks));
  });

  test('so it answers faster than 12B, which has half its size', () => {
    const speedOf = (id: string, gpuLayers: number): number => {
      const { hyperparameters } = pick(models, id);
      const { tokensPerSecond } = estimateSpeed({
        ...request,
        hyperparameters,
        weights: weightsFor(pick(models, id), 'q4_k_m'),
        engine: 'ollama-b',
        placement: { gpuLayers },
        device: { model: 'NVIDIA GeForce RTX 4090' },
        cpu: { bandwidthBytesPerSecond: 40e9, kind: 'measured', basis: 'test', cores: 8 },
      });
      return tokensPerSecond?.estimate ?? 0;
    };
    expect(speedOf('gemma-4-26b-a4b', 31)).toBeGreaterThan(1.5 * speedOf('gemma-4-12b', 49));
  });
});
