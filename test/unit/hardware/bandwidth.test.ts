import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GIB } from '../../../src/core/units.ts';
import { gpuTable, lookUpGpu } from '../../../src/hardware/bandwidth.ts';
import { GpuTable } from '../../../src/hardware/bandwidth-schema.ts';
import { HostProfile } from '../../../src/hardware/schema.ts';

const PROFILES = new URL('../../fixtures/profiles/', import.meta.url);

function gigabytesPerSecond(model: string, memoryGiB?: number): number | undefined {
  const found = lookUpGpu(model, memoryGiB === undefined ? undefined : memoryGiB * GIB);
  return found && found.bytesPerSecond / 1e9;
}

describe('the table of GPUs', () => {
  const table = GpuTable.parse(gpuTable());
  const rows = table.groups.flatMap(({ vendor, laptop, gpus }) => gpus.map((row) => ({ vendor, laptop, ...row })));

  test('names a listed source in every row and lists none that no row names', () => {
    const named = new Set(rows.map(({ source }) => source.split(':', 1)[0] ?? ''));
    expect([...named].sort()).toEqual(Object.keys(table.sources).sort());
    expect(rows.filter(({ source }) => source.startsWith('tpu') && !/^tpu:c\d+$/.test(source))).toEqual([]);
  });

  test('has each part once, told apart by memory where a name is there twice', () => {
    const keys = rows.flatMap(({ name, laptop, memory }) => (memory ?? [0]).map((size) => `${name} ${laptop} ${size}`));
    expect(new Set(keys).size).toBe(keys.length);
    const names = Map.groupBy(rows, ({ name, laptop }) => `${name} ${laptop}`);
    const twice = [...names.values()].filter((same) => same.length > 1).flat();
    expect(twice.filter(({ memory }) => memory === undefined)).toEqual([]);
    expect(twice.length).toBeGreaterThan(10);
  });

  test('finds every row by its own name and memory', () => {
    const wrong = rows.filter(({ name, laptop, memory, bandwidth }) => {
      const model = laptop ? `${name} Laptop GPU` : name;
      return (memory ?? [undefined]).some((size) => gigabytesPerSecond(model, size) !== bandwidth);
    });
    expect(wrong).toEqual([]);
  });
});

describe('a GPU is found by the name', () => {
  const EXPECTED: Record<string, number | undefined> = {
    'amd-apu-780m-16gb': undefined,
    'amd-rx-7900-xtx-24gb': 960,
    'apple-m1-8gb': 68.25,
    'apple-m1-pro-16gb': 200,
    'apple-m3-max-36gb': 300,
    'nvidia-2x-rtx-3090-24gb': 936.2,
    'nvidia-gtx-1650-4gb': 128.1,
    'nvidia-rtx-3060-12gb': 360,
    'nvidia-rtx-4060-8gb': 272,
    'nvidia-rtx-4080-16gb': 716.8,
    'nvidia-rtx-4090-24gb': 1008,
    'nvidia-rtx-a6000-48gb': 768,
    'wsl-rtx-3070-8gb': 448,
  };
  const profiles = readdirSync(PROFILES)
    .map((file) => HostProfile.parse(JSON.parse(readFileSync(new URL(file, PROFILES), 'utf8'))))
    .filter(({ gpus }) => gpus.length > 0);

  test.each(profiles)('in the profile $name', ({ name, gpus, memory }) => {
    expect(Object.keys(EXPECTED)).toContain(name);
    for (const { vendor, model, vramTotal } of gpus) {
      const size = vendor === 'apple' ? memory.total : vramTotal;
      expect(gigabytesPerSecond(model, size && size / GIB)).toBe(EXPECTED[name]);
    }
  });

  test.each([
    ['NVIDIA L4', 300.1],
    ['NVIDIA L40', 864],
    ['NVIDIA L40S', 864],
    ['Tesla T4', 320],
    ['NVIDIA A10', 600.2],
    ['NVIDIA A100-SXM4-40GB', 1555],
    ['NVIDIA A100 80GB PCIe', 1935],
    ['NVIDIA GeForce RTX 4070', 504.2],
    ['NVIDIA GeForce RTX 4070 Ti', 504.2],
    ['NVIDIA GeForce RTX 4070 Ti SUPER', 672.3],
    ['NVIDIA GeForce RTX 4060', 272],
    ['NVIDIA GeForce RTX 4060 Laptop GPU', 256],
    ['AD107M [GeForce RTX 4060 Max-Q / Mobile]', 256],
    ['NVIDIA GeForce RTX 2080 with Max-Q Design', 384],
    ['NVIDIA GeForce RTX 4090 Laptop GPU', 576],
    ['NVIDIA GeForce RTX 3050 6GB Laptop GPU', 168],
    ['Quadro RTX 6000', 672],
    ['NVIDIA RTX 6000 Ada Generation', 960],
    ['NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition', 1792],
    ['AMD Radeon RX 7900 XT', 800],
    ['AMD Radeon RX 7900 XTX', 960],
    ['AMD Radeon(TM) 8060S Graphics', 256],
    ['Intel(R) Arc(TM) A770 Graphics', 512],
    ['Apple M4', 120],
    ['Apple M4 Pro', 273],
    ['Apple M3 Ultra', 819],
    ['RTX4090', 1008],
  ])('%s: %f GB/s', (model, expected) => {
    expect(gigabytesPerSecond(model)).toBe(expected);
  });

  test('and by its memory where several parts share it', () => {
    expect(gigabytesPerSecond('NVIDIA GeForce RTX 3060', 11.9)).toBe(360);
    expect(gigabytesPerSecond('NVIDIA GeForce RTX 3060', 8)).toBe(240);
    expect(gigabytesPerSecond('Apple M3 Max', 64)).toBe(400);
    expect(gigabytesPerSecond('Apple M3 Max', 36)).toBe(300);
  });

  test('taking the slowest, and saying so, where memory does not tell', () => {
    const unsure = lookUpGpu('NVIDIA GeForce RTX 3060');
    expect(unsure?.bytesPerSecond).toBe(240e9);
    expect(unsure?.note).toContain('slowest of 2 parts');
    const chips = lookUpGpu('Ellesmere [Radeon RX 470/480/570/570X/580/580X/590]', 8 * GIB);
    expect(chips?.note).toContain('slowest');
    expect(lookUpGpu('NVIDIA GeForce RTX 4090', 48 * GIB)?.note).toContain('48 GiB of memory is unusual');
  });

  test.each([
    'NVIDIA GeForce RTX 9090',
    'NVIDIA GeForce RTX 4090 Ultra',
    'NVIDIA GeForce RTX 3060 SUPER',
    'NVIDIA A100X Laptop GPU',
    'NVIDIA L4000',
    'Apple M9',
    'Apple M4 Ultra',
    'Apple A18 Pro',
    'Phoenix1',
    'Virtio 1.0 GPU',
    'llvmpipe (LLVM 15.0.7, 256 bits)',
    '[]',
    '[/]',
    '',
    '   ',
  ])('but never by that of a similar part: %s', (model) => {
    expect(lookUpGpu(model)).toBeUndefined();
  });

  test('whatever text a driver gives', () => {
    fc.assert(
      fc.property(fc.string(), fc.option(fc.double(), { nil: undefined }), (model, memory) => {
        const found = lookUpGpu(`GeForce RTX 4090 ${model}`, memory);
        expect(found === undefined || found.bytesPerSecond > 0).toBe(true);
        lookUpGpu(model, memory);
      }),
    );
  });
});
