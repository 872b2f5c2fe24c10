import type { Hyperparameters, WeightBytes } from '../catalog/schema.ts';
import { lookUpGpu } from '../hardware/bandwidth.ts';
import type { RamBandwidth } from '../hardware/bandwidth-ram.ts';
import { traitsOf } from './engines.ts';
import { effectiveBatch } from './kv.ts';
import type { Engine, RunSettings, Speed } from './schema.ts';
import { answerSpeed } from './speed/answer.ts';
import { promptSpeed } from './speed/prompt.ts';
import { cpuRates, gpuRates } from './speed/rates.ts';
import { positive, type Station, speedOf } from './speed/station.ts';
import { workOf } from './speed/work.ts';
import type { Placement } from './weights.ts';

export interface SpeedDevice {
  /** As the host profile names it. */
  readonly model: string;
  /** Memory of the card, for Apple chips of the whole Mac: tells apart parts that share a name. */
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
