/** How far estimates are from the truth, in numbers that a table or a test can use. */
import { effectiveBatch } from '../../src/fit/memory/kv.ts';
import { estimateByDevice, estimateOf, type TruthCase, total, totalByDevice } from './cases.ts';

export interface Errors {
  readonly cases: number;
  /** Largest difference of the weights, in bytes. */
  readonly weightsBytes: number;
  /** Cases whose KV cache is not exact to the byte. */
  readonly kvWrong: number;
  /** Relative errors, signed: above zero is too much. */
  readonly compute: Spread;
  readonly total: Spread;
  /** The same for the GPU that is furthest off; absent where no GPU is used. */
  readonly device: Spread;
}

export interface Spread {
  readonly lowest: number;
  readonly highest: number;
  /** 95th percentile of the magnitudes. */
  readonly p95: number;
}

interface Sample {
  readonly weightsBytes: number;
  readonly kvWrong: boolean;
  readonly compute: number;
  readonly total: number;
  readonly device: number;
}

export function errorsOf(cases: Iterable<TruthCase>): Errors {
  const samples = [...cases].map(sampleOf);
  return {
    cases: samples.length,
    weightsBytes: Math.max(0, ...samples.map(({ weightsBytes }) => weightsBytes)),
    kvWrong: samples.filter(({ kvWrong }) => kvWrong).length,
    compute: spreadOf(samples.map(({ compute }) => compute)),
    total: spreadOf(samples.map((sample) => sample.total)),
    device: spreadOf(samples.map(({ device }) => device)),
  };
}

function sampleOf(one: TruthCase): Sample {
  const estimate = estimateOf(one);
  const truth = totalByDevice(one);
  const ours = estimateByDevice(estimate, truth.length - 1);
  const perDevice = truth.slice(0, -1).map((bytes, index) => (ours[index] ?? 0) / bytes - 1);
  return {
    weightsBytes: Math.abs(estimate.weightsBytes - total(one.weights)),
    kvWrong: estimate.kvBytes !== total(one.kv),
    compute: estimate.computeBytes / total(one.compute) - 1,
    total: estimate.totalBytes / total(truth) - 1,
    device: perDevice.reduce((worst, error) => (Math.abs(error) > Math.abs(worst) ? error : worst), 0),
  };
}

export function spreadOf(errors: readonly number[]): Spread {
  const magnitudes = errors.map(Math.abs).sort((a, b) => a - b);
  let [lowest, highest] = [errors[0] ?? 0, errors[0] ?? 0];
  for (const error of errors) {
    if (error < lowest) lowest = error;
    if (error > highest) highest = error;
  }
  return { lowest, highest, p95: magnitudes[Math.max(0, Math.ceil(magnitudes.length * 0.95) - 1)] ?? 0 };
}

/** `contextLength 8192, micro-batch 512 …`: one line for a failing test. */
export function describeCase({ model, quant, place, settings, engine }: TruthCase): string {
  const { contextLength, parallel, kvType, flashAttention } = settings;
  return `${model.id} ${quant} ${place} ${engine} ctx ${contextLength} batch ${effectiveBatch(settings)} slots ${parallel} ${kvType} flash ${flashAttention}`;
}
