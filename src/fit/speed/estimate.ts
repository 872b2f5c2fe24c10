import type { Hyperparameters, WeightBytes } from '../../catalog/schema.ts';
import { lookUpGpu } from '../../hardware/bandwidth.ts';
import type { RamBandwidth } from '../../hardware/bandwidth-ram.ts';
import { traitsOf } from '../memory/engines.ts';
import { effectiveBatch } from '../memory/kv.ts';
import { type Placement, sum } from '../memory/weights.ts';
import type { Engine, RunSettings, Speed } from '../schema.ts';
import { cpuRates, gpuRates, type Range, type Rates, range } from './rates.ts';
import { type Work, workOf } from './work.ts';

export interface SpeedDevice {
  /** As the host profile names it. */
  readonly model: string;
  /** Memory of the card, for Apple chips of the whole Mac: distinguishes parts that share a name. */
  readonly memoryBytes?: number;
  /** Instead of what the table says. */
  readonly bandwidthBytesPerSecond?: number;
  /** GPU and CPU read from one memory: where the table does not know the GPU, the RAM's bandwidth counts. */
  readonly unified?: boolean;
}

export interface SpeedRequest {
  readonly architecture: string;
  readonly hyperparameters: Hyperparameters;
  readonly weights: WeightBytes;
  readonly engine: Engine;
  readonly settings: RunSettings;
  readonly placement: Placement;
  /** The GPU that has the layers, or all of them in the order of `placement.split`. */
  readonly device?: SpeedDevice | readonly SpeedDevice[];
  /** `cores` are those that compute; without them nothing is said of the speed of prompts on a CPU. */
  readonly cpu: RamBandwidth & { readonly cores?: number };
  /** A run of this model, quant and runtime on this host: it is right, whatever the estimate says. */
  readonly measured?: MeasuredSpeed;
}

export interface MeasuredSpeed {
  readonly tokensPerSecond: number;
  readonly promptTokensPerSecond?: number;
  /** ISO date and time of the run. */
  readonly at: string;
}

/** Tokens per second; a field is absent where nothing can be said. */
export interface SpeedEstimate {
  /** While answering. */
  readonly tokensPerSecond?: Speed;
  /** While reading a prompt of 512 tokens. */
  readonly promptTokensPerSecond?: Speed;
}

/** Length of the prompt that prompt speeds are for, as llama-bench's `pp512`. */
const PROMPT_TOKENS = 512;

/**
 * How fast a model answers and reads, as a range with its basis. An answer waits for memory: the bytes that a token
 * reads divided by the bandwidth of whatever holds them, one device after the other, and the time that starting the
 * graph's nodes takes, which is what bounds small models on fast GPUs. A prompt waits for computing. What was measured
 * on this host takes the estimate's place. Pure, and never throws.
 */
export function estimateSpeed(request: SpeedRequest): SpeedEstimate {
  const { measured } = request;
  const batch = Math.min(PROMPT_TOKENS, effectiveBatch(request.settings));
  const stations = stationsOf(request);
  const answer = measuredSpeed(measured?.tokensPerSecond, measured?.at) ?? answerSpeed(stations);
  const prompt = measuredSpeed(measured?.promptTokensPerSecond, measured?.at) ?? promptSpeed(stations, batch);
  return {
    ...(answer !== undefined && { tokensPerSecond: answer }),
    ...(prompt !== undefined && { promptTokensPerSecond: prompt }),
  };
}

function measuredSpeed(rate: number | undefined, at: string | undefined): Speed | undefined {
  const known = positive(rate);
  if (known === undefined || at === undefined) return undefined;
  return speedOf(() => 1 / known, `measured here on ${at.slice(0, 10)}`);
}

function stationsOf(request: SpeedRequest): Station[] {
  const { architecture, hyperparameters, weights, settings, placement, cpu } = request;
  const engine = traitsOf(request.engine);
  const devices = [request.device ?? []].flat();
  const { gpus, cpu: rest } = workOf(architecture, hyperparameters, weights, settings, engine, placement);
  const onGpus = gpus.map((work, index): Station => {
    const device = devices[index] ?? devices[0] ?? { model: 'a GPU' };
    const facts = lookUpGpu(device.model, device.memoryBytes);
    const shared = device.unified === true && facts === undefined ? cpu.bandwidthBytesPerSecond : undefined;
    const given = positive(device.bandwidthBytesPerSecond) ?? positive(shared);
    return { kind: 'gpu', work, rates: gpuRates(device.model, facts, given, !engine.llamaGraph) };
  });
  // Without a bandwidth that can be believed there is no number, so no speed.
  const ram = { ...cpu, bandwidthBytesPerSecond: positive(cpu.bandwidthBytesPerSecond) ?? Number.NaN };
  const onCpu: Station = { kind: 'cpu', work: rest, rates: cpuRates(ram, Math.max(0, cpu.cores ?? 0)) };
  return [...onGpus, onCpu].filter(({ work }) => work.weightBytes > 0);
}

/** Speed of answering: one station after the other reads its weights and its part of the cache. */
export function answerSpeed(stations: readonly Station[]): Speed | undefined {
  if (stations.length === 0) return undefined;
  const basis = stations
    .map(({ work, rates }) => `${readableBytes(work.weightBytes)} per token at ${rates.basis}`)
    .join(' + ');
  return speedOf((end) => sum(stations.map((station) => answerSeconds(station, end))), basis);
}

/** `low` is for a full context, the others for a conversation of some turns. */
function answerSeconds({ work, rates }: Station, end: keyof Range): number {
  const cache = end === 'low' ? work.fullCacheBytes : work.cacheBytes;
  const reading = (work.weightBytes + cache) / rates.bytesPerSecond[end];
  const computing = rates.weightsPerSecond === undefined ? 0 : work.weights / rates.weightsPerSecond[end];
  return Math.max(reading, computing) + work.nodes * rates.nodeSeconds[end];
}

/**
 * Bytes per second at which weights that are not on the GPU are sent there while a prompt is read, in batches. Llama 13B
 * Q6_K on an RX 6800 XT: 248 tok/s with no layer there and 684 with all (llama.cpp#2059), so 10.7 GB took 1.3 s.
 */
const SENT = range(3e9, 8e9, 15e9);

const SENT_WORDS = 'the same GPU for the layers on the CPU, copied to it for each batch';

/** Smaller batches are not sent (`op_offload_min_batch_size` in ggml-cuda). */
const LEAST_SENT = 32;

/**
 * Speed of reading a prompt in batches of `batch` tokens: the operations of all of them, and once for a batch the weights
 * and the nodes. Undefined where it is not known how fast a device computes.
 */
export function promptSpeed(stations: readonly Station[], batch: number): Speed | undefined {
  const gpu = batch >= LEAST_SENT ? stations.find(({ kind }) => kind === 'gpu') : undefined;
  const parts = stations.map((station) => {
    const sent = station.kind === 'cpu' ? gpu : undefined;
    const rates = sent?.rates ?? station.rates;
    return {
      known: rates.operations !== undefined,
      basis: sent === undefined ? station.rates.promptBasis : SENT_WORDS,
      seconds: (end: keyof Range) =>
        sent === undefined ? promptSeconds(station, batch, end) : besideSeconds(station, sent, batch, end),
    };
  });
  if (parts.length === 0 || !parts.every(({ known }) => known)) return undefined;
  const operations = 2 * sum(stations.map(({ work }) => work.promptWeights));
  const basis = parts.map((part) => part.basis).join(' + ');
  const words = `${(operations / 1e9).toPrecision(3)} GFLOP per token at ${basis}, batches of ${batch}`;
  return speedOf((end) => sum(parts.map(({ seconds }) => seconds(end))), words);
}

function promptSeconds({ work, rates }: Station, batch: number, end: keyof Range): number {
  const operations = rates.operations?.[end] ?? Number.NaN;
  const once = work.batchBytes / rates.bytesPerSecond[end] + work.nodes * rates.nodeSeconds[end];
  return (2 * work.promptWeights) / operations + once / batch;
}

/** Layers on the CPU beside a GPU: they are sent there for every batch; at worst the CPU computes them. */
function besideSeconds(cpu: Station, gpu: Station, batch: number, end: keyof Range): number {
  const sent = promptSeconds({ ...cpu, rates: { ...gpu.rates, bytesPerSecond: SENT } }, batch, end);
  if (end !== 'low' || cpu.rates.operations === undefined) return sent;
  return Math.max(sent, promptSeconds(cpu, batch, end));
}

/** A place where a part of the work is done, and how fast it is. */
export interface Station {
  readonly kind: 'gpu' | 'cpu';
  readonly work: Work;
  readonly rates: Rates;
}

/**
 * Tokens per second from the seconds that a token takes at each end of the range, with three digits that count.
 * Undefined if these take no time, or are not numbers.
 */
export function speedOf(seconds: (end: keyof Range) => number, basis: string): Speed | undefined {
  const rate = (end: keyof Range): number => Number((1 / seconds(end)).toPrecision(3));
  const speed = { low: rate('low'), estimate: rate('estimate'), high: rate('high'), basis };
  return Number.isFinite(speed.low + speed.estimate + speed.high) ? speed : undefined;
}

/** `2.89 GB`, `12.3 MB`; 10^n bytes, as bandwidth is always given. */
export function readableBytes(bytes: number): string {
  return bytes < 1e8 ? `${(bytes / 1e6).toPrecision(3)} MB` : `${(bytes / 1e9).toPrecision(3)} GB`;
}

export function positive(value: number | undefined): number | undefined {
  return value !== undefined && Number.isFinite(value) && value > 0 ? value : undefined;
}
