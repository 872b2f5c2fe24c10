import { formatBytes } from '../../core/units.ts';
import type { HostProfile } from '../../hardware/schema.ts';
import type { FitVerdict, MemoryEstimate } from '../schema.ts';
import { bestDevice, type Device, usableDevices } from './devices.ts';
import type { EstimateRequest, Estimator } from './estimate.ts';
import { gpuMargin, PROCESS_BYTES, ramBudget, UNIFIED_RESERVE_BYTES } from './margins.ts';
import { spreadOver } from './spread.ts';

export type PlaceRequest = Omit<EstimateRequest, 'placement'>;

/** One attempt to put the model somewhere, as a yes or no with the numbers in a sentence. */
export interface Attempt {
  readonly memory: MemoryEstimate;
  readonly headroomBytes: number;
  readonly sentence: string;
}

/** The same on several GPUs. */
export interface SharedAttempt extends Attempt {
  /** `18 on RTX 3090 and 18 on RTX 3080`. */
  readonly shares: string;
}

/** A question and the host that it is put to. */
export interface Host {
  readonly request: PlaceRequest;
  readonly profile: HostProfile;
  readonly estimator: Estimator;
}

/** Layers on one GPU, the rest in RAM. */
export function onGpu({ request, profile, estimator }: Host, device: Device, gpuLayers: number): Attempt {
  const memory = estimator({ ...request, placement: { gpuLayers } });
  const margin = gpuMargin(request.engine, profile);
  const vram = device.freeBytes - memory.gpuBytes - margin;
  const sentence = verdictSentence(device.gpu.model, memory.gpuBytes, margin, device.freeBytes);
  return besideRam({ memory, headroomBytes: vram, sentence }, profile);
}

/** What the GPUs do not hold must fit in RAM; where it does not, that is what is said, unless a GPU falls short too. */
function besideRam(attempt: Attempt, profile: HostProfile): Attempt {
  const { memory, headroomBytes } = attempt;
  const ram = ramBudget(profile) - memory.cpuBytes - PROCESS_BYTES;
  if (ram >= 0) return attempt;
  const sentence = headroomBytes < 0 ? attempt.sentence : ramSentence('RAM beside the GPU', memory.cpuBytes, profile);
  return { memory, headroomBytes: Math.min(headroomBytes, ram), sentence };
}

/** The GPUs that can share layers: those with memory of their own, where there are at least two. */
export function severalOf({ request, profile }: Host): readonly Device[] {
  const { devices } = usableDevices(profile, request.engine);
  const own = devices.filter(({ unified }) => !unified);
  return own.length > 1 ? own : [];
}

/** Layers shared by several GPUs; undefined where there are too few of either. */
export function onSeveral(host: Host, devices: readonly Device[], gpuLayers: number): SharedAttempt | undefined {
  const { request, profile, estimator } = host;
  const spread = spreadOver(devices, gpuLayers, request, profile, estimator);
  if (spread === undefined) return undefined;
  const { memory, split, headroomBytes } = spread;
  const margin = gpuMargin(request.engine, profile) * devices.length;
  const free = devices.reduce((sum, { freeBytes }) => sum + freeBytes, 0);
  const shares = devices.map(({ gpu }, index) => `${split[index]} on ${gpu.model}`).join(' and ');
  const sentence =
    headroomBytes >= 0
      ? verdictSentence(`${devices.length} GPUs`, memory.gpuBytes, margin, free)
      : `Too large for ${devices.length} GPUs together: ${devices[spread.tightest]?.gpu.model ?? 'one'} is ${formatBytes(-headroomBytes)} short for its share.`;
  return { ...besideRam({ memory, headroomBytes, sentence }, profile), shares };
}

/** GPU and CPU share one pool: the GPU's limit and the RAM as a whole must both hold. */
export function onUnified({ request, profile, estimator }: Host, device: Device, gpuLayers: number): Attempt {
  // Ollama's own engine reads weights into buffers; llama.cpp lets Metal map the file.
  const mapsWholeFile = device.gpu.backend === 'metal' && !['ollama-a1', 'ollama-a2'].includes(request.engine);
  const memory = estimator({ ...request, placement: { gpuLayers, mapsWholeFile } });
  const margin = gpuMargin(request.engine, profile);
  const limit = device.freeBytes - memory.gpuBytes - margin;
  const pool = profile.memory.usable - memory.totalBytes - UNIFIED_RESERVE_BYTES;
  const sentence =
    limit <= pool
      ? verdictSentence(device.gpu.model, memory.gpuBytes, margin, device.freeBytes)
      : verdictSentence('unified memory', memory.totalBytes, UNIFIED_RESERVE_BYTES, profile.memory.usable);
  return { memory, headroomBytes: Math.min(limit, pool), sentence };
}

/** All layers in RAM. */
export function onCpu({ request, profile, estimator }: Host): Attempt {
  const memory = estimator({ ...request, placement: { gpuLayers: 0 } });
  const headroomBytes = ramBudget(profile) - memory.cpuBytes - PROCESS_BYTES;
  return { memory, headroomBytes, sentence: ramSentence('RAM', memory.cpuBytes, profile) };
}

function ramSentence(where: string, needed: number, profile: HostProfile): string {
  const { usable } = profile.memory;
  return verdictSentence(where, needed, PROCESS_BYTES + usable - ramBudget(profile), usable);
}

/** `Fits on X: needs 3.35 GiB + 1.00 GiB margin of 7.20 GiB free.` or how much is missing. */
function verdictSentence(where: string, needed: number, margin: number, free: number): string {
  const need = `needs ${formatBytes(needed)} plus a margin of ${formatBytes(margin)}`;
  const short = needed + margin - free;
  return short <= 0
    ? `Fits in ${where}: ${need}; ${formatBytes(free)} is free.`
    : `Too large for ${where}: ${need}, but only ${formatBytes(free)} is free (${formatBytes(short)} short).`;
}

export interface Placed {
  readonly verdict: FitVerdict;
  /** `all 36 layers on NVIDIA GeForce RTX 4060`. */
  readonly placement: string;
  readonly memory: MemoryEstimate;
  /** Bytes left on the device that decides, after the margin; negative when it falls short. */
  readonly headroomBytes: number;
  readonly blockedBy: readonly string[];
  readonly reasons: readonly string[];
}

/** `llm/memory.go` of v0.10.0 counts full attention in every layer and forgets the per-layer embeddings. */
const GUESSES = 'Caution: Ollama before 0.11.11 estimates memory roughly and may put fewer layers on the GPU.';

/**
 * Decides where a model runs on a host: wholly on the best GPU, else wholly on all GPUs together, else with as many
 * layers on GPUs as fit, else on the CPU, else nowhere. The engine's own rule decides for the GPU (need + its margin <=
 * free); for RAM it is ours, see `ramBudget`.
 */
export function place(request: PlaceRequest, profile: HostProfile, estimator: Estimator): Placed {
  const { device, ignored } = bestDevice(profile, request.engine);
  const host: Host = { request, profile, estimator };
  if (device === undefined) return withoutGpu(host, [], Number.NEGATIVE_INFINITY, ignored);
  const layers = request.hyperparameters.blockCount + 1;
  const cautions = [
    ...(device.caution === undefined ? [] : [`Caution: ${device.caution}.`]),
    ...(request.engine === 'ollama-a1' ? [GUESSES] : []),
  ];
  const whole = device.unified ? onUnified(host, device, layers) : onGpu(host, device, layers);
  if (whole.headroomBytes >= 0) return runs('gpu', `all ${layers} layers on ${device.gpu.model}`, whole, cautions);
  const several = severalOf(host);
  const shared = onSeveral(host, several, layers);
  if (shared !== undefined && shared.headroomBytes >= 0) {
    return runs('gpu', `all ${layers} layers, ${shared.shares}`, shared, [whole.sentence, ...cautions]);
  }
  const part = device.unified ? undefined : partly(host, device, several, layers);
  if (part === undefined) {
    const nearest = Math.max(whole.headroomBytes, shared?.headroomBytes ?? Number.NEGATIVE_INFINITY);
    return withoutGpu(host, [whole.sentence, ...(shared === undefined ? [] : [shared.sentence])], nearest, ignored);
  }
  const where = `${part.gpuLayers} of ${layers} layers on ${part.shares ?? device.gpu.model}, the others on the CPU`;
  const sentence = `With ${part.gpuLayers} of ${layers} layers on the GPU: ${part.sentence}`;
  return runs('partial', where, { ...part, sentence: whole.sentence }, [sentence, ...cautions]);
}

function withoutGpu(host: Host, tooSmall: readonly string[], nearest: number, ignored: readonly string[]): Placed {
  const cpu = onCpu(host);
  if (cpu.headroomBytes >= 0) return runs('cpu', 'all layers on the CPU', cpu, [...tooSmall, ...ignored]);
  return {
    verdict: 'no',
    placement: 'nowhere on this host',
    memory: cpu.memory,
    headroomBytes: Math.max(nearest, cpu.headroomBytes),
    blockedBy: [...tooSmall, cpu.sentence],
    reasons: ignored,
  };
}

function runs(verdict: FitVerdict, placement: string, attempt: Attempt, more: readonly string[]): Placed {
  const { memory, headroomBytes, sentence } = attempt;
  return { verdict, placement, memory, headroomBytes, blockedBy: [], reasons: [sentence, ...more] };
}

interface PartAttempt extends Attempt {
  readonly gpuLayers: number;
  readonly shares?: string;
}

/** The most layers that fit, on all GPUs or on the best; undefined when not even one does, or when RAM does not hold the others. */
function partly(host: Host, device: Device, several: readonly Device[], layers: number): PartAttempt | undefined {
  for (let gpuLayers = layers - 1; gpuLayers > 0; gpuLayers -= 1) {
    const shared = onSeveral(host, several, gpuLayers);
    if (shared !== undefined && shared.headroomBytes >= 0) return { ...shared, gpuLayers };
    const attempt = onGpu(host, device, gpuLayers);
    if (attempt.headroomBytes >= 0) return { ...attempt, gpuLayers };
  }
  return undefined;
}
