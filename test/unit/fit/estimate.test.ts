import { describe, expect, test } from 'vitest';
import type { Hyperparameters } from '../../../src/catalog/schema.ts';
import { GIB, MIB } from '../../../src/core/units.ts';
import { computeBuffer, largestMatrix } from '../../../src/fit/memory/compute.ts';
import { defaultFlashAttention, traitsOf } from '../../../src/fit/memory/engines.ts';
import { type EstimateRequest, estimateMemory } from '../../../src/fit/memory/estimate.ts';
import { borrowedKvBytes, kvBytesByLayer } from '../../../src/fit/memory/kv.ts';
import { splitWeights, sum } from '../../../src/fit/memory/weights.ts';
import { Engine, type RunSettings } from '../../../src/fit/schema.ts';
import { E4B_SHAPE, SETTINGS, TABLED, type TabledQuant, tabledWeights } from './support.ts';

const GEMMA_3_270M: Hyperparameters = {
  blockCount: 18,
  embeddingLength: 640,
  feedForwardLength: 2048,
  headCount: 4,
  headCountKv: 1,
  keyLength: 256,
  valueLength: 256,
  contextLength: 32_768,
  slidingWindow: 512,
  slidingPattern: 6,
  sharedKvLayers: 0,
  perLayerEmbeddingLength: 0,
  vocabularySize: 262_144,
};

function request(quant: TabledQuant, change: Partial<EstimateRequest> = {}): EstimateRequest {
  return {
    architecture: 'gemma3n',
    hyperparameters: E4B_SHAPE,
    weights: tabledWeights(quant),
    weightsBasis: 'table',
    engine: 'ollama-b',
    settings: SETTINGS,
    placement: { gpuLayers: 36 },
    ...change,
  };
}

const gib = (bytes: number): number => bytes / GIB;

describe('E4B by the published table (GiB)', () => {
  const VRAM_8K: Record<TabledQuant, number> = {
    f16: 8.67,
    q8_0: 4.77,
    q6_k: 3.76,
    q5_k_m: 3.35,
    q4_k_m: 2.96,
    q4_0: 2.82,
    q3_k_m: 2.51,
    q2_k: 2.09,
  };
  const RAM_4K: Record<TabledQuant, number> = {
    f16: 14.01,
    q8_0: 7.59,
    q6_k: 5.93,
    q5_k_m: 5.23,
    q4_k_m: 4.56,
    q4_0: 4.42,
    q3_k_m: 3.82,
    q2_k: 3.19,
  };
  const ERA_A_GPU: Record<TabledQuant, number> = {
    f16: 12.79,
    q8_0: 6.84,
    q6_k: 5.31,
    q5_k_m: 4.6,
    q4_k_m: 3.94,
    q4_0: 3.8,
    q3_k_m: 3.2,
    q2_k: 2.56,
  };
  const ERA_B: Record<TabledQuant, readonly [gpu: number, cpu: number]> = {
    f16: [8.42, 5.38],
    q8_0: [4.52, 2.86],
    q6_k: [3.51, 2.2],
    q5_k_m: [3.1, 1.91],
    q4_k_m: [2.71, 1.64],
    q4_0: [2.57, 1.64],
    q3_k_m: [2.26, 1.35],
    q2_k: [1.84, 1.13],
  };

  test.each(TABLED)('%s: VRAM at 8k, Ollama 0.30 and later', (quant) => {
    expect(Math.abs(gib(estimateMemory(request(quant)).gpuBytes) - VRAM_8K[quant])).toBeLessThan(0.011);
  });

  test.each(TABLED)('%s: RAM at 4k on a CPU without mapping', (quant) => {
    const settings = { ...SETTINGS, contextLength: 4096 };
    const memory = estimateMemory(request(quant, { settings, placement: { gpuLayers: 0 } }));
    expect(memory.gpuBytes).toBe(0);
    expect(Math.abs(gib(memory.cpuBytes) - RAM_4K[quant])).toBeLessThan(0.011);
  });

  test.each(TABLED)('%s: weights per device in both generations', (quant) => {
    const weights = tabledWeights(quant);
    const b = splitWeights('gemma3n', weights, traitsOf('ollama-b'), { gpuLayers: 36 });
    expect(Math.abs(gib(b.gpu) - ERA_B[quant][0])).toBeLessThan(0.011);
    expect(Math.abs(gib(b.cpu) - ERA_B[quant][1])).toBeLessThan(0.011);
    const a = splitWeights('gemma3n', weights, traitsOf('ollama-a2'), { gpuLayers: 36 });
    expect(Math.abs(gib(a.gpu) - ERA_A_GPU[quant])).toBeLessThan(0.011);
    expect(a.cpu).toBe(weights.tokenEmbedding);
  });
});

describe('weights', () => {
  const weights = tabledWeights('q4_k_m');
  const block = weights.blocks[0] ?? 0;

  test('llama.cpp offloads the output layer first, Ollama’s own engine last', () => {
    const b = splitWeights('gemma3n', weights, traitsOf('ollama-b'), { gpuLayers: 11 });
    expect(b.gpu).toBe(weights.output + weights.tokenEmbedding + 10 * block);
    expect(b.cpu).toBe(25 * block + weights.tokenEmbedding + weights.perLayerEmbedding + weights.perLayerProjection);
    const a = splitWeights('gemma3n', weights, traitsOf('ollama-a2'), { gpuLayers: 11 });
    expect(a.gpu).toBe(11 * block);
    expect(a.cpu).toBe(
      24 * block + 2 * weights.tokenEmbedding + weights.perLayerEmbedding + weights.perLayerProjection + weights.output,
    );
  });

  test('every layer more moves bytes to the GPU and none is lost', () => {
    const total =
      sum(weights.blocks) +
      weights.tokenEmbedding +
      weights.perLayerEmbedding +
      weights.perLayerProjection +
      weights.output;
    for (const engine of ['ollama-a2', 'ollama-b', 'llama.cpp'] as const) {
      let before = -1;
      for (let gpuLayers = 0; gpuLayers <= 36; gpuLayers += 1) {
        const { gpu, cpu } = splitWeights('gemma3n', weights, traitsOf(engine), { gpuLayers });
        expect(gpu).toBeGreaterThan(before);
        expect([total, total + weights.tokenEmbedding]).toContain(gpu + cpu);
        before = gpu;
      }
    }
  });

  test('the embedding is loaded twice on a CPU only where engine or architecture does so', () => {
    const cpu = (architecture: string, engine: 'ollama-a2' | 'ollama-b' | 'embedded', tiedEmbeddings = true): number =>
      splitWeights(architecture, { ...weights, tiedEmbeddings }, traitsOf(engine), { gpuLayers: 0 }).cpu;
    const once = cpu('gemma3', 'ollama-b');
    expect(cpu('gemma3n', 'ollama-b')).toBe(once + weights.tokenEmbedding);
    expect(cpu('gemma3', 'ollama-a2')).toBe(once + weights.tokenEmbedding);
    expect(cpu('gemma3n', 'embedded')).toBe(once);
    expect(cpu('gemma3n', 'ollama-b', false)).toBe(once);
  });

  test('Metal maps the whole file', () => {
    const split = splitWeights('gemma3n', weights, traitsOf('ollama-b'), { gpuLayers: 36, mapsWholeFile: true });
    expect(split.cpu).toBe(0);
    expect(gib(split.gpu)).toBeCloseTo(3.94, 2);
  });
});

describe('KV cache', () => {
  const kv = (change: Partial<RunSettings>, shape = E4B_SHAPE): number =>
    sum(kvBytesByLayer(shape, { ...SETTINGS, ...change })) / MIB;

  test.each([
    [4096, 64],
    [8192, 96],
    [32_768, 288],
  ])('E4B at %d: %d MiB', (contextLength, expected) => {
    expect(kv({ contextLength })).toBe(expected);
  });

  test('grows with slots, shrinks with the type, and follows the micro-batch', () => {
    expect(kv({ parallel: 2 })).toBe(192);
    expect(kv({ kvType: 'q8_0' })).toBe(51);
    expect(kv({ kvType: 'q4_0' })).toBe(27);
    expect(kv({ batch: 2048 })).toBe(64 + (16 * 2560 * 2048) / MIB);
  });

  test('pads the context to 256 cells and never gives the window more than the context', () => {
    expect(kv({ contextLength: 100 })).toBe((20 * 256 * 2048) / MIB);
  });

  test('slots of Ollama’s own engine share one window, those of llama.cpp have one each', () => {
    const settings = { ...SETTINGS, parallel: 4 };
    const of = (engine: Engine): number => sum(kvBytesByLayer(E4B_SHAPE, settings, traitsOf(engine))) / MIB;
    expect(of('ollama-b')).toBe(4 * 96);
    expect(of('ollama-a2')).toBe((4 * 4 * 8192 * 2048 + 16 * 2816 * 2048) / MIB);
    expect(sum(kvBytesByLayer(E4B_SHAPE, SETTINGS, traitsOf('ollama-a2')))).toBe(96 * MIB);
    const short = { ...settings, contextLength: 256 };
    expect(sum(kvBytesByLayer(E4B_SHAPE, short, traitsOf('ollama-a2')))).toBe(4 * 20 * 256 * 2048);
  });

  test('layers that share own nothing; without a rhythm every layer is global', () => {
    expect(kvBytesByLayer(E4B_SHAPE, SETTINGS).slice(20)).toEqual(Array.from({ length: 15 }, () => 0));
    const { slidingPattern: _, ...noRhythm } = E4B_SHAPE;
    expect(kv({}, noRhythm)).toBe(20 * 16);
    expect(kv({}, { ...E4B_SHAPE, sharedKvLayers: 0 })).toBe(7 * 16 + 28 * 2);
  });
});

describe('compute buffer', () => {
  test.each<[number, number, boolean, boolean, number]>([
    [4096, 128, true, false, 38.9],
    [4096, 512, true, false, 156.0],
    [8192, 512, true, false, 160.0],
    [32_768, 512, true, false, 184.0],
    [32_768, 1024, true, false, 369.0],
    [32_768, 2048, true, false, 742.1],
    [4096, 512, true, true, 532.0],
    [4096, 128, false, false, 40.1],
    [4096, 512, false, false, 161.0],
    [8192, 512, false, false, 199.5],
    [32_768, 512, false, false, 631.5],
    [32_768, 1024, false, false, 1265.0],
    [32_768, 2048, false, false, 2538.1],
  ])(
    'E4B, context %d, batch %d, flash attention %s, all logits %s: %f MiB',
    (contextLength, batch, flashAttention, all, expected) => {
      const settings = { ...SETTINGS, contextLength, batch, flashAttention };
      const { bytes } = computeBuffer('gemma3n', E4B_SHAPE, settings, { onGpu: false, allLogits: all });
      expect(Math.abs(bytes / MIB / expected - 1)).toBeLessThan(0.003);
    },
  );

  test('of a network of the same shape says so; of an unknown one is half as large again, with all logits', () => {
    const settings = { ...SETTINGS, contextLength: 4096 };
    const at = (architecture: string): { bytes: number; basis: string } =>
      computeBuffer(architecture, GEMMA_3_270M, settings, { onGpu: true, allLogits: false });
    expect(at('gemma3').basis).toBe('formula validated against llama.cpp’s own reservations, one row of logits');
    expect(at('llama').bytes).toBe(at('gemma3').bytes);
    expect(at('llama').basis).toContain('whose graph has the same shape');
    const logits = 512 * 4 * GEMMA_3_270M.vocabularySize;
    expect(at('dreamt-up').bytes).toBeGreaterThan(1.5 * logits);
    expect(at('dreamt-up').basis).toContain('no comparison for this architecture');
  });

  test('a micro-batch is never larger than the context of all slots', () => {
    const small = { ...SETTINGS, contextLength: 128, batch: 512 };
    const buffer = (change: Partial<RunSettings>): number =>
      computeBuffer('gemma3', GEMMA_3_270M, { ...small, ...change }, { onGpu: true, allLogits: false }).bytes;
    expect(buffer({})).toBe(buffer({ batch: 128 }));
    expect(buffer({ parallel: 4 })).toBeGreaterThan(buffer({ batch: 128, parallel: 4 }));
  });
});

describe('flash attention, where nobody asked', () => {
  test.each<[Engine, string, boolean, string]>([
    ['ollama-a1', 'gemma3n', false, 'unless OLLAMA_FLASH_ATTENTION=1'],
    ['ollama-a2', 'gemma3n', false, 'unless OLLAMA_FLASH_ATTENTION=1'],
    ['ollama-a2', 'gemma3', true, 'from 0.12.6'],
    ['ollama-a2', 'gemma4', true, 'from 0.20.4'],
    ['ollama-a1', 'gemma3', false, 'leaves flash attention off'],
    ['ollama-b0', 'gemma3n', true, 'where the device can'],
    ['ollama-b', 'gemma3n', true, 'where the device can'],
    ['llama.cpp', 'llama', true, 'where the device can'],
    ['embedded', 'gemma3', true, 'where the device can'],
  ])('%s, %s: %s', (engine, architecture, on, basis) => {
    const found = defaultFlashAttention(engine, architecture);
    expect(found.on).toBe(on);
    expect(found.basis).toContain(basis);
  });
});

describe('engines', () => {
  test('early 0.30 builds keep the logits of a whole batch, later ones a row a slot', () => {
    const early = estimateMemory(request('q4_k_m', { engine: 'ollama-b0' }));
    const later = estimateMemory(request('q4_k_m', { engine: 'ollama-b' }));
    expect((early.gpuBytes - later.gpuBytes) / MIB).toBeGreaterThan(350);
    expect(early.weightsBytes).toBe(later.weightsBytes);
    expect(early.basis.compute).toContain('logits of the whole batch');
  });

  test('Ollama before 0.30 builds a graph of its own, and the estimate says so', () => {
    expect(estimateMemory(request('q4_k_m', { engine: 'ollama-a2' })).basis.compute).toContain(
      'upper bound for what Ollama 0.10.0 and 0.24.0 report',
    );
  });
});

describe('an estimate', () => {
  test('adds up, in whole bytes, wherever the layers are', () => {
    for (const engine of Engine.options) {
      for (const gpuLayers of [0, 1, 20, 35, 36]) {
        const memory = estimateMemory(request('q4_k_m', { engine, placement: { gpuLayers } }));
        expect(memory.gpuBytes + memory.cpuBytes).toBe(memory.totalBytes);
        const parts = memory.weightsBytes + memory.kvBytes + memory.computeBytes;
        expect(Math.abs(parts - memory.totalBytes)).toBeLessThanOrEqual(3);
        expect(
          Object.values(memory)
            .filter((value) => typeof value === 'number')
            .every(Number.isInteger),
        ).toBe(true);
      }
    }
  });

  test('says where each number comes from', () => {
    const { basis } = estimateMemory(request('q4_k_m'));
    expect(basis.weights).toBe('table, placed as by Ollama 0.30 or later');
    expect(basis.kv).toContain('20 layers with own cache, window 512, every 5th layer global, context 8192');
    expect(basis.compute).toContain('one row of logits');
  });

  test('moves the KV cache with its layers: the last fifteen of E4B own none', () => {
    const last = estimateMemory(request('q4_k_m', { placement: { gpuLayers: 16 } }));
    const none = estimateMemory(request('q4_k_m', { placement: { gpuLayers: 0 } }));
    const all = estimateMemory(request('q4_k_m'));
    expect(last.kvBytes).toBe(96 * MIB);
    expect(none.kvBytes).toBe(96 * MIB);
    const compute = 160 * MIB;
    expect(all.gpuBytes - all.weightsBytes).toBeLessThan(0);
    const fetched = 2 * (largestMatrix(E4B_SHAPE, tabledWeights('q4_k_m').blocks) + 16 * MIB);
    // Each of them reads a cache that is in RAM here, through a copy of its own.
    const borrowed = borrowedKvBytes(E4B_SHAPE, kvBytesByLayer(E4B_SHAPE, SETTINGS), { from: 20, to: 35 });
    expect(borrowed).toBeGreaterThan(0);
    const blocks = sum(tabledWeights('q4_k_m').blocks.slice(-15));
    expect(last.gpuBytes).toBeLessThan(compute + fetched + borrowed + blocks + 0.47 * GIB);
  });
});
