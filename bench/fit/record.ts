/**
 * Records test/fixtures/fit/ground-truth.json anew (`npm run bench:fit -- --record`). Needs Linux on x64, a C++ compiler, git,
 * a gigabyte of disk and some minutes. Run it after node-llama-cpp, and with it llama.cpp, has changed.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunSettings } from '../../src/fit/schema.ts';
import { FITTED, HELD_OUT, PARTIAL, PARTIAL_QUANTS, type PlaceName, placementOf } from './grid.ts';
import { type Answer, buildMeasure, measure, type Request, SCRATCH } from './measure.ts';
import { type BenchModel, benchModels, quantsOf } from './models.ts';
import { writeSparse } from './sparse.ts';
import { type ByDevice, type RecordedModel, type RecordedRows, type Row, readTruthFile, TRUTH_FILE } from './truth.ts';

const PLACES: readonly PlaceName[] = ['cpu', 'gpu', 'two-gpus'];
const PARTIAL_PLACES: readonly PlaceName[] = ['half', 'most'];

interface Case {
  readonly place: PlaceName;
  readonly settings: RunSettings;
  readonly allLogits: boolean;
  readonly heldOut: boolean;
}

/** Measures everything of the grid, or only the models whose ids begin so, and writes the fixture; what it had of others stays. */
export function recordTruth(only = ''): void {
  buildMeasure();
  mkdirSync(SCRATCH, { recursive: true });
  const kept = readTruthFile().models;
  const models = benchModels().map((model) => {
    const known = kept[model.id];
    if (known !== undefined && !model.id.startsWith(only)) return `  ${JSON.stringify(model.id)}: ${written(known)}`;
    console.log(model.id);
    return `  ${JSON.stringify(model.id)}: ${written(recordModel(model))}`;
  });
  const version = JSON.parse(
    readFileSync(new URL('../../node_modules/node-llama-cpp/package.json', import.meta.url), 'utf8'),
  ).version;
  const release = JSON.parse(
    readFileSync(
      new URL('../../node_modules/node-llama-cpp/llama/binariesGithubRelease.json', import.meta.url),
      'utf8',
    ),
  ).release;
  const about =
    'Bytes that llama.cpp would allocate (no_alloc), by device, RAM last; written by bench/fit/record.ts. Contexts: place, context, micro-batch, slots, cache type, flash attention, logits of the whole batch, held out, quant where it matters, KV cache, compute buffers.';
  const head = `"about": ${JSON.stringify(about)},\n "llamaCpp": ${JSON.stringify(`${release} (node-llama-cpp ${version})`)}`;
  writeFileSync(TRUTH_FILE, `{\n ${head},\n "models": {\n${models.join(',\n')}\n }\n}\n`);
}

function recordModel(model: BenchModel): RecordedRows {
  const weights: Record<string, RecordedModel['weights'][string]> = {};
  const contexts: Row[] = [];
  for (const quant of quantsOf(model)) {
    const file = join(SCRATCH, `${model.id}-${quant}.gguf`);
    writeSparse(model, quant, file);
    weights[quant] = weightsOf(model, file);
    if (quant === 'f16') contexts.push(...contextsOf(model, file, casesOf(model), ''));
    if (PARTIAL_QUANTS.includes(quant)) contexts.push(...contextsOf(model, file, partialCases(), quant));
    rmSync(file);
  }
  return { weights, contexts };
}

function written({ weights, contexts }: RecordedRows): string {
  const byQuant = Object.entries(weights).map(
    ([quant, bytes]) => `    ${JSON.stringify(quant)}: ${JSON.stringify(bytes)}`,
  );
  const rows = contexts.map((row) => `    ${JSON.stringify(row)}`);
  return `{\n   "weights": {\n${byQuant.join(',\n')}\n   },\n   "contexts": [\n${rows.join(',\n')}\n   ]\n  }`;
}

function casesOf(model: BenchModel): Case[] {
  return PLACES.flatMap((place) =>
    [false, true].flatMap((allLogits) => [
      ...FITTED.map((settings) => ({ place, settings, allLogits, heldOut: model.unseen === true })),
      ...HELD_OUT.map((settings) => ({ place, settings, allLogits, heldOut: true })),
    ]),
  );
}

function partialCases(): Case[] {
  return PARTIAL_PLACES.flatMap((place) =>
    PARTIAL.map((settings) => ({ place, settings, allLogits: false, heldOut: false })),
  );
}

function contextsOf(model: BenchModel, file: string, cases: readonly Case[], quant: string): Row[] {
  const answers = measure(
    cases.map(({ place, settings, allLogits }) => request(model, file, place, settings, allLogits)),
  );
  return cases.map(({ place, settings, allLogits, heldOut }, index) => [
    place,
    settings.contextLength,
    settings.batch,
    settings.parallel,
    settings.kvType,
    settings.flashAttention ? 1 : 0,
    allLogits ? 1 : 0,
    heldOut ? 1 : 0,
    quant,
    byDevice(answers[index], 1),
    byDevice(answers[index], 2),
  ]);
}

function weightsOf(model: BenchModel, file: string): Partial<Record<PlaceName, ByDevice>> {
  const [settings] = FITTED;
  if (settings === undefined) return {};
  const places = [...PLACES, ...PARTIAL_PLACES];
  const answers = measure(places.map((place) => request(model, file, place, settings, false)));
  return Object.fromEntries(places.map((place, index) => [place, byDevice(answers[index], 0)]));
}

function request(
  model: BenchModel,
  file: string,
  place: PlaceName,
  settings: RunSettings,
  allLogits: boolean,
): Request {
  const { gpuLayers, split } = placementOf(place, model);
  return { file, devices: gpuLayers === 0 ? 0 : (split?.length ?? 1), gpuLayers, settings, allLogits };
}

function byDevice(answer: Answer | undefined, part: 0 | 1 | 2): ByDevice {
  if (answer === undefined) throw new Error('an answer is missing');
  return [...answer.devices.map((parts) => parts[part]), answer.host[part]];
}
