import type { HostProfile } from '../../hardware/schema.ts';
import type { MemoryEstimate } from '../schema.ts';
import type { Device } from './devices.ts';
import type { EstimateRequest, Estimator } from './estimate.ts';
import { gpuMargin } from './margins.ts';

/** Layers shared by several GPUs, and what is left on the tightest of them. */
export interface Spread {
  readonly split: readonly number[];
  readonly memory: MemoryEstimate;
  /** Bytes left after the margin on the device with least; negative when one falls short. */
  readonly headroomBytes: number;
  /** Index of that device. */
  readonly tightest: number;
}

/** Moves of one layer from the tightest GPU to the roomiest; more never helped with up to eight GPUs of unlike sizes. */
const MOVES = 24;

/**
 * Shares layers among GPUs as llama.cpp does, by what is free on each, and then moves single layers while that gives the
 * tightest more room. Every GPU keeps the engine's margin, and those that have layers have buffers of their own.
 */
export function spreadOver(
  devices: readonly Device[],
  gpuLayers: number,
  request: Omit<EstimateRequest, 'placement'>,
  profile: HostProfile,
  estimator: Estimator,
): Spread | undefined {
  if (devices.length < 2 || gpuLayers < devices.length) return undefined;
  const margin = gpuMargin(request.engine, profile);
  const rate = (split: readonly number[]): Spread => {
    const memory = estimator({ ...request, placement: { gpuLayers, split } });
    return { split, memory, ...tightestOf(devices, split, memory, margin) };
  };
  let best = rate(byFreeMemory(devices, gpuLayers));
  for (let move = 0; move < MOVES && best.headroomBytes < 0; move += 1) {
    const next = moveLayer(best, devices, margin);
    if (next === undefined) break;
    const rated = rate(next);
    if (rated.headroomBytes <= best.headroomBytes) break;
    best = rated;
  }
  return best;
}

/** At least one layer for each, the rest by free memory. */
function byFreeMemory(devices: readonly Device[], layers: number): number[] {
  const total = devices.reduce((sum, { freeBytes }) => sum + freeBytes, 0);
  const split = devices.map(({ freeBytes }) => Math.max(1, Math.floor((layers * freeBytes) / Math.max(1, total))));
  const last = split.length - 1;
  for (let index = 0; split.reduce((sum, count) => sum + count, 0) !== layers; index = (index + 1) % split.length) {
    const over = split.reduce((sum, count) => sum + count, 0) > layers;
    const at = over ? split.indexOf(Math.max(...split)) : last - index;
    split[at] = (split[at] ?? 0) + (over ? -1 : 1);
  }
  return split;
}

function moveLayer(
  { split, memory, tightest }: Spread,
  devices: readonly Device[],
  margin: number,
): number[] | undefined {
  const room = roomOf(devices, split, memory, margin);
  const roomiest = room.indexOf(Math.max(...room));
  if (roomiest === tightest || (split[tightest] ?? 0) <= 1) return undefined;
  return split.map((count, index) => count + (index === roomiest ? 1 : 0) - (index === tightest ? 1 : 0));
}

function tightestOf(
  devices: readonly Device[],
  split: readonly number[],
  memory: MemoryEstimate,
  margin: number,
): Pick<Spread, 'headroomBytes' | 'tightest'> {
  const room = roomOf(devices, split, memory, margin);
  const headroomBytes = Math.min(...room);
  return { headroomBytes, tightest: room.indexOf(headroomBytes) };
}

/** An estimator that knows only the sum is taken to share it as the layers are. */
function roomOf(
  devices: readonly Device[],
  split: readonly number[],
  memory: MemoryEstimate,
  margin: number,
): number[] {
  const layers = split.reduce((sum, count) => sum + count, 0);
  return devices.map(({ freeBytes }, index) => {
    const bytes = memory.deviceBytes?.[index] ?? Math.ceil((memory.gpuBytes * (split[index] ?? 0)) / layers);
    return freeBytes - bytes - margin;
  });
}
