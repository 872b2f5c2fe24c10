import { describe, expect, test } from 'vitest';
import { GIB, MIB } from '../../../src/core/units.ts';
import { bestDevice } from '../../../src/fit/memory/devices.ts';
import { estimateMemory } from '../../../src/fit/memory/estimate.ts';
import { gpuMargin, ramBudget } from '../../../src/fit/memory/margins.ts';
import { type Placed, place } from '../../../src/fit/memory/placement.ts';
import type { Engine } from '../../../src/fit/schema.ts';
import type { HostProfile } from '../../../src/hardware/schema.ts';
import { apple, E4B_SHAPE, host, nvidia, RADEON_IGPU, SETTINGS, type TabledQuant, tabledWeights } from './support.ts';

function placed(quant: TabledQuant, profile: HostProfile, engine: Engine = 'ollama-b'): Placed {
  return place(
    {
      architecture: 'gemma3n',
      hyperparameters: E4B_SHAPE,
      weights: tabledWeights(quant),
      weightsBasis: 'table',
      engine,
      settings: SETTINGS,
    },
    profile,
    estimateMemory,
  );
}

describe('the free VRAM that a quant needs (GiB, with the margin of 1024 MiB)', () => {
  test.each<[TabledQuant, number]>([
    ['f16', 9.67],
    ['q8_0', 5.77],
    ['q6_k', 4.76],
    ['q5_k_m', 4.35],
    ['q4_k_m', 3.96],
    ['q4_0', 3.82],
    ['q3_k_m', 3.51],
    ['q2_k', 3.09],
  ])('%s: %f', (quant, needed) => {
    expect(placed(quant, host({ gpus: [nvidia(24, needed + 0.011)] })).verdict).toBe('gpu');
    expect(placed(quant, host({ gpus: [nvidia(24, needed - 0.011)] })).verdict).toBe('partial');
  });
});

describe('on one GPU', () => {
  test('the reason has the numbers', () => {
    const result = placed('q5_k_m', host({ gpus: [nvidia(8, 7.2, 'RTX 4060')] }));
    expect(result.placement).toBe('all 36 layers on RTX 4060');
    expect(result.reasons[0]).toBe('Fits in RTX 4060: needs 3.35 GiB plus a margin of 1.00 GiB; 7.20 GiB is free.');
    expect(result.headroomBytes / GIB).toBeCloseTo(7.2 - 4.35, 1);
  });

  test('what does not fit wholly is split, and one more layer would not fit', () => {
    const profile = host({ gpus: [nvidia(4, 3.2)] });
    const result = placed('q4_k_m', profile);
    expect(result.verdict).toBe('partial');
    const layers = Number(/^(\d+) of 36/.exec(result.placement)?.[1]);
    expect(layers).toBeGreaterThan(20);
    expect(layers).toBeLessThan(36);
    expect(result.headroomBytes).toBeGreaterThanOrEqual(0);
    expect(result.headroomBytes).toBeLessThan(0.1 * GIB);
    // Of the matrices in RAM the projection of the per-layer embeddings is the largest that is copied there.
    expect(result.reasons[1]).toBe(
      `With ${layers} of 36 layers on the GPU: Fits in NVIDIA Test: needs 2.18 GiB plus a margin of 1.00 GiB; 3.20 GiB is free.`,
    );
    expect(result.reasons[0]).toBe(
      'Too large for NVIDIA Test: needs 2.96 GiB plus a margin of 1.00 GiB, but only 3.20 GiB is free (775.7 MiB short).',
    );
  });

  test('a GPU too small for a single layer leaves the CPU', () => {
    expect(placed('q4_k_m', host({ gpus: [nvidia(2, 1.1)] })).verdict).toBe('cpu');
  });

  test('Ollama before 0.30 needs more VRAM and keeps less free', () => {
    const profile = host({ gpus: [nvidia(4.5, 4.4)] });
    expect(placed('q4_k_m', profile, 'ollama-b').verdict).toBe('gpu');
    expect(placed('q4_k_m', profile, 'ollama-a2').verdict).toBe('partial');
  });

  test('RAM beside the GPU must hold the embeddings', () => {
    const result = placed('q8_0', host({ ram: 4, free: 3, gpus: [nvidia(24)] }));
    expect(result.verdict).toBe('no');
    expect(result.blockedBy[0]).toMatch(/^Too large for RAM beside the GPU: needs 2\.\d\d GiB/);
  });

  test('the one with most free memory is taken', () => {
    const profile = host({ gpus: [nvidia(24, 2, 'busy'), nvidia(8, 7, 'idle')] });
    expect(bestDevice(profile, 'ollama-b').device?.gpu.model).toBe('idle');
  });
});

describe('several GPUs', () => {
  const two = (first: number, second: number): HostProfile =>
    host({ gpus: [nvidia(24, first, 'RTX A'), nvidia(24, second, 'RTX B')] });

  test('what fits on the best alone is not shared', () => {
    expect(placed('q4_k_m', two(6, 6)).placement).toBe('all 36 layers on RTX A');
    expect(placed('q4_k_m', two(3, 6)).placement).toBe('all 36 layers on RTX B');
  });

  test('what does not is shared, with a margin and buffers of its own on each', () => {
    const result = placed('q8_0', two(4.5, 4.5));
    expect(result.verdict).toBe('gpu');
    expect(result.placement).toMatch(/^all 36 layers, \d+ on RTX A and \d+ on RTX B$/);
    expect(result.reasons[0]).toMatch(
      /^Fits in 2 GPUs: needs 5\.\d\d GiB plus a margin of 2\.00 GiB; 9\.00 GiB is free\.$/,
    );
    expect(result.reasons[1]).toContain('Too large for RTX A');
    const [first = 0, second = 0] = result.memory.deviceBytes ?? [];
    expect(first + second).toBe(result.memory.gpuBytes);
    for (const bytes of [first, second]) expect(bytes + GIB).toBeLessThanOrEqual(4.5 * GIB);
    const alone = placed('q8_0', host({ gpus: [nvidia(24)] })).memory;
    expect(result.memory.gpuBytes - alone.gpuBytes).toBeGreaterThan(100 * MIB);
    expect(result.memory.kvBytes).toBe(alone.kvBytes);
  });

  test('the larger GPU gets more layers', () => {
    const layers = /(\d+) on RTX A and (\d+) on RTX B/.exec(placed('q8_0', two(3.4, 5.6)).placement);
    expect(Number(layers?.[1])).toBeLessThan(Number(layers?.[2]));
    expect(Number(layers?.[1]) + Number(layers?.[2])).toBe(36);
  });

  test('where both together are too small, as many layers as fit on them, the others on the CPU', () => {
    const result = placed('q8_0', two(3, 3));
    expect(result.verdict).toBe('partial');
    expect(result.placement).toMatch(/^\d+ of 36 layers on \d+ on RTX A and \d+ on RTX B, the others on the CPU$/);
    const one = placed('q8_0', host({ gpus: [nvidia(24, 3)] }));
    const layersOf = ({ placement }: Placed): number => Number(/^(\d+) of/.exec(placement)?.[1]);
    expect(layersOf(result)).toBeGreaterThan(layersOf(one));
  });

  test('one that has no room for the margin is no help', () => {
    const result = placed('q8_0', two(5, 0.5));
    expect(result.verdict).toBe('partial');
    expect(result.placement).toMatch(/^\d+ of 36 layers on RTX A, the others on the CPU$/);
  });

  test('three of them', () => {
    const gpus = ['A', 'B', 'C'].map((name) => nvidia(24, 3.6, `RTX ${name}`));
    const result = placed('q8_0', host({ gpus }));
    expect(result.verdict).toBe('gpu');
    expect(result.memory.deviceBytes).toHaveLength(3);
  });
});

describe('GPUs that do not count', () => {
  test('unknown VRAM is told and the CPU is used', () => {
    const { vramTotal: _, vramFree: __, ...unknown } = nvidia(8);
    const result = placed('q4_0', host({ gpus: [unknown] }));
    expect(result.verdict).toBe('cpu');
    expect(result.reasons.join(' ')).toContain('the size of its memory could not be read');
  });

  test('unknown free VRAM is assumed to be all of it, with a caution', () => {
    const { vramFree: _, ...gpu } = nvidia(8);
    expect(placed('q4_0', host({ gpus: [gpu] })).reasons.join(' ')).toContain('Caution: the free memory of');
  });

  test('integrated GPUs are left alone by Ollama', () => {
    const result = placed('q4_0', host({ gpus: [RADEON_IGPU] }));
    expect(result.verdict).toBe('cpu');
    expect(result.reasons.join(' ')).toContain('does not use integrated GPUs');
    expect(placed('q4_0', host({ gpus: [RADEON_IGPU] }), 'llama.cpp').verdict).toBe('gpu');
  });

  test('the embedded runtime uses Metal only; a GPU without a backend nobody', () => {
    expect(placed('q4_0', host({ gpus: [nvidia(24)] }), 'embedded').verdict).toBe('cpu');
    expect(placed('q4_0', host({ gpus: [{ ...nvidia(24), backend: 'none' }] })).verdict).toBe('cpu');
  });
});

describe('unified memory', () => {
  const mac = (ram: number, free: number): HostProfile =>
    host({ ram, free, gpus: [apple(ram * 0.7)], platform: 'darwin' });

  test('the whole file counts, against Metal’s limit and against RAM', () => {
    const result = placed('q4_k_m', mac(16, 11));
    expect(result.verdict).toBe('gpu');
    expect(result.memory.weightsBytes / GIB).toBeCloseTo(3.94, 2);
  });

  test('the limit of Metal decides on a small Mac that has RAM left', () => {
    expect(placed('q5_k_m', mac(8, 7.9)).verdict).not.toBe('gpu');
    expect(placed('q3_k_m', mac(8, 7.9)).verdict).toBe('gpu');
  });

  test('RAM that other programs use is not there', () => {
    const result = placed('q8_0', mac(16, 6));
    expect(result.verdict).toBe('no');
    expect(result.blockedBy[0]).toContain('unified memory');
  });

  test('a CUDA device without memory of its own uses RAM', () => {
    const { vramTotal: _, vramFree: __, ...spark } = { ...nvidia(1), memoryKind: 'unified' as const };
    expect(placed('f16', host({ ram: 128, gpus: [spark] })).verdict).toBe('gpu');
  });
});

describe('RAM', () => {
  test('leaves 1 GiB or a tenth, of the container if that is smaller', () => {
    expect(ramBudget(host({ ram: 8, free: 6 }))).toBe(5 * GIB);
    expect(ramBudget(host({ ram: 64, free: 40 })) / GIB).toBeCloseTo(33.6, 5);
    expect(ramBudget(host({ ram: 64, free: 40, cgroup: 6 }))).toBe(5 * GIB);
  });

  test('too little of it is a refusal that says how much is missing', () => {
    const result = placed('q4_k_m', host({ ram: 4, free: 3.2 }));
    expect(result.verdict).toBe('no');
    expect(result.headroomBytes).toBeLessThan(0);
    expect(result.blockedBy).toHaveLength(1);
    expect(result.blockedBy[0]).toMatch(
      /Too large for RAM: needs 4\.\d\d GiB plus a margin of 1\.50 GiB, but only 3\.20 GiB is free/,
    );
  });
});

describe('margins', () => {
  test.each<[Engine, HostProfile['os']['platform'], number]>([
    ['ollama-b', 'linux', 1024],
    ['ollama-b', 'win32', 1324],
    ['ollama-a2', 'linux', 457],
    ['ollama-a1', 'darwin', 512],
  ])('%s on %s: %d MiB', (engine, platform, expected) => {
    expect(gpuMargin(engine, host({ platform }))).toBe(expected * MIB);
  });
});
