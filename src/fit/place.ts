import type { HostProfile } from '../hardware/schema.ts';
import {
  type Attempt,
  type Host,
  onCpu,
  onGpu,
  onSeveral,
  onUnified,
  type PlaceRequest,
  severalOf,
} from './attempts.ts';
import { bestDevice, type Device } from './devices.ts';
import type { Estimator } from './estimate.ts';
import type { FitVerdict, MemoryEstimate } from './schema.ts';

export type { PlaceRequest } from './attempts.ts';

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
const GUESSES =
  'Careful: Ollama before 0.11.11 decides by a rough guess of its own and may put fewer layers on the GPU.';

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
    ...(device.caution === undefined ? [] : [`Careful: ${device.caution}.`]),
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
  const sentence = `With ${part.gpuLayers} of ${layers} layers there: ${part.sentence}`;
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
