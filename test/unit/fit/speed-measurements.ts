import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { Hyperparameters, type WeightBytes } from '../../../src/catalog/schema.ts';
import { GIB } from '../../../src/core/units.ts';
import { Engine, type RunSettings, Speed } from '../../../src/fit/schema.ts';
import { estimateSpeed, type SpeedEstimate } from '../../../src/fit/speed/estimate.ts';

const Rate = z.number().positive();
const Model = z.strictObject({
  architecture: z.string(),
  hyperparameters: Hyperparameters,
  blockBytes: z.int().positive(),
  tokenEmbedding: z.int(),
  perLayerEmbedding: z.int(),
  perLayerProjection: z.int(),
  output: z.int(),
  tiedEmbeddings: z.boolean(),
  source: z.string(),
});
const Measured = {
  model: z.string(),
  tokensPerSecond: Rate.optional(),
  promptTokensPerSecond: Rate.optional(),
  source: z.string(),
};
const Measurements = z.strictObject({
  about: z.string(),
  models: z.record(z.string(), Model),
  gpus: z.array(
    z.strictObject({
      device: z.string(),
      memoryGiB: z.int().optional(),
      engine: Engine.optional(),
      fitted: z.boolean(),
      ...Measured,
    }),
  ),
  cpus: z.array(z.strictObject({ cpu: z.string(), gigabytesPerSecond: Rate, cores: z.int().positive(), ...Measured })),
});

/** What others measured, with the shapes of what they measured it on. */
const MEASUREMENTS = Measurements.parse(
  JSON.parse(readFileSync(new URL('../../fixtures/speed/measurements.json', import.meta.url), 'utf8')),
);

const BENCH_SETTINGS: RunSettings = {
  contextLength: 2048,
  batch: 512,
  parallel: 1,
  kvType: 'f16',
  flashAttention: true,
};

function modelOf(id: string): { architecture: string; hyperparameters: Hyperparameters; weights: WeightBytes } {
  const model = MEASUREMENTS.models[id];
  if (model === undefined) throw new Error(`no model ${id} in the measurements`);
  const { architecture, hyperparameters, blockBytes, source: _, ...places } = model;
  const blocks = Array.from({ length: hyperparameters.blockCount }, () => blockBytes / hyperparameters.blockCount);
  return { architecture, hyperparameters, weights: { blocks, other: 0, ...places } };
}

function predictGpu(row: (typeof MEASUREMENTS)['gpus'][number]): SpeedEstimate {
  const model = modelOf(row.model);
  const memoryBytes = row.memoryGiB === undefined ? {} : { memoryBytes: row.memoryGiB * GIB };
  return estimateSpeed({
    ...model,
    engine: row.engine ?? 'llama.cpp',
    settings: BENCH_SETTINGS,
    placement: { gpuLayers: model.hyperparameters.blockCount + 1 },
    device: { model: row.device, ...memoryBytes },
    cpu: { bandwidthBytesPerSecond: 40e9, kind: 'assumed', basis: 'nothing' },
  });
}

function predictCpu(row: (typeof MEASUREMENTS)['cpus'][number]): SpeedEstimate {
  const { gigabytesPerSecond, cores } = row;
  return estimateSpeed({
    ...modelOf(row.model),
    engine: 'llama.cpp',
    settings: BENCH_SETTINGS,
    placement: { gpuLayers: 0 },
    cpu: { bandwidthBytesPerSecond: gigabytesPerSecond * 1e9, kind: 'published', basis: row.cpu, cores },
  });
}

export interface Comparison {
  readonly kind: 'tokensPerSecond' | 'promptTokensPerSecond';
  readonly device: string;
  readonly model: string;
  /** The constants were set by it. */
  readonly fitted: boolean;
  readonly measured: number;
  readonly predicted: Speed;
}

/** Everything that was measured beside what is predicted for it. */
export function comparisons(): Comparison[] {
  const { gpus, cpus } = MEASUREMENTS;
  const rows = [
    ...gpus.map((row) => ({ ...row, speeds: predictGpu(row) })),
    ...cpus.map((row) => ({ ...row, speeds: predictCpu(row), device: row.cpu, fitted: false })),
  ];
  return rows.flatMap(({ speeds, device, model, fitted, ...row }) =>
    (['tokensPerSecond', 'promptTokensPerSecond'] as const).flatMap((kind) => {
      const measured = row[kind];
      return measured === undefined
        ? []
        : [{ kind, device, model, fitted, measured, predicted: Speed.parse(speeds[kind]) }];
    }),
  );
}
