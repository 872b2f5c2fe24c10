/** Memory as bars: what is in use, what the model needs, what must stay free, compared with the total. */
import { formatBytes } from '../core/units.ts';
import type { Candidate, Limits } from '../fit/schema.ts';

/** Width of a bar in the units of its picture. */
export const BAR_WIDTH = 1000;

export interface Segment {
  /** `used`, `model`, `margin`: its style. */
  readonly kind: 'used' | 'model' | 'margin';
  readonly x: number;
  readonly width: number;
}

export interface Track {
  /** `GPU`, `RAM`, or the names of several GPUs. */
  readonly name: string;
  readonly segments: readonly Segment[];
  /** The end of the device's memory. */
  readonly limit: number;
  /** The same in words, for readers who do not see the bar. */
  readonly text: string;
  readonly over: boolean;
}

interface Room {
  readonly name: string;
  readonly totalBytes: number;
  readonly freeBytes: number;
  readonly marginBytes: number;
}

/** Bytes that the longest bar of each device represents, so that all its bars on a page are comparable. */
export type Scales = ReadonlyMap<string, number>;

/** The bars of one candidate. */
export function tracksOf(candidate: Candidate, limits: Limits, scales: Scales): Track[] {
  return needsOf(candidate, limits).map((need) => trackOf(need, scales.get(need.key) ?? 1));
}

export function scalesOf(candidates: readonly Candidate[], limits: Limits): Scales {
  const scales = new Map<string, number>();
  for (const { key, room, bytes } of candidates.flatMap((candidate) => needsOf(candidate, limits))) {
    const end = Math.max(room.totalBytes, usedOf(room) + bytes + room.marginBytes);
    scales.set(key, Math.max(1, end, scales.get(key) ?? 0));
  }
  return scales;
}

function usedOf({ totalBytes, freeBytes }: Room): number {
  return Math.max(0, totalBytes - freeBytes);
}

interface Need {
  readonly key: string;
  readonly room: Room;
  readonly bytes: number;
}

function needsOf({ memory, verdict }: Candidate, limits: Limits): Need[] {
  const onRam = (name: string, bytes: number): Need => ({ key: 'ram', room: { ...limits.ram, name }, bytes });
  const gpus = gpuRooms(memory.deviceBytes, limits);
  if (gpus.length === 0 || verdict === 'cpu' || verdict === 'no') return [onRam('RAM', memory.cpuBytes)];
  const shares = memory.deviceBytes ?? [memory.gpuBytes];
  const onGpus = gpus.map((room, index) => ({
    key: `gpu ${limits.gpus.indexOf(room)}`,
    room,
    bytes: shares[index] ?? 0,
  }));
  // One pool: what the GPU uses is RAM.
  const pool = gpus.some(({ unified }) => unified);
  return [...onGpus, pool ? onRam('All memory', memory.totalBytes) : onRam('RAM', memory.cpuBytes)];
}

/** The GPUs that a candidate uses: all of them where it is shared, else the one with most free memory. */
function gpuRooms(deviceBytes: readonly number[] | undefined, { gpus }: Limits): Limits['gpus'] {
  if (deviceBytes !== undefined) return gpus.filter(({ unified }) => !unified);
  const [best] = gpus.toSorted((a, b) => b.freeBytes - a.freeBytes);
  return best === undefined ? [] : [best];
}

function trackOf({ room, bytes }: Need, scaleBytes: number): Track {
  const { name, totalBytes, freeBytes, marginBytes } = room;
  const usedBytes = usedOf(room);
  const left = freeBytes - bytes - marginBytes;
  const parts = [
    ['used', usedBytes],
    ['model', bytes],
    ['margin', marginBytes],
  ] as const;
  let at = 0;
  const segments = parts.flatMap(([kind, size]) => {
    const x = at;
    at += units(size, scaleBytes);
    return size > 0 ? [{ kind, x: rounded(x), width: rounded(at - x) }] : [];
  });
  const rest = left >= 0 ? `${formatBytes(left)} left` : `${formatBytes(-left)} too much`;
  const text = `${formatBytes(bytes)} for the model, ${formatBytes(marginBytes)} kept free, ${formatBytes(usedBytes)} in use now, ${rest} of ${formatBytes(totalBytes)}`;
  return { name, segments, limit: rounded(units(totalBytes, scaleBytes)), text, over: left < 0 };
}

function units(bytes: number, scaleBytes: number): number {
  return (bytes / scaleBytes) * BAR_WIDTH;
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
