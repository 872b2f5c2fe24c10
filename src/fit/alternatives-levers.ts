/** What could be changed, each from the mildest form to the strongest. */
import { formatBytes, GIB, MIB } from '../core/units.ts';
import type { HostProfile } from '../hardware/schema.ts';
import { applyWhatIf } from '../hardware/what-if.ts';
import { withFreeRam, withFreeVram, withoutLoaded } from './alternatives-host.ts';
import { bytesShortOfGpu } from './choice-candidate.ts';
import type { RecommendRequest } from './choice-request.ts';
import { bestDevice } from './devices.ts';
import { totalRam } from './margins.ts';
import type { Candidate, Change, RunSettings } from './schema.ts';

/** Sizes that are sold, GiB. */
const GPU_SIZES = [4, 6, 8, 12, 16, 24, 32, 48, 80] as const;
const RAM_SIZES = [8, 16, 24, 32, 48, 64, 96, 128] as const;
/** Nobody is told to go below these. */
const LEAST_CONTEXT = 1024;
const LEAST_BATCH = 64;

/** A request with one thing changed. */
export interface Variant {
  readonly kind: Change['kind'];
  readonly request: RecommendRequest;
  readonly bytes?: number;
  /** `num_ctx 8192 → 4096`. */
  readonly label: string;
}

export function stopModels(request: RecommendRequest): Variant[] {
  const { loaded = [], profile } = request;
  if (loaded.length === 0) return [];
  const names = loaded.map(({ name }) => name).join(', ');
  const label = loaded.length === 1 ? `Stop the loaded model (${names})` : `Stop the loaded models (${names})`;
  return [{ kind: 'stop-models', request: { ...request, profile: withoutLoaded(profile, loaded) }, label }];
}

export function shorterContext(request: RecommendRequest): Variant[] {
  const now = request.settings.contextLength;
  return halves(now, LEAST_CONTEXT).map((contextLength) => ({
    kind: 'context',
    request: withSettings(request, { contextLength }),
    label: `num_ctx ${now} → ${contextLength}`,
  }));
}

export function smallerBatch(request: RecommendRequest): Variant[] {
  const now = request.settings.batch;
  return halves(now, LEAST_BATCH).map((batch) => ({
    kind: 'batch',
    request: withSettings(request, { batch }),
    label: `num_batch ${now} → ${batch}, which reads long prompts more slowly`,
  }));
}

export function smallerCache(request: RecommendRequest): Variant[] {
  const { kvType, flashAttention } = request.settings;
  if (!flashAttention || kvType !== 'f16') return [];
  return [
    {
      kind: 'kv-type',
      request: withSettings(request, { kvType: 'q8_0' }),
      label: 'KV cache f16 → q8_0 (set on the server)',
    },
  ];
}

export function freeVram(request: RecommendRequest, leaders: readonly Candidate[]): Variant[] {
  const { device } = bestDevice(request.profile, request.engine);
  if (device === undefined || device.unified) return [];
  const inUse = device.totalBytes - device.freeBytes;
  return shortfalls(
    request.model.quants
      .filter(({ id }) => leaders.some(({ quant }) => quant === id))
      .map((quant) => bytesShortOfGpu(quant, request) ?? 0),
  )
    .filter((bytes) => bytes <= inUse)
    .map((bytes) => ({
      kind: 'free-vram',
      request: { ...request, profile: withFreeVram(request.profile, device.gpu, bytes) },
      bytes,
      label: `With ${formatBytes(bytes)} more free VRAM (${formatBytes(inUse)} of ${device.gpu.model} are in use)`,
    }));
}

export function freeRam(request: RecommendRequest, leaders: readonly Candidate[]): Variant[] {
  const { profile } = request;
  const inUse = totalRam(profile) - profile.memory.usable;
  return shortfalls(leaders.map(({ headroomBytes }) => -headroomBytes))
    .filter((bytes) => bytes <= inUse)
    .map((bytes) => ({
      kind: 'free-ram',
      request: { ...request, profile: withFreeRam(profile, bytes) },
      bytes,
      label: `With ${formatBytes(bytes)} more free RAM (${formatBytes(inUse)} are in use)`,
    }));
}

/** What is missing, smallest first, rounded up to what a person reads. */
function shortfalls(bytes: readonly number[]): number[] {
  const step = 10 * MIB;
  const rounded = bytes.filter((each) => each > 0).map((each) => Math.ceil(each / step) * step);
  return [...new Set(rounded)].sort((a, b) => a - b);
}

/** Another GPU in the place of the one, or a first one; nothing where several share the work or RAM is the GPU's. */
export function otherGpu(request: RecommendRequest): Variant[] {
  const { profile, engine } = request;
  if (profile.gpus.length > 1 || profile.gpus.some(({ memoryKind }) => memoryKind === 'unified')) return [];
  const now = (bestDevice(profile, engine).device?.totalBytes ?? 0) / GIB;
  return GPU_SIZES.filter((size) => size > now * 1.08).map((size) =>
    supposed(request, 'other-gpu', 'vram', size, `With a GPU of ${size} GiB (--what-if vram=${size}GiB)`),
  );
}

export function moreRam(request: RecommendRequest): Variant[] {
  const { total, cgroupLimit } = request.profile.memory;
  if (cgroupLimit !== undefined && cgroupLimit < total) return [];
  return RAM_SIZES.filter((size) => size > (total / GIB) * 1.08).map((size) =>
    supposed(request, 'more-ram', 'ram', size, `With ${size} GiB of RAM (--what-if ram=${size}GiB)`),
  );
}

function supposed(
  request: RecommendRequest,
  kind: Change['kind'],
  what: 'vram' | 'ram',
  size: number,
  label: string,
): Variant {
  const profile: HostProfile = applyWhatIf(request.profile, { [what]: size * GIB });
  // What was measured here says nothing of another host.
  const { measured: _, ...elsewhere } = request;
  return { kind, request: { ...elsewhere, profile }, bytes: size * GIB, label };
}

function withSettings(request: RecommendRequest, settings: Partial<RunSettings>): RecommendRequest {
  return { ...request, settings: { ...request.settings, ...settings } };
}

/** Half, a quarter, … down to a least value. */
function halves(value: number, least: number): number[] {
  const found: number[] = [];
  for (let half = Math.floor(value / 2); half >= least; half = Math.floor(half / 2)) found.push(half);
  return found;
}
