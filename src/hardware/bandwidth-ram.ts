import * as z from 'zod';
import { lookUpGpu } from './bandwidth.ts';
import type { HostProfile } from './schema.ts';

/** Reading speed of RAM as measured on a host: what the cache folder keeps. */
export const MeasuredRam = z.strictObject({
  schemaVersion: z.literal(1),
  bytesPerSecond: z.number().positive().max(1e13),
  threads: z.int().positive(),
  /** Other programs took a good part of the processors meanwhile, so it is at least this fast: worth measuring again. */
  busy: z.boolean(),
  /** When it was measured. */
  at: z.iso.datetime(),
});
export type MeasuredRam = z.infer<typeof MeasuredRam>;

export interface MeasureRamOptions {
  readonly threads: number;
  /** What may be allocated for it, in bytes. */
  readonly memoryBytes: number;
}

/** Reading speed of RAM, in bytes per second, and how it is known. */
export interface RamBandwidth {
  readonly bandwidthBytesPerSecond: number;
  /** `busy`: measured while other programs ran, so it is at least that. */
  readonly kind: 'measured' | 'busy' | 'published' | 'assumed';
  readonly basis: string;
}

/** One channel of DDR4-2666 gives 21.3 GB/s. Nearly every computer has two channels, so this is a cautious guess. */
const ASSUMED = 20e9;

/** Threads beyond this read no faster on most machines; each takes time to start. */
const MOST_THREADS = 8;

/** Enough not to fit into a cache: the largest are 96 MiB in desktops. */
const MOST_MEMORY = 256 * 1024 ** 2;

/** How to measure on this host without using memory that it does not have. */
export function ramMeasureOptions({ cpu, memory }: Pick<HostProfile, 'cpu' | 'memory'>): MeasureRamOptions {
  return {
    threads: Math.min(cpu.physicalCores, MOST_THREADS),
    memoryBytes: Math.min(MOST_MEMORY, Math.floor(memory.usable / 8)),
  };
}

/** The best that is known of a host's RAM: measured there, else published (Apple), else assumed. Never throws. */
export function ramBandwidth(profile: Pick<HostProfile, 'cpu' | 'memory'>, measured?: MeasuredRam): RamBandwidth {
  if (measured !== undefined) {
    const { bytesPerSecond, threads, busy, at } = measured;
    const when = `${at.slice(0, 10)}${busy ? ' while other programs ran' : ''}`;
    const basis = `RAM measured here on ${when}: ${gigabytes(bytesPerSecond)} read by ${threads} thread(s)`;
    return { bandwidthBytesPerSecond: bytesPerSecond, kind: busy ? 'busy' : 'measured', basis };
  }
  const chip = profile.cpu.vendor === 'Apple' ? lookUpGpu(profile.cpu.model, profile.memory.total) : undefined;
  if (chip === undefined) {
    const basis = `RAM assumed to deliver ${gigabytes(ASSUMED)}, like one channel of DDR4: it was not measured`;
    return { bandwidthBytesPerSecond: ASSUMED, kind: 'assumed', basis };
  }
  const basis = `RAM of ${chip.name}: ${gigabytes(chip.bytesPerSecond)} (${chip.source})`;
  return { bandwidthBytesPerSecond: chip.bytesPerSecond, kind: 'published', basis };
}

/** `1008 GB/s`, `68.3 GB/s`; 10^9 bytes, as bandwidth is always given. */
export function gigabytes(bytesPerSecond: number): string {
  const value = bytesPerSecond / 1e9;
  return `${value.toFixed(value < 100 && !Number.isInteger(value) ? 1 : 0)} GB/s`;
}
