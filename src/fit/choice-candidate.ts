import type { Hyperparameters, Quant } from '../catalog/schema.ts';
import { weightsOf } from './assumed-weights.ts';
import { needsFree } from './choice-needs.ts';
import type { RecommendRequest } from './choice-request.ts';
import { floorOf, speedFacts } from './choice-speed.ts';
import { bestDevice } from './devices.ts';
import { type EstimateRequest, type Estimator, estimateMemory } from './estimate.ts';
import { gpuMargin } from './margins.ts';
import { type Placed, place } from './place.ts';
import { type Advice, adviceRank } from './policy.ts';
import { adviceReasons, disagreement, speedReasons } from './reasons.ts';
import type { Candidate, FitVerdict, MemoryEstimate, RunSettings } from './schema.ts';
import type { Placement } from './weights.ts';

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
    blockedBy: refused === undefined ? [...placed.blockedBy] : [refused, ...placed.blockedBy],
    reasons: [],
    byPolicy: adviceRank(quant.id, advice) === 0,
  };
  const reasons = [
    ...(refused === undefined ? placed.reasons : []),
    ...adviceReasons(quant.id, advice),
    ...disagreement(candidate, advice),
    ...speedReasons(candidate, floorOf(request.useCase)),
  ];
  if (quant.weights === undefined && placed.memory.totalBytes > 0) {
    reasons.push('Its tensor list is not known, so its whole size counts for the GPU, which is more than it may need.');
  }
  return { ...candidate, reasons };
}

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

/** Bytes that a GPU with memory of its own lacks for the whole model; undefined without one, and where nothing is known. */
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
  { family, model, engine, settings }: RecommendRequest,
): Omit<EstimateRequest, 'placement'> | undefined {
  const { hyperparameters } = model;
  const known = weightsOf(quant, hyperparameters);
  if (known === undefined) return undefined;
  return {
    architecture: family.architecture,
    hyperparameters,
    weights: known.weights,
    weightsBasis: known.basis,
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
  const blockedBy = ['Neither its tensors nor its size are known: pass the file with --from.'];
  return { verdict: 'no', placement: 'unknown', memory, headroomBytes: 0, blockedBy, reasons: [] };
}
