import type { GpuFacts } from '../../hardware/bandwidth.ts';
import { gigabytes, type RamBandwidth } from '../../hardware/bandwidth-ram.ts';
import type { GpuVendor } from '../../hardware/bandwidth-schema.ts';

/** A number that is known within a range: what is to be expected, and how slow and how fast it may be. */
export interface Range {
  readonly low: number;
  readonly estimate: number;
  readonly high: number;
}

/** How fast one place works. */
export interface Rates {
  /** Bytes of weights and cache per second. */
  readonly bytesPerSecond: Range;
  /** Seconds that starting one node of the graph takes beyond its work; `low` is the slow end here too. */
  readonly nodeSeconds: Range;
  /** Operations per second while a prompt is read; absent where nothing is known of it. */
  readonly operations?: Range;
  /** Weights per second at most while one token is made: unpacking quantised weights takes a CPU longer than reading them may. */
  readonly weightsPerSecond?: Range;
  /** `80 % of 1008 GB/s (GeForce RTX 4090, published bandwidth)`. */
  readonly basis: string;
  /** `1.4 times 82.6 TFLOPS`. */
  readonly promptBasis?: string;
}

/**
 * Share of the published bandwidth that decoding reaches, and microseconds a node. Set by what was published of
 * llama.cpp and Ollama on 14 GPUs (`test/fixtures/speed/measurements.json`): two models on one card determine both numbers.
 * NVIDIA's are small since llama.cpp launches a whole graph at once; its cards before Turing, and Intel's, are bound
 * by computing long before they are by memory.
 */
const DECODING: Readonly<Record<GpuVendor | 'old-nvidia' | 'unknown', { share: Range; microseconds: Range }>> = {
  nvidia: { share: range(0.6, 0.82, 0.94), microseconds: range(2.6, 1, 0.4) },
  'old-nvidia': { share: range(0.3, 0.5, 0.8), microseconds: range(4, 2.4, 1) },
  amd: { share: range(0.45, 0.8, 0.92), microseconds: range(3.5, 2.4, 1) },
  apple: { share: range(0.55, 0.8, 0.93), microseconds: range(4.5, 2.6, 1.5) },
  intel: { share: range(0.2, 0.4, 0.7), microseconds: range(8, 4, 2) },
  unknown: { share: range(0.4, 0.75, 0.9), microseconds: range(4, 2.4, 0.6) },
};

/** Ollama's own engine launches more and later: 79 tok/s of Gemma 3n on a card of 1792 GB/s (ollama#11525), 35 without CUDA graphs. */
const OWN_ENGINE = 2.2;

/**
 * Operations reached while reading a prompt, as a multiple of the published FP16 (with matrix units, which are not
 * counted in it) or FP32 speed; same measurements.
 */
const PROMPT: Readonly<Record<GpuVendor | 'old-nvidia' | 'unknown', Range>> = {
  nvidia: range(0.6, 1.3, 2.2),
  'old-nvidia': range(0.3, 0.7, 1.3),
  amd: range(0.25, 0.5, 0.95),
  apple: range(0.4, 0.62, 0.8),
  intel: range(0.12, 0.3, 0.8),
  unknown: range(0.2, 0.5, 1),
};

/** Bytes per second of a card that no table knows: an entry-level card gives 100 to 130 GB/s, the middle 250 to 450. */
const UNKNOWN_CARD = range(100e9, 200e9, 800e9);

/** Rates of a GPU with `bytesPerSecond` of bandwidth, or of one that nothing is known of. */
export function gpuRates(
  model: string,
  facts: GpuFacts | undefined,
  bytesPerSecond: number | undefined,
  ownEngine: boolean,
): Rates {
  const known = bytesPerSecond ?? facts?.bytesPerSecond;
  const kind =
    facts === undefined ? 'unknown' : facts.vendor === 'nvidia' && !facts.matrixUnits ? 'old-nvidia' : facts.vendor;
  const { share, microseconds } = DECODING[kind];
  const slower = ownEngine ? OWN_ENGINE : 1;
  const prompt = promptRate(kind, facts);
  return {
    bytesPerSecond: times(share, known === undefined ? UNKNOWN_CARD : range(known, known, known)),
    nodeSeconds: times(microseconds, range(1e-6 * slower, 1e-6 * slower, 1e-6)),
    ...(prompt !== undefined && { operations: prompt.rate, promptBasis: prompt.basis }),
    basis: `${percent(share.estimate)} of ${bandwidthWords(model, facts, bytesPerSecond)}, ${(microseconds.estimate * slower).toFixed(1)} µs per graph node`,
  };
}

function bandwidthWords(model: string, facts: GpuFacts | undefined, given: number | undefined): string {
  if (given !== undefined) return `${gigabytes(given)} (${model})`;
  if (facts === undefined)
    return `${gigabytes(UNKNOWN_CARD.estimate)} assumed, because the memory bandwidth of ${model} is unknown`;
  const note = facts.note === undefined ? '' : `; ${facts.note}`;
  return `${gigabytes(facts.bytesPerSecond)} (${facts.name}, published bandwidth${note})`;
}

function promptRate(
  kind: keyof typeof PROMPT,
  facts: GpuFacts | undefined,
): { rate: Range; basis: string } | undefined {
  const teraflops = facts?.teraflops;
  if (teraflops === undefined) return undefined;
  const factor = PROMPT[kind];
  const peak = teraflops * 1e12;
  return { rate: times(factor, range(peak, peak, peak)), basis: `${factor.estimate} times ${teraflops} TFLOPS` };
}

/**
 * Share of RAM's bandwidth that decoding reaches. Of the published one 47 to 68 % on six CPUs from a Raspberry Pi 5 to a
 * Threadripper (same measurements); a measured one is about 0.8 of that to begin with. One that
 * was assumed, or measured while other programs ran, may be far too low.
 */
const CPU_SHARE: Readonly<Record<RamBandwidth['kind'], Range>> = {
  measured: range(0.5, 0.7, 0.95),
  busy: range(0.5, 0.9, 2.5),
  published: range(0.35, 0.55, 0.75),
  assumed: range(0.3, 0.6, 2.5),
};

/**
 * Weights that one core unpacks and multiplies per second for one token: 12 and 18 thousand million on two Intel laptops
 * with two cores, 11 on one of an EPYC (bench/speed.ts). Operations of one core on a prompt: 30 to 81 thousand million,
 * from a Core i5 of 2014 to a Threadripper. Older and smaller cores are slower, AMX is faster; hence the wide ranges.
 */
const CORE_WEIGHTS = range(7e9, 14e9, 24e9);
const CORE_OPERATIONS = range(12e9, 45e9, 100e9);

/** One thread takes 1.8 µs a node of a tiny model (bench/speed.ts); several threads wait for each other at every node. */
const CPU_NODE = range(10e-6, 2e-6, 1e-6);

/** Rates of a CPU; `cores` are those that compute, 0 where that is not known. */
export function cpuRates(ram: RamBandwidth, cores: number): Rates {
  const { bandwidthBytesPerSecond: bandwidth, kind, basis } = ram;
  const share = CPU_SHARE[kind];
  const all = range(cores, cores, cores);
  return {
    bytesPerSecond: times(share, range(bandwidth, bandwidth, bandwidth)),
    nodeSeconds: CPU_NODE,
    ...(cores > 0 && { operations: times(CORE_OPERATIONS, all), weightsPerSecond: times(CORE_WEIGHTS, all) }),
    ...(cores > 0 && { promptBasis: `${CORE_OPERATIONS.estimate / 1e9} GFLOPS per core, ${cores} core(s)` }),
    basis: `${percent(share.estimate)} of ${basis}`,
  };
}

export function range(low: number, estimate: number, high: number): Range {
  return { low, estimate, high };
}

function times(a: Range, b: Range): Range {
  return range(a.low * b.low, a.estimate * b.estimate, a.high * b.high);
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
