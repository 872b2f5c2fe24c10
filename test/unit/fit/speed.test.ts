import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Engine, Speed } from '../../../src/fit/schema.ts';
import { estimateSpeed, type SpeedRequest } from '../../../src/fit/speed/estimate.ts';
import { comparisons } from './speed-measurements.ts';
import { E4B_SHAPE, SETTINGS, tabledWeights } from './support.ts';

const RTX_4090 = { model: 'NVIDIA GeForce RTX 4090' };
const CPU = { bandwidthBytesPerSecond: 40e9, kind: 'measured', basis: 'RAM measured here', cores: 8 } as const;
const ALL = { gpuLayers: 36 };
const Q4 = tabledWeights('q4_k_m');

const ON_GPU: SpeedRequest = {
  architecture: 'gemma3n',
  hyperparameters: E4B_SHAPE,
  weights: Q4,
  engine: 'ollama-b',
  settings: SETTINGS,
  placement: ALL,
  device: RTX_4090,
  cpu: CPU,
};
const ON_CPU: SpeedRequest = { ...ON_GPU, placement: { gpuLayers: 0 } };

function answer(request: SpeedRequest): Speed {
  return Speed.parse(estimateSpeed(request).tokensPerSecond);
}

function prompt(request: SpeedRequest): Speed {
  return Speed.parse(estimateSpeed(request).promptTokensPerSecond);
}

describe('held against what others measured', () => {
  const rows = comparisons();

  test('nearly all lie within the range', () => {
    const outside = rows.filter(({ measured, predicted }) => measured < predicted.low || measured > predicted.high);
    // A card of 2017 in a RISC-V computer, whose speed varied by half from run to run.
    expect(outside.map(({ device, kind }) => `${device} ${kind}`)).toEqual(['AMD Radeon RX 580 tokensPerSecond']);
    expect(rows.length).toBeGreaterThan(70);
  });

  test('the estimate is right in the middle for GPUs that it was not set by, and for CPUs', () => {
    const held = rows.filter(({ fitted, kind }) => !fitted && kind === 'tokensPerSecond');
    const ratios = held.map(({ measured, predicted }) => predicted.estimate / measured).toSorted((a, b) => a - b);
    const middle = ratios[Math.floor(ratios.length / 2)];
    expect(middle).toBeGreaterThan(0.9);
    expect(middle).toBeLessThan(1.1);
    const near = ratios.filter((ratio) => ratio > 0.75 && ratio < 1.33);
    expect(near.length / ratios.length).toBeGreaterThan(0.9);
  });

  test('and the ranges say something', () => {
    const wide = rows.filter(({ kind, predicted: { low, high } }) => kind === 'tokensPerSecond' && high / low > 4);
    expect(wide.map(({ model }) => model)).toEqual(['gemma-3n-e4b:q4_k_m']);
  });
});

describe('the speed of answers', () => {
  test('of Gemma 3n E4B Q4_K_M on an RX 7900 XT and an M4 Pro is near what was measured', () => {
    expect(answer({ ...ON_GPU, device: { model: 'AMD Radeon RX 7900 XT' } }).estimate).toBeCloseTo(81, -1);
    expect(answer({ ...ON_GPU, device: { model: 'Apple M4 Pro' } }).estimate).toBeCloseTo(47.5, -1);
  });

  test('does not depend on embeddings that are looked up', () => {
    const larger = { ...Q4, perLayerEmbedding: Q4.perLayerEmbedding * 4 };
    expect(answer({ ...ON_GPU, weights: larger })).toEqual(answer(ON_GPU));
    const untied = { ...Q4, output: Q4.output + Q4.tokenEmbedding, tokenEmbedding: 5e9, tiedEmbeddings: false };
    expect(answer({ ...ON_GPU, weights: untied }).estimate).toBe(answer(ON_GPU).estimate);
  });

  test('does not count keys and values that shared blocks never multiply', () => {
    const owning = { ...ON_CPU, hyperparameters: { ...E4B_SHAPE, sharedKvLayers: 0 } };
    const bytes = (request: SpeedRequest): number => Number(/^([\d.]+) GB per token/.exec(answer(request).basis)?.[1]);
    // 19,857,408 bytes in this quant.
    expect(bytes(owning) - bytes(ON_CPU)).toBeCloseTo(0.02, 2);
    expect(bytes(owning)).toBeGreaterThan(bytes(ON_CPU));
  });

  test('reads of experts only those that a token uses; a prompt reads all of them', () => {
    const experts = { count: 128, used: 8, feedForwardLength: 704 };
    const hyperparameters = { ...E4B_SHAPE, feedForwardLength: 2112, perLayerEmbeddingLength: 0 };
    const few = { ...ON_CPU, hyperparameters: { ...hyperparameters, experts } };
    const all = { ...ON_CPU, hyperparameters: { ...hyperparameters, experts: { ...experts, used: 128 } } };
    expect(answer(few).estimate / answer(all).estimate).toBeGreaterThan(3);
    const once = (request: SpeedRequest) => 1 / prompt({ ...request, settings: { ...SETTINGS, batch: 1 } }).estimate;
    expect(once(few) / once(all)).toBeGreaterThan(0.5);
  });

  test('of a small model on a fast GPU is bound by launches, so a better quant costs little', () => {
    const q8 = answer({ ...ON_GPU, weights: tabledWeights('q8_0') });
    const q4 = answer(ON_GPU);
    expect(q4.estimate / q8.estimate).toBeLessThan(1.5);
    const cpuRatio = answer(ON_CPU).estimate / answer({ ...ON_CPU, weights: tabledWeights('q8_0') }).estimate;
    expect(cpuRatio).toBeGreaterThan(1.55);
  });

  test('falls at the low end with the context, less so with a quantised cache', () => {
    const long = { ...SETTINGS, contextLength: 32_768 };
    expect(answer({ ...ON_GPU, settings: long }).low).toBeLessThan(answer(ON_GPU).low);
    expect(answer({ ...ON_GPU, settings: long }).high).toBe(answer(ON_GPU).high);
    const quantised = { ...long, kvType: 'q8_0' as const };
    expect(answer({ ...ON_GPU, settings: quantised }).low).toBeGreaterThan(answer({ ...ON_GPU, settings: long }).low);
  });

  test('with a part of the layers on the GPU is the sum of both times', () => {
    const part = answer({ ...ON_GPU, placement: { gpuLayers: 18 } });
    const [gpu = 0, cpu = 0, ...more] = [...part.basis.matchAll(/([\d.]+) GB per token/g)].map(([, text]) =>
      Number(text),
    );
    expect(more).toEqual([]);
    expect(gpu + cpu).toBeCloseTo(2.89, 1);
    // 17 blocks and the output layer there, 18 blocks of 88 nodes here; the cache adds 1 ms.
    const seconds = gpu / (0.82 * 1008) + 17 * 88e-6 + cpu / (0.7 * 40) + 18 * 88 * 2e-6;
    expect(part.estimate / (1 / seconds)).toBeGreaterThan(0.95);
    expect(part.estimate / (1 / seconds)).toBeLessThanOrEqual(1.01);
  });

  test('never falls with another layer on a faster GPU', () => {
    const rates = Array.from(
      { length: 37 },
      (_, gpuLayers) => answer({ ...ON_GPU, placement: { gpuLayers } }).estimate,
    );
    expect(rates).toEqual(rates.toSorted((a, b) => a - b));
  });

  test('on two equal GPUs is that of one; a slower second one slows it', () => {
    const split = { gpuLayers: 36, split: [18, 18] };
    const two = answer({ ...ON_GPU, placement: split, device: [RTX_4090, RTX_4090] });
    expect(two.estimate).toBe(answer(ON_GPU).estimate);
    const mixed = answer({ ...ON_GPU, placement: split, device: [RTX_4090, { model: 'NVIDIA GeForce GTX 1650' }] });
    expect(mixed.estimate).toBeLessThan(two.estimate);
  });

  test('in Ollama’s own engine is slower where launches count', () => {
    expect(answer({ ...ON_GPU, engine: 'ollama-a2' }).estimate).toBeLessThan(answer(ON_GPU).estimate * 0.8);
    expect(answer({ ...ON_CPU, engine: 'ollama-a2' }).estimate).toBe(answer(ON_CPU).estimate);
  });

  test('on few cores is bound by what these unpack', () => {
    expect(answer({ ...ON_CPU, cpu: { ...CPU, cores: 1 } }).estimate).toBeLessThan(answer(ON_CPU).estimate / 2);
  });

  test('where only the size of a file is known leaves the per-layer embeddings out', () => {
    const total = 4.237e9;
    const spread = {
      ...Q4,
      blocks: Array.from({ length: 35 }, () => total / 35),
      tokenEmbedding: 0,
      perLayerEmbedding: 0,
      perLayerProjection: 0,
      output: 0,
      tiedEmbeddings: false,
    };
    expect(answer({ ...ON_CPU, weights: spread }).estimate / answer(ON_CPU).estimate).toBeCloseTo(1, 1);
  });
});

describe('the basis', () => {
  test('names bytes, share, bandwidth, card and source', () => {
    expect(answer(ON_GPU).basis).toBe(
      '2.89 GB per token at 82 % of 1008 GB/s (GeForce RTX 4090, published bandwidth), 1.0 µs per graph node',
    );
  });

  test('says what was assumed of a card that is not known, in a wide range', () => {
    const unknown = answer({ ...ON_GPU, device: { model: 'Frobnicator 9000' } });
    expect(unknown.basis).toContain('200 GB/s assumed, because the memory bandwidth of Frobnicator 9000 is unknown');
    expect(unknown.high / unknown.low).toBeGreaterThan(5);
    expect(estimateSpeed({ ...ON_GPU, device: { model: 'Frobnicator 9000' } }).promptTokensPerSecond).toBeUndefined();
  });

  test('takes the RAM’s bandwidth for a GPU that shares it, and what is given before the table', () => {
    const shared = answer({ ...ON_GPU, device: { model: 'Phoenix1', unified: true } });
    expect(shared.basis).toContain('40 GB/s (Phoenix1)');
    const given = answer({ ...ON_GPU, device: { ...RTX_4090, bandwidthBytesPerSecond: 500e9 } });
    expect(given.basis).toContain('500 GB/s');
    expect(given.estimate).toBeLessThan(answer(ON_GPU).estimate);
  });

  test.each(['assumed', 'busy'] as const)('is wider for RAM whose bandwidth is %s than for measured', (kind) => {
    const unsure = answer({ ...ON_CPU, cpu: { ...CPU, kind } });
    const measured = answer(ON_CPU);
    expect(unsure.high).toBeGreaterThan(1.5 * measured.high);
    expect(unsure.high / unsure.low).toBeGreaterThan(1.5 * (measured.high / measured.low));
  });
});

describe('the speed of prompts', () => {
  test('is many times that of answers on a GPU', () => {
    expect(prompt(ON_GPU).estimate).toBeGreaterThan(20 * answer(ON_GPU).estimate);
    expect(prompt(ON_GPU).basis).toContain('TFLOPS');
  });

  test('falls with small batches', () => {
    const small = { ...SETTINGS, batch: 32 };
    expect(prompt({ ...ON_GPU, settings: small }).estimate).toBeLessThan(prompt(ON_GPU).estimate / 1.2);
  });

  test('grows with the cores of a CPU, and is not told without them', () => {
    const four = prompt({ ...ON_CPU, cpu: { ...CPU, cores: 4 } }).estimate;
    expect(prompt(ON_CPU).estimate / four).toBeCloseTo(2, 1);
    const { cores: _, ...without } = CPU;
    expect(estimateSpeed({ ...ON_CPU, cpu: without }).promptTokensPerSecond).toBeUndefined();
  });

  test('with layers on the CPU lies between that of both', () => {
    const part = prompt({ ...ON_GPU, placement: { gpuLayers: 18 } });
    expect(part.estimate).toBeLessThan(prompt(ON_GPU).estimate);
    expect(part.estimate).toBeGreaterThan(prompt(ON_CPU).estimate);
    expect(part.basis).toContain('copied to it for each batch');
  });
});

describe('a run on this host', () => {
  const at = '2026-11-24T08:00:00.000Z';

  test('takes the estimate’s place', () => {
    const { tokensPerSecond, promptTokensPerSecond } = estimateSpeed({
      ...ON_GPU,
      measured: { tokensPerSecond: 91.37, promptTokensPerSecond: 4000, at },
    });
    const basis = 'measured here on 2026-11-24';
    expect(tokensPerSecond).toEqual({ low: 91.4, estimate: 91.4, high: 91.4, basis });
    expect(promptTokensPerSecond).toEqual({ low: 4000, estimate: 4000, high: 4000, basis });
  });

  test('leaves what it did not measure to the estimate', () => {
    const { promptTokensPerSecond } = estimateSpeed({ ...ON_GPU, measured: { tokensPerSecond: 91.37, at } });
    expect(promptTokensPerSecond).toEqual(prompt(ON_GPU));
  });

  test.each([0, -3, Number.NaN, Number.POSITIVE_INFINITY])('is not believed when it says %d', (tokensPerSecond) => {
    expect(answer({ ...ON_GPU, measured: { tokensPerSecond, at } })).toEqual(answer(ON_GPU));
  });
});

describe('whatever is asked', () => {
  test('low, estimate and high are in order and are numbers', () => {
    const device = fc.record({
      model: fc.constantFrom('NVIDIA GeForce RTX 4090', 'Apple M1', 'Phoenix1', 'Arc A770', 'GTX 1080', ''),
      unified: fc.boolean(),
    });
    const engine = fc.constantFrom(...Engine.options);
    const layers = fc.integer({ min: 0, max: 36 });
    const context = fc.integer({ min: 1, max: 200_000 });
    fc.assert(
      fc.property(
        device,
        engine,
        layers,
        context,
        fc.integer({ min: 0, max: 256 }),
        (gpu, by, gpuLayers, length, cores) => {
          const settings = { ...SETTINGS, contextLength: length };
          const request = {
            ...ON_GPU,
            engine: by,
            device: gpu,
            placement: { gpuLayers },
            settings,
            cpu: { ...CPU, cores },
          };
          for (const speed of Object.values(estimateSpeed(request))) {
            const { low, estimate, high } = Speed.parse(speed);
            expect(low > 0 && low <= estimate && estimate <= high).toBe(true);
          }
        },
      ),
    );
  });

  test.each([0, -1, Number.NaN])('a RAM bandwidth of %d gives no speed instead of a wrong one', (bandwidth) => {
    const cpu = { ...CPU, bandwidthBytesPerSecond: bandwidth };
    expect(estimateSpeed({ ...ON_CPU, cpu }).tokensPerSecond).toBeUndefined();
    expect(answer({ ...ON_GPU, cpu })).toEqual(answer(ON_GPU));
  });

  test('a model without weights has no speed', () => {
    const weights = { ...Q4, blocks: [], tokenEmbedding: 0, output: 0, perLayerProjection: 0 };
    expect(estimateSpeed({ ...ON_CPU, weights })).toEqual({});
  });
});
