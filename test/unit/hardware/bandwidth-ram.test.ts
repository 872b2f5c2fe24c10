import { describe, expect, test } from 'vitest';
import { GIB, MIB } from '../../../src/core/units.ts';
import { gigabytes, MeasuredRam, ramBandwidth, ramMeasureOptions } from '../../../src/hardware/bandwidth-ram.ts';
import { measureRam } from '../../../src/hardware/measure-ram.ts';
import type { HostProfile } from '../../../src/hardware/schema.ts';

function host(model: string, vendor: string, cores: number, gib: number): Pick<HostProfile, 'cpu' | 'memory'> {
  const bytes = gib * GIB;
  return {
    cpu: { model, vendor, architecture: 'x64', physicalCores: cores, logicalCores: cores, vectorFlags: [] },
    memory: { total: bytes, available: bytes, usable: bytes },
  };
}

const PC = host('AMD Ryzen 7 5700X', 'AMD', 8, 32);
const MEASURED: MeasuredRam = {
  schemaVersion: 1,
  bytesPerSecond: 38.2e9,
  threads: 8,
  busy: false,
  at: '2026-11-24T08:00:00.000Z',
};

describe('the bandwidth of RAM', () => {
  test('is what was measured, with the day', () => {
    const { bandwidthBytesPerSecond, kind, basis } = ramBandwidth(PC, MEASURED);
    expect({ bandwidthBytesPerSecond, kind }).toEqual({ bandwidthBytesPerSecond: 38.2e9, kind: 'measured' });
    expect(basis).toBe('RAM measured here on 2026-11-24: 38.2 GB/s read by 8 thread(s)');
  });

  test('is no less than what was measured while other programs ran', () => {
    const { kind, basis } = ramBandwidth(PC, { ...MEASURED, busy: true });
    expect(kind).toBe('busy');
    expect(basis).toContain('2026-11-24 while other programs ran: 38.2 GB/s');
  });

  test('is what Apple publishes for its chips, by the memory of the Mac', () => {
    expect(ramBandwidth(host('Apple M3 Max', 'Apple', 14, 36))).toMatchObject({
      bandwidthBytesPerSecond: 300e9,
      kind: 'published',
    });
    expect(ramBandwidth(host('Apple M3 Max', 'Apple', 16, 64)).bandwidthBytesPerSecond).toBe(400e9);
  });

  test('is a cautious guess that says so otherwise', () => {
    const { bandwidthBytesPerSecond, kind, basis } = ramBandwidth(PC);
    expect({ bandwidthBytesPerSecond, kind }).toEqual({ bandwidthBytesPerSecond: 20e9, kind: 'assumed' });
    expect(basis).toContain('was not measured');
    expect(ramBandwidth(host('Apple M99', 'Apple', 8, 16)).kind).toBe('assumed');
  });

  test('is not that of a GPU whose name a CPU has', () => {
    expect(ramBandwidth(host('L4', 'Intel', 4, 16)).kind).toBe('assumed');
  });
});

describe('what is measured', () => {
  test('takes no more threads than cores, and little memory', () => {
    expect(ramMeasureOptions(PC)).toEqual({ threads: 8, memoryBytes: 256 * MIB });
    expect(ramMeasureOptions(host('EPYC', 'AMD', 64, 512))).toEqual({ threads: 8, memoryBytes: 256 * MIB });
    expect(ramMeasureOptions(host('Cortex-A76', 'ARM', 4, 1))).toEqual({ threads: 4, memoryBytes: 128 * MIB });
  });

  test('is a plausible speed, or nothing where the host is too busy', async () => {
    const measured = await measureRam({ threads: 1, memoryBytes: 64 * MIB });
    if (measured === undefined) return expect(measured).toBeUndefined();
    const { bytesPerSecond, threads } = MeasuredRam.parse(measured);
    expect(threads).toBe(1);
    expect(bytesPerSecond).toBeGreaterThan(0.1e9);
    expect(bytesPerSecond).toBeLessThan(1000e9);
  });

  test('is nothing without threads or without memory that a cache does not hold', async () => {
    expect(await measureRam({ threads: 0, memoryBytes: 256 * MIB })).toBeUndefined();
    expect(await measureRam({ threads: 1, memoryBytes: 8 * MIB })).toBeUndefined();
    expect(await measureRam({ threads: 64, memoryBytes: 8 * MIB })).toBeUndefined();
  });
});

test.each([
  { ...MEASURED, bytesPerSecond: 0 },
  { ...MEASURED, bytesPerSecond: Number.POSITIVE_INFINITY },
  { ...MEASURED, bytesPerSecond: -5 },
  { ...MEASURED, threads: 0 },
  { ...MEASURED, at: 'yesterday' },
  { ...MEASURED, more: 1 },
])('a kept measurement is not taken as it is: %j', (kept) => {
  expect(MeasuredRam.safeParse(kept).success).toBe(false);
});

test('bandwidth is written in GB, not GiB', () => {
  expect([1008e9, 272e9, 68.25e9, 20e9, 9.94e9].map(gigabytes)).toEqual([
    '1008 GB/s',
    '272 GB/s',
    '68.3 GB/s',
    '20 GB/s',
    '9.9 GB/s',
  ]);
});
