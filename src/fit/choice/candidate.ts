import type { Hyperparameters, Quant } from '../../catalog/schema.ts';
import { ramBandwidth } from '../../hardware/bandwidth-ram.ts';
import type { HostProfile } from '../../hardware/schema.ts';
import { weightsOf } from '../memory/assumed-weights.ts';
import { bestDevice, type Device, usableDevices } from '../memory/devices.ts';
import { type EstimateRequest, type Estimator, estimateMemory } from '../memory/estimate.ts';
import { gpuMargin, PROCESS_BYTES, ramBudget, totalRam, UNIFIED_RESERVE_BYTES } from '../memory/margins.ts';
import { type Placed, place } from '../memory/placement.ts';
import type { Placement } from '../memory/weights.ts';
import type { Candidate, Engine, FitVerdict, FreeNeeded, Limits, MemoryEstimate, RunSettings } from '../schema.ts';
import { estimateSpeed, type SpeedDevice } from '../speed/estimate.ts';
import { cautiousSpeed, floorOf } from './floor.ts';
import { type Advice, adviceRank } from './policy.ts';
import { adviceReasons, disagreement, speedReasons } from './reasons.ts';
import type { RecommendRequest } from './request.ts';

/** A quant with its verdict on a host, and why. */
export function candidateOf(quant: Quant, request: RecommendRequest, advice: Advice): Candidate {
  const { engine, profile } = request;
  const { placed, placement, asked } = placeQuant(quant, request);
  const refused = request.blockedByServer?.(quant.id);
  const verdict = refused === undefined ? placed.verdict : 'no';
  const candidate: Candidate = {
    quant: quant.id,
    verdict,
    placement: refused === undefined ? placed.placement : 'nowhere on this server',
    memory: placed.memory,
    ...(verdict !== 'no' && placement !== undefined && { gpuLayers: placement.gpuLayers }),
    needsFree: needsFree(placed.memory, placed.verdict, engine, profile),
    headroomBytes: placed.headroomBytes,
    ...(verdict !== 'no' && placement && asked && speedFacts(quant.id, asked, placement, request)),
    quality: quant.quality,
    ...(request.unpublished?.has(quant.id) && { published: false as const }),
    blockedBy: refused === undefined ? [...placed.blockedBy] : [refused, ...placed.blockedBy],
    reasons: [],
    byPolicy: adviceRank(quant.id, advice) === 0,
  };
  const reasons = [
    ...(candidate.published === false ? [UNPUBLISHED] : []),
    ...(refused === undefined ? placed.reasons : []),
    ...adviceReasons(quant.id, advice, request.model.id),
    ...disagreement(candidate, advice, {
      modelId: request.model.id,
      policy: request.policy ?? 'best',
      isOnlyQuant: (request.quants ?? request.model.quants).length === 1,
    }),
    ...speedReasons(candidate, floorOf(request.useCase)),
  ];
  if (quant.weights === undefined && placed.memory.totalBytes > 0) {
    reasons.push(
      'Its tensor list is unknown, so its whole size is counted for the GPU, which may be more than it needs.',
    );
  }
  return { ...candidate, reasons };
}

const UNPUBLISHED = 'No source of the catalog has this quant. To use it, pass your own file with --from.';

/** The verdict of memory alone: what `candidateOf` says where the server loads everything. */
export function verdictOf(quant: Quant, request: RecommendRequest): FitVerdict {
  return placeQuant(quant, request).placed.verdict;
}

/** True where the whole model has room on the GPU; cheaper than `verdictOf`, since no part of it is tried. */
export function isWhollyOnGpu(quant: Quant, request: RecommendRequest): boolean {
  const asked = estimateRequest(quant, request);
  if (asked === undefined) return false;
  const estimator = request.estimator ?? estimateMemory;
  const layers = asked.hyperparameters.blockCount + 1;
  const wholeOrNothing: Estimator = (question) =>
    question.placement.gpuLayers === layers ? estimator(question) : NO_ROOM;
  return place(asked, request.profile, wholeOrNothing).verdict === 'gpu';
}

/** Bytes that a GPU with dedicated memory is short for the whole model; undefined without one, and where nothing is known. */
export function bytesShortOfGpu(quant: Quant, request: RecommendRequest): number | undefined {
  const { device } = bestDevice(request.profile, request.engine);
  const asked = estimateRequest(quant, request);
  if (device === undefined || device.unified || asked === undefined) return undefined;
  const placement = { gpuLayers: asked.hyperparameters.blockCount + 1 };
  const { gpuBytes } = (request.estimator ?? estimateMemory)({ ...asked, placement });
  return gpuBytes + gpuMargin(request.engine, request.profile) - device.freeBytes;
}

/** More than any host has. */
const NO_ROOM: MemoryEstimate = {
  gpuBytes: Number.MAX_SAFE_INTEGER,
  cpuBytes: Number.MAX_SAFE_INTEGER,
  weightsBytes: 0,
  kvBytes: 0,
  computeBytes: 0,
  totalBytes: Number.MAX_SAFE_INTEGER,
  basis: {},
};

/** The request that an estimate of a quant starts from; undefined when not even its size is known. */
function estimateRequest(
  quant: Quant,
  { family, model, engine, settings, projectorBytes }: RecommendRequest,
): Omit<EstimateRequest, 'placement'> | undefined {
  const { hyperparameters } = model;
  const known = weightsOf(quant, hyperparameters);
  if (known === undefined) return undefined;
  return {
    architecture: family.architecture,
    hyperparameters,
    weights: known.weights,
    weightsBasis: known.basis,
    ...(projectorBytes !== undefined && { projectorBytes }),
    engine,
    settings: contextWithin(settings, hyperparameters),
  };
}

interface PlacedQuant {
  readonly placed: Placed;
  readonly asked?: Omit<EstimateRequest, 'placement'>;
  /** What the estimate that was taken was for. */
  readonly placement?: Placement;
}

function placeQuant(quant: Quant, request: RecommendRequest): PlacedQuant {
  const asked = estimateRequest(quant, request);
  if (asked === undefined) return { placed: unknownSize() };
  const estimator = request.estimator ?? estimateMemory;
  const placements = new Map<MemoryEstimate, Placement>();
  const remembering: Estimator = (question) => {
    const memory = estimator(question);
    placements.set(memory, question.placement);
    return memory;
  };
  const placed = place(asked, request.profile, remembering);
  const placement = placements.get(placed.memory);
  return { placed, asked, ...(placement !== undefined && { placement }) };
}

/** Engines cut a context that the model was not trained for down to the one it was. */
function contextWithin(settings: RunSettings, { contextLength }: Hyperparameters): RunSettings {
  return { ...settings, contextLength: Math.min(settings.contextLength, contextLength) };
}

function unknownSize(): Placed {
  const memory: MemoryEstimate = {
    gpuBytes: 0,
    cpuBytes: 0,
    weightsBytes: 0,
    kvBytes: 0,
    computeBytes: 0,
    totalBytes: 0,
    basis: { weights: 'unknown' },
  };
  const blockedBy = ['Neither its tensor list nor its size is known. Pass the file with --from.'];
  return { verdict: 'no', placement: 'unknown', memory, headroomBytes: 0, blockedBy, reasons: [] };
}

type SpeedFacts = Pick<Candidate, 'tokensPerSecond' | 'promptTokensPerSecond' | 'fastEnough' | 'reachesFloor'>;

/** How fast a quant would be where it was placed; empty where nothing is known. */
export function speedFacts(
  quant: string,
  asked: Omit<EstimateRequest, 'placement' | 'weightsBasis'>,
  placement: Placement,
  request: RecommendRequest,
): SpeedFacts {
  const { profile, engine, measured, ram = ramBandwidth(profile) } = request;
  const { architecture, hyperparameters, weights, settings } = asked;
  const device = devicesFor(placement, profile, engine);
  const known = measured?.(quant);
  const { tokensPerSecond, promptTokensPerSecond } = estimateSpeed({
    architecture,
    hyperparameters,
    weights,
    settings,
    engine,
    placement,
    ...(device.length > 0 && { device }),
    cpu: { ...ram, cores: profile.cpu.physicalCores },
    ...(known !== undefined && { measured: known }),
  });
  const least = floorOf(request.useCase)?.tokensPerSecond ?? 0;
  return {
    ...(tokensPerSecond !== undefined && {
      tokensPerSecond,
      fastEnough: tokensPerSecond.high >= least,
      reachesFloor: cautiousSpeed(tokensPerSecond) >= least,
    }),
    ...(promptTokensPerSecond !== undefined && { promptTokensPerSecond }),
  };
}

function devicesFor({ gpuLayers, split }: Placement, profile: HostProfile, engine: Engine): SpeedDevice[] {
  if (gpuLayers === 0) return [];
  if (split !== undefined) {
    return usableDevices(profile, engine)
      .devices.filter(({ unified }) => !unified)
      .map((device) => speedDevice(device, profile));
  }
  const { device } = bestDevice(profile, engine);
  return device === undefined ? [] : [speedDevice(device, profile)];
}

function speedDevice({ gpu, unified, totalBytes }: Device, profile: HostProfile): SpeedDevice {
  return { model: gpu.model, memoryBytes: unified ? profile.memory.total : totalBytes, unified };
}

/** What of the free RAM is left alone: for the system, and for the process that runs the model. */
function ramMargin(profile: HostProfile): number {
  return profile.memory.usable - ramBudget(profile) + PROCESS_BYTES;
}

/** Free memory that must be there for a candidate to run where its verdict says; for one that does not run, on the CPU. */
export function needsFree(
  memory: MemoryEstimate,
  verdict: FitVerdict,
  engine: Engine,
  profile: HostProfile,
): FreeNeeded {
  const { device } = bestDevice(profile, engine);
  const onCpu = { ramBytes: Math.ceil(memory.cpuBytes + ramMargin(profile)) };
  if (device === undefined || verdict === 'cpu' || verdict === 'no') return onCpu;
  const gpus = Math.max(1, memory.deviceBytes?.filter((bytes) => bytes > 0).length ?? 1);
  const gpuBytes = memory.gpuBytes + gpus * gpuMargin(engine, profile);
  return device.unified
    ? { gpuBytes, ramBytes: Math.ceil(memory.totalBytes + UNIFIED_RESERVE_BYTES) }
    : { gpuBytes, ...onCpu };
}

/** The memory of this host as a candidate meets it. */
export function limitsOf(profile: HostProfile, engine: Engine): Limits {
  const { devices } = usableDevices(profile, engine);
  const shared = devices.some(({ unified }) => unified);
  return {
    gpus: devices.map(({ gpu, unified, totalBytes, freeBytes }) => ({
      name: gpu.model,
      unified,
      totalBytes,
      freeBytes,
      marginBytes: gpuMargin(engine, profile),
    })),
    ram: {
      totalBytes: totalRam(profile),
      freeBytes: profile.memory.usable,
      marginBytes: Math.ceil(shared ? UNIFIED_RESERVE_BYTES : ramMargin(profile)),
    },
  };
}
