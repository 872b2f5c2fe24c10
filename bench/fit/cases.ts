/** The ground truth joined with our estimates: weights of every quant with every context of its model. */
import { readFileSync } from 'node:fs';
import type { WeightBytes } from '../../src/catalog/schema.ts';
import { estimateMemory } from '../../src/fit/memory/estimate.ts';
import type { Placement } from '../../src/fit/memory/weights.ts';
import type { Engine, MemoryEstimate, RunSettings } from '../../src/fit/schema.ts';
import { weightBytes } from '../../src/gguf/weights.ts';
import { type PlaceName, placementOf } from './grid.ts';
import { type BenchModel, benchModels, TYPE_NAMES, tensorsOf } from './models.ts';
import { bytesOf } from './sparse.ts';
import { type ByDevice, type GroundTruth, type RecordedContext, readTruth } from './truth.ts';

export interface TruthCase {
  readonly model: BenchModel;
  readonly quant: string;
  readonly place: PlaceName;
  readonly placement: Placement;
  readonly settings: RunSettings;
  /** The engine that allocates so: `ollama-b0` reserves the logits of every token, `ollama-b` one row a slot. */
  readonly engine: Engine;
  readonly set: 'fitted' | 'held out' | 'other model';
  readonly weights: ByDevice;
  readonly kv: ByDevice;
  /** With the row of logits that llama.cpp keeps in RAM for each slot, which its breakdown leaves out. */
  readonly compute: ByDevice;
}

/** Weights as the catalog has them, which is what users get; from the tensors for models that it has no list for. */
export function weightsFor(model: BenchModel, quant: string): WeightBytes {
  return catalogWeights().get(`${model.id} ${quant}`) ?? weightsOfTensors(model, quant);
}

function weightsOfTensors(model: BenchModel, quant: string): WeightBytes {
  const tensors = tensorsOf(model, quant).map((tensor) => ({
    name: tensor.name,
    type: TYPE_NAMES.get(tensor.type ?? 0) ?? '',
    shape: tensor.shape,
    bytes: bytesOf(tensor),
    offset: 0,
  }));
  return weightBytes(tensors, model.hyperparameters.blockCount);
}

let known: ReadonlyMap<string, WeightBytes> | undefined;

function catalogWeights(): ReadonlyMap<string, WeightBytes> {
  known ??= new Map(
    ['gemma-3n', 'gemma-3', 'gemma-4', 'tiny-gemma-3n'].flatMap((family) => {
      const file = JSON.parse(readFileSync(new URL(`../../catalog/${family}.json`, import.meta.url), 'utf8'));
      return file.models.flatMap(({ id, quants }: { id: string; quants: { id: string; weights?: WeightBytes }[] }) =>
        quants.flatMap(({ id: quant, weights }) =>
          weights === undefined ? [] : [[`${id} ${quant}`, weights] as const],
        ),
      );
    }),
  );
  return known;
}

/** Every case of the recorded truth. */
export function* truthCases(truth: GroundTruth = readTruth()): Generator<TruthCase> {
  for (const model of benchModels()) {
    const recorded = truth.models[model.id];
    if (recorded === undefined) continue;
    for (const [quant, places] of Object.entries(recorded.weights)) {
      for (const context of recorded.contexts) {
        const weights = places[context.place];
        if (weights !== undefined && (context.quant ?? quant) === quant) yield caseOf(model, quant, context, weights);
      }
    }
  }
}

function caseOf(model: BenchModel, quant: string, context: RecordedContext, weights: ByDevice): TruthCase {
  const { place, settings, allLogits, heldOut, kv, compute } = context;
  const rows = 4 * model.hyperparameters.vocabularySize * settings.parallel;
  return {
    model,
    quant,
    place,
    placement: placementOf(place, model),
    settings,
    engine: allLogits ? 'ollama-b0' : 'ollama-b',
    set: model.unseen === true ? 'other model' : heldOut ? 'held out' : 'fitted',
    weights,
    kv,
    compute: compute.map((bytes, index) => bytes + (index === compute.length - 1 ? rows : 0)),
  };
}

export function estimateOf({ model, quant, settings, engine, placement }: TruthCase): MemoryEstimate {
  return estimateMemory({
    architecture: model.architecture,
    hyperparameters: model.hyperparameters,
    weights: weightsFor(model, quant),
    weightsBasis: 'catalog',
    engine,
    settings,
    placement,
  });
}

/** Bytes of a case on each GPU, then in RAM. */
export function totalByDevice({ weights, kv, compute }: TruthCase): number[] {
  return weights.map((bytes, index) => bytes + (kv[index] ?? 0) + (compute[index] ?? 0));
}

/** The same of an estimate. */
export function estimateByDevice({ gpuBytes, cpuBytes, deviceBytes }: MemoryEstimate, devices: number): number[] {
  return devices === 0 ? [cpuBytes] : [...(deviceBytes ?? [gpuBytes]), cpuBytes];
}

export function total(byDevice: readonly number[]): number {
  return byDevice.reduce((sum, bytes) => sum + bytes, 0);
}
