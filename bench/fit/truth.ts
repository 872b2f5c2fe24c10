/** What llama.cpp itself would allocate, as recorded in test/fixtures/fit/ground-truth.json. */
import { readFileSync } from 'node:fs';
import type { RunSettings } from '../../src/fit/schema.ts';
import type { PlaceName } from './grid.ts';

/** Bytes on each GPU, then in RAM. */
export type ByDevice = readonly number[];

export interface RecordedContext {
  readonly place: PlaceName;
  readonly settings: RunSettings;
  /** Logits of every token reserved, not one row a slot. */
  readonly allLogits: boolean;
  readonly heldOut: boolean;
  /** Set where the bytes depend on the quant: partial offload. */
  readonly quant?: string;
  readonly kv: ByDevice;
  readonly compute: ByDevice;
}

export interface RecordedModel {
  /** Weights by quant and place. */
  readonly weights: Readonly<Record<string, Readonly<Partial<Record<PlaceName, ByDevice>>>>>;
  readonly contexts: readonly RecordedContext[];
}

export interface GroundTruth {
  readonly about: string;
  readonly llamaCpp: string;
  readonly models: Readonly<Record<string, RecordedModel>>;
}

/** One context in the file: short, since there are thousands. */
export type Row = readonly [
  place: PlaceName,
  contextLength: number,
  batch: number,
  parallel: number,
  kvType: RunSettings['kvType'],
  flash: 0 | 1,
  allLogits: 0 | 1,
  heldOut: 0 | 1,
  quant: string,
  kv: ByDevice,
  compute: ByDevice,
];

/** A model as the file has it. */
export interface RecordedRows {
  readonly weights: RecordedModel['weights'];
  readonly contexts: readonly Row[];
}

interface TruthFile extends Omit<GroundTruth, 'models'> {
  readonly models: Readonly<Record<string, RecordedRows>>;
}

export const TRUTH_FILE = new URL('../../test/fixtures/fit/ground-truth.json', import.meta.url);

export function readTruthFile(): TruthFile {
  return JSON.parse(readFileSync(TRUTH_FILE, 'utf8'));
}

export function readTruth(): GroundTruth {
  const file = readTruthFile();
  const models = Object.entries(file.models).map(([id, { weights, contexts }]) => [
    id,
    { weights, contexts: contexts.map(contextOf) },
  ]);
  return { ...file, models: Object.fromEntries(models) };
}

function contextOf(row: Row): RecordedContext {
  const [place, contextLength, batch, parallel, kvType, flash, allLogits, heldOut, quant, kv, compute] = row;
  return {
    place,
    settings: { contextLength, batch, parallel, kvType, flashAttention: flash === 1 },
    allLogits: allLogits === 1,
    heldOut: heldOut === 1,
    ...(quant !== '' && { quant }),
    kv,
    compute,
  };
}
