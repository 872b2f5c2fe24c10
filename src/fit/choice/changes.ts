import { defined } from '../../core/defined.ts';
import { formatBytes, GIB, MIB } from '../../core/units.ts';
import type { Gpu, HostProfile } from '../../hardware/schema.ts';
import { applyWhatIf } from '../../hardware/what-if.ts';
import { bestDevice } from '../memory/devices.ts';
import { totalRam } from '../memory/margins.ts';
import type { Candidate, Change } from '../schema.ts';
import { bytesShortOfGpu } from './candidate.ts';
import { floorOf } from './floor.ts';
import { asGood, compareMerit, improves } from './rank.ts';
import { PLACEMENT_TEXT } from './reasons.ts';
import type { Adjustable, LoadedModel, Ranking, RecommendRequest } from './request.ts';
import { type Adjusted, rankAdjusted } from './settings.ts';

/**
 * What would give another choice. Every answer here was found by choosing again with the change made, from what was asked
 * and not from what was adjusted, so that the command with that change gives the same answer.
 */

/** At most one change of each kind, the mildest that gives a better choice; none where nothing can. */
export function changesOf({ ranking, base }: Adjusted): Change[] {
  const leaders = couldLead(ranking);
  const now = { request: ranking.request, asked: base.request, leaders };
  const onThisHost =
    leaders.length === 0
      ? []
      : [stopModels, shorterContext, smallerBatch, smallerCache, freeVram, freeRam].map((lever) => lever(now));
  return [...onThisHost, otherGpu(base.request), moreRam(base.request)].flatMap((variants) =>
    firstThatHelps(variants, ranking),
  );
}

function firstThatHelps(variants: readonly Variant[], { best: now, candidates }: Ranking): Change[] {
  for (const { kind, request, bytes, flag, label } of variants) {
    const { best } = rankAdjusted(request).ranking;
    if (best === undefined || !improves(best, now) || isOnlyFaster(kind, best, now, request)) continue;
    if (isHardware(kind) && candidates.some((candidate) => isAsGoodNow(candidate, best))) continue;
    const sentence = `${label}: ${best.quant} ${gain(best, now)}.`;
    return [{ kind, quant: best.quant, verdict: best.verdict, ...defined({ bytes, flag }), sentence }];
  }
  return [];
}

function isHardware(kind: Change['kind']): boolean {
  return kind === 'other-gpu' || kind === 'more-ram';
}

/**
 * True where the quant of a change already runs as well on the hardware that is there: then it takes a flag and not a
 * purchase, although other hardware would change the advice.
 */
function isAsGoodNow(candidate: Candidate, then: Candidate): boolean {
  return candidate.quant === then.quant && candidate.fastEnough !== false && asGood(candidate.verdict, then.verdict);
}

/** True for other hardware that gives no more stars where even the slow end of the range is fast enough: it is not suggested. */
function isOnlyFaster(
  kind: Change['kind'],
  then: Candidate,
  now: Candidate | undefined,
  { useCase }: RecommendRequest,
): boolean {
  if (!isHardware(kind)) return false;
  if (now?.tokensPerSecond === undefined || then.quality > now.quality) return false;
  return now.tokensPerSecond.low >= (floorOf(useCase)?.tokensPerSecond ?? 0);
}

/** `instead of q4_0, wholly on the GPU (4 stars instead of 3)`. */
function gain(then: Candidate, now: Candidate | undefined): string {
  const stars = `${then.quality} ${then.quality === 1 ? 'star' : 'stars'}`;
  if (now === undefined) return `would run ${PLACEMENT_TEXT[then.verdict]} (${stars})`;
  if (then.quant === now.quant) return `would run ${PLACEMENT_TEXT[then.verdict]}`;
  const more = then.quality === now.quality ? '' : ` (${stars} instead of ${now.quality})`;
  const faster = now.fastEnough === false && then.fastEnough !== false ? ', fast enough' : '';
  return `instead of ${now.quant}, ${PLACEMENT_TEXT[then.verdict]}${faster}${more}`;
}

/** Candidates that would come before the choice, or be a better one, if only they had room. */
function couldLead({ candidates, best, order, request }: Ranking): Candidate[] {
  const place = bestDevice(request.profile, request.engine).device === undefined ? 'cpu' : 'gpu';
  return candidates.filter((candidate) => {
    if (candidate.verdict === place || request.blockedByServer?.(candidate.quant) !== undefined) return false;
    // Elsewhere it may be fast.
    const roomy = { ...candidate, verdict: place, fastEnough: true, reachesFloor: true } as const;
    return best === undefined || compareMerit(roomy, best, order) < 0;
  });
}

/** What could be changed, each from the mildest form to the strongest. */

/** Sizes that are sold, GiB. */
const GPU_SIZES = [4, 6, 8, 12, 16, 24, 32, 48, 80] as const;
const RAM_SIZES = [8, 16, 24, 32, 48, 64, 96, 128] as const;
/** No smaller value is suggested. */
const LEAST_CONTEXT = 1024;
const LEAST_BATCH = 64;

/** What levers start from. */
interface Now {
  /** Under the settings of the choice, which may be smaller than those asked for. */
  readonly request: RecommendRequest;
  readonly asked: RecommendRequest;
  /** What could take the place of the choice. */
  readonly leaders: readonly Candidate[];
}

/** A request with one thing changed. */
interface Variant {
  readonly kind: Change['kind'];
  readonly request: RecommendRequest;
  readonly bytes?: number;
  readonly flag?: string;
  /** `num_ctx 8192 → 4096`. */
  readonly label: string;
}

function stopModels({ asked }: Now): Variant[] {
  const { loaded = [], profile } = asked;
  if (loaded.length === 0) return [];
  const names = loaded.map(({ name }) => name).join(', ');
  const label = loaded.length === 1 ? `Stop the loaded model (${names})` : `Stop the loaded models (${names})`;
  return [{ kind: 'stop-models', request: { ...asked, profile: withoutLoaded(profile, loaded) }, label }];
}

function shorterContext({ request, asked }: Now): Variant[] {
  const now = request.settings.contextLength;
  return halves(now, LEAST_CONTEXT).map((contextLength) => ({
    kind: 'context',
    request: withSetting(asked, 'contextLength', contextLength),
    flag: `--ctx ${contextLength}`,
    label: `num_ctx ${now} → ${contextLength}`,
  }));
}

function smallerBatch({ request, asked }: Now): Variant[] {
  const now = request.settings.batch;
  return halves(now, LEAST_BATCH).map((batch) => ({
    kind: 'batch',
    request: withSetting(asked, 'batch', batch),
    flag: `--batch ${batch}`,
    label: `num_batch ${now} → ${batch}, which slows down reading long prompts`,
  }));
}

function smallerCache({ request, asked }: Now): Variant[] {
  const { kvType, flashAttention } = request.settings;
  if (!flashAttention || kvType !== 'f16') return [];
  return [
    {
      kind: 'kv-type',
      request: { ...asked, settings: { ...asked.settings, kvType: 'q8_0' } },
      flag: '--kv-type q8_0',
      label: 'KV cache f16 → q8_0 (set on the server)',
    },
  ];
}

function freeVram({ request, asked, leaders }: Now): Variant[] {
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
      request: { ...asked, profile: withFreeVram(request.profile, device.gpu, bytes) },
      bytes,
      label: `With ${formatBytes(bytes)} more free VRAM (${formatBytes(inUse)} of ${device.gpu.model} is in use)`,
    }));
}

function freeRam({ asked, leaders }: Now): Variant[] {
  const { profile } = asked;
  const inUse = totalRam(profile) - profile.memory.usable;
  return shortfalls(leaders.map(({ headroomBytes }) => -headroomBytes))
    .filter((bytes) => bytes <= inUse)
    .map((bytes) => ({
      kind: 'free-ram',
      request: { ...asked, profile: withFreeRam(profile, bytes) },
      bytes,
      label: `With ${formatBytes(bytes)} more free RAM (${formatBytes(inUse)} is in use)`,
    }));
}

/** What is missing, smallest first, rounded up to what a person reads. */
function shortfalls(bytes: readonly number[]): number[] {
  const step = 10 * MIB;
  const rounded = bytes.filter((each) => each > 0).map((each) => Math.ceil(each / step) * step);
  return [...new Set(rounded)].sort((a, b) => a - b);
}

/** Another GPU in the place of the one, or a first one; nothing where several share the work or RAM is the GPU's. */
function otherGpu(request: RecommendRequest): Variant[] {
  const { profile, engine } = request;
  // Boards with an ARM processor take no GPU of their own.
  if (profile.gpus.length === 0 && profile.cpu.architecture === 'arm64') return [];
  if (profile.gpus.length > 1 || profile.gpus.some(({ memoryKind }) => memoryKind === 'unified')) return [];
  const now = (bestDevice(profile, engine).device?.totalBytes ?? 0) / GIB;
  return GPU_SIZES.filter((size) => size > now * 1.08).map((size) =>
    supposed(request, 'other-gpu', 'vram', size, `With a GPU of ${size} GiB (--what-if vram=${size}GiB)`),
  );
}

function moreRam(request: RecommendRequest): Variant[] {
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

/** The request as if the user had asked for this setting. */
function withSetting(request: RecommendRequest, setting: Adjustable, value: number): RecommendRequest {
  const adjustable = request.adjustable?.filter((each) => each !== setting);
  return {
    ...request,
    settings: { ...request.settings, [setting]: value },
    ...(adjustable !== undefined && { adjustable }),
  };
}

/** Half, a quarter, … down to a least value. */
function halves(value: number, least: number): number[] {
  const found: number[] = [];
  for (let half = Math.floor(value / 2); half >= least; half = Math.floor(half / 2)) found.push(half);
  return found;
}

/** The host with more of one GPU's memory free, never more than it has. */
export function withFreeVram(profile: HostProfile, gpu: Gpu, bytes: number): HostProfile {
  const gpus = profile.gpus.map((one) => {
    if (one !== gpu || one.vramFree === undefined) return one;
    return { ...one, vramFree: Math.min(one.vramFree + bytes, one.vramTotal ?? one.vramFree + bytes) };
  });
  return { ...profile, gpus };
}

/** The host with more RAM free, never more than it has. */
export function withFreeRam(profile: HostProfile, bytes: number): HostProfile {
  const { memory } = profile;
  const available = Math.min(memory.available + bytes, memory.total);
  const usable = Math.min(memory.usable + bytes, totalRam(profile));
  return { ...profile, memory: { ...memory, available, usable } };
}

/** The host without the models that are loaded; what they take of a GPU is given back to the first that has room for it. */
export function withoutLoaded(profile: HostProfile, loaded: readonly LoadedModel[]): HostProfile {
  const ram = sum(loaded.map(({ ramBytes }) => ramBytes));
  const vram = sum(loaded.map(({ gpuBytes }) => gpuBytes));
  const gpu = profile.gpus.find(
    ({ memoryKind, vramTotal, vramFree }) => memoryKind === 'dedicated' && (vramTotal ?? 0) - (vramFree ?? 0) >= vram,
  );
  if (gpu !== undefined) return withFreeVram(withFreeRam(profile, ram), gpu, vram);
  const shared = profile.gpus.some(({ memoryKind }) => memoryKind === 'unified');
  return withFreeRam(profile, shared ? ram + vram : ram);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
