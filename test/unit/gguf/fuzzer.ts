/**
 * Throws mutants of GGUF headers at the reader. What behaves in a way not seen before (another message, another kind of
 * facts) becomes a parent of further mutants, so that faults behind faults are reached. The same seed gives the same run.
 */
import { Buffer } from 'node:buffer';
import { readdirSync, readFileSync } from 'node:fs';
import { Hyperparameters, WeightBytes } from '../../../src/catalog/schema.ts';
import { ProvisionError } from '../../../src/core/errors.ts';
import type { ByteSource } from '../../../src/gguf/byte-source.ts';
import { readGgufHeader } from '../../../src/gguf/header.ts';
import type { GgufFacts } from '../../../src/gguf/schema.ts';
import { totalWeightBytes } from '../../../src/gguf/weights.ts';
import { buildGguf, type GgufSpec, type MetadataSpec, memorySource, modelSpec } from '../../helpers/gguf-builder.ts';
import { mutate, type Random, randomFrom } from './mutators.ts';

export interface FuzzOptions {
  readonly mutants: number;
  readonly seed: number;
  /** A mutant that takes longer three times in a row is a failure; without a limit time is only told. */
  readonly limitMs?: number;
  readonly onProgress?: (report: FuzzReport) => void;
}

export interface FuzzReport {
  mutants: number;
  /** Mutants that are a valid header still. */
  parsed: number;
  /** Refusals by error code. */
  readonly refused: Record<string, number>;
  /** Kinds of outcome that were seen. */
  behaviours: number;
  slowestMs: number;
  /** Highest ratio of bytes read to the mutant's size. */
  mostRead: number;
  readonly failures: { readonly why: string; readonly mutant: string }[];
}

/** Parents that are kept: more than that dilute the choice. */
const MAX_PARENTS = 1000;
const MAX_FAILURES = 10;

export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const random = randomFrom(options.seed);
  const roots = seeds();
  const parents: Uint8Array[] = [];
  const seen = new Set<string>();
  const report: FuzzReport = {
    mutants: 0,
    parsed: 0,
    refused: {},
    behaviours: 0,
    slowestMs: 0,
    mostRead: 0,
    failures: [],
  };
  while (report.mutants < options.mutants && report.failures.length < MAX_FAILURES) {
    // Half of all mutants are of valid headers: children of broken ones are broken, mostly in the same place.
    const mutant = mutate(parents.length === 0 || random(2) === 0 ? roots : parents, roots, random);
    const behaviour = await tryMutant(mutant, random, report, options.limitMs);
    report.mutants += 1;
    if (!seen.has(behaviour)) {
      seen.add(behaviour);
      report.behaviours = seen.size;
      if (parents.length < MAX_PARENTS) parents.push(mutant);
    }
    if (report.mutants % 50_000 === 0) options.onProgress?.(report);
  }
  return report;
}

/** Reads one mutant, checks all that must hold of it, and says in short how the reader behaved. */
async function tryMutant(
  mutant: Uint8Array,
  random: Random,
  report: FuzzReport,
  limitMs: number | undefined,
): Promise<string> {
  // Not known, that of the header alone, or that of a file with data behind it.
  const fileBytes = [undefined, mutant.length, 2 ** 33][random(3)];
  const source = memorySource(mutant);
  const started = performance.now();
  const outcome = await read(source, fileBytes);
  const ms = performance.now() - started;
  report.slowestMs = Math.max(report.slowestMs, ms);
  report.mostRead = Math.max(report.mostRead, source.bytes() / Math.max(1, mutant.length));
  const fail = (why: string): void => {
    report.failures.push({ why, mutant: Buffer.from(mutant).toString('base64') });
  };
  if (source.bytes() > 2 * mutant.length || source.reads.length > 6) {
    fail(`${source.bytes()} bytes in ${source.reads.length} reads for ${mutant.length}`);
  }
  if (limitMs !== undefined && ms > limitMs && (await isSlow(mutant, fileBytes, limitMs)))
    fail(`slower than ${limitMs} ms`);
  if (!(outcome instanceof Error)) {
    report.parsed += 1;
    const wrong = inconsistencyOf(outcome, mutant.length);
    if (wrong !== undefined) fail(wrong);
    return behaviourOf(outcome);
  }
  if (!(outcome instanceof ProvisionError) || !['bad-gguf', 'truncated-file'].includes(outcome.code)) {
    fail(outcome.stack ?? outcome.message);
    return outcome.message;
  }
  report.refused[outcome.code] = (report.refused[outcome.code] ?? 0) + 1;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there.
  if (/[\u0000-\u001f\u007f-\u009f]/.test(outcome.message) || outcome.message.length > 500)
    fail(`message: ${outcome.message}`);
  if (outcome.suggestions.length === 0) fail(`no advice: ${outcome.message}`);
  return outcome.message.replace(/"(?:[^"\\]|\\.)*"|the bytes \w+/g, '""').replace(/[\d.e+]+/g, '#');
}

async function read(source: ByteSource, fileBytes: number | undefined): Promise<GgufFacts | Error> {
  try {
    return await readGgufHeader(source, fileBytes === undefined ? {} : { fileBytes });
  } catch (thrown) {
    return thrown instanceof Error ? thrown : new Error(String(thrown));
  }
}

/** By processor time, and not once only: a machine that does something else makes anything slow. */
async function isSlow(mutant: Uint8Array, fileBytes: number | undefined, limitMs: number): Promise<boolean> {
  for (let again = 0; again < 3; again += 1) {
    const before = process.cpuUsage();
    await read(memorySource(mutant), fileBytes);
    const { user, system } = process.cpuUsage(before);
    if ((user + system) / 1000 <= limitMs) return false;
  }
  return true;
}

/** What contradicts itself in facts that were read, or what is larger than the bytes can have told. */
function inconsistencyOf(facts: GgufFacts, headerBytes: number): string | undefined {
  const { tensors, weights, hyperparameters } = facts;
  const sum = tensors.reduce((total, { bytes }) => total + bytes, 0);
  if (totalWeightBytes(weights) !== sum) return `weights ${totalWeightBytes(weights)}, tensors ${sum}`;
  if (facts.typeBytes.reduce((total, { bytes }) => total + bytes, 0) !== sum) return 'typeBytes';
  if (facts.requiredBytes < facts.dataOffset || !Number.isSafeInteger(facts.requiredBytes)) return 'requiredBytes';
  if (tensors.length * 25 > headerBytes || facts.metadata.size * 13 > headerBytes) return 'more entries than bytes';
  if (!WeightBytes.safeParse(weights).success) return 'weights of another form';
  if (hyperparameters !== undefined && !Hyperparameters.safeParse(hyperparameters).success) return 'hyperparameters';
  return undefined;
}

function behaviourOf(facts: GgufFacts): string {
  const { assumed, warnings, hyperparameters, tokenizer, tensors, version, declaredQuant } = facts;
  const keys = [...Object.keys(hyperparameters ?? {}), ...Object.keys(tokenizer), ...assumed.map(({ key }) => key)];
  return JSON.stringify([
    keys,
    warnings.map((text) => text.replace(/\d+/g, '#')),
    tensors.length,
    version,
    declaredQuant,
  ]);
}

/** The header of the tiny model's file, with the padding behind it. */
const REAL_HEADER_BYTES = 25_000;

/** Valid headers that show every part of the format, and the collected fault files. */
function seeds(): Uint8Array[] {
  const models = new URL('../../../models/tiny-gemma-3n/', import.meta.url);
  const faults = new URL('../../fixtures/gguf/faults/', import.meta.url);
  const valid = specs().map((spec) => buildGguf({ ...spec, withData: false }));
  const broken = readdirSync(faults)
    .filter((name) => name.endsWith('.gguf'))
    .map((name) => readFileSync(new URL(name, faults)));
  const real = readFileSync(new URL('tiny-gemma-3n-q4_k_m.gguf', models)).subarray(0, REAL_HEADER_BYTES);
  return [...Array.from({ length: 10 }, () => valid).flat(), ...broken, real];
}

function specs(): GgufSpec[] {
  const entry = (key: string, type: MetadataSpec['type'], value: MetadataSpec['value']): MetadataSpec => ({
    key,
    type,
    value,
  });
  const tokens = Array.from({ length: 1100 }, () => '');
  const rich = modelSpec('gemma3n', {
    window: entry('gemma3n.attention.sliding_window', 'u32', 512),
    pattern: entry('gemma3n.attention.sliding_window_pattern', 'bool', [true, false]),
    shared: entry('gemma3n.attention.shared_kv_layers', 'f32', 1),
    'gemma3n.feed_forward_length': entry('gemma3n.feed_forward_length', 'u32', [512, 512]),
    wide: entry('gemma3n.embedding_length_per_layer_input', 'u32', 256),
    tags: entry('general.tags', 'string', ['a', 'b']),
  });
  const scalars: MetadataSpec[] = (['u8', 'i8', 'u16', 'i16', 'u64', 'i64', 'f64', 'bool'] as const).flatMap((type) => [
    entry(`x.${type}`, type, 1),
    entry(`x.list.${type}`, type, [1, 0, 1]),
  ]);
  const many = modelSpec('gemma3', {
    'tokenizer.ggml.tokens': entry('tokenizer.ggml.tokens', 'string', tokens),
    'tokenizer.ggml.eos_token_id': entry('tokenizer.ggml.eos_token_id', 'u32', 1099),
    window: entry('gemma3.attention.sliding_window', 'u32', 512),
  });
  return [
    modelSpec(),
    rich,
    { ...modelSpec('llama'), version: 2 },
    {
      metadata: [...modelSpec().metadata, ...scalars, entry('general.alignment', 'u32', 64)],
      tensors: modelSpec().tensors,
      alignment: 64,
    },
    many,
    {
      ...modelSpec(),
      metadata: [...modelSpec().metadata, entry('split.no', 'u16', 0), entry('split.count', 'u16', 2)],
    },
  ];
}
