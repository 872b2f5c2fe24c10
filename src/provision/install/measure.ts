import { ProvisionError } from '../../core/errors.ts';
import type { ProgressEvent } from '../../core/progress.ts';
import { formatBytes } from '../../core/units.ts';
import type { Engine, MemoryEstimate } from '../../fit/schema.ts';
import type { MeasuredMemory } from '../../registry/schema.ts';
import type { LoadedModel } from '../../runtimes/contract.ts';
import type { InstallPlan } from '../plan/contract.ts';
import type { MemoryUse, TransactionEffects, TransactionOptions } from './effects.ts';

/** A prediction that is off by more than this share is shown as wrong. */
const TOLERANCE = 0.1;

/**
 * What a runtime's figure for a loaded model means, as `bench/fit` saw it on real servers (docs/fit.md): what it
 * allocated, its own guess before the load, or the allocations without the KV cache of layers that see the whole
 * context. Where all layers are on GPUs the last one also leaves out what stays on the CPU. Others were not seen.
 */
const FIGURE: Readonly<Record<Engine, 'guess' | 'allocated' | 'without-kv' | 'unknown'>> = {
  'ollama-a1': 'guess',
  'ollama-a2': 'allocated',
  'ollama-b0': 'unknown',
  'ollama-b': 'without-kv',
  'llama.cpp': 'unknown',
  embedded: 'unknown',
};

const BASIS = {
  guess: "the server's own guess, not comparable",
  allocated: 'allocated by the server',
  'without-kv': 'allocated by the server, without part of the KV cache',
  unknown: 'what it counts is unknown, not comparable',
} as const satisfies Record<(typeof FIGURE)[Engine], string>;

/**
 * Checks the model that the smoke test loaded. Warns of a prediction that was wrong. Throws `memory-short` where only
 * a part of it came to the GPU that was to hold all, and a smaller one is available; without one, that is a warning too.
 */
export async function* compareWithEstimate(
  name: string,
  plan: InstallPlan,
  { force }: Pick<TransactionOptions, 'force'>,
  { runtime, memoryUse }: Pick<TransactionEffects, 'runtime' | 'memoryUse'>,
  before: MemoryUse | undefined,
  signal: AbortSignal,
): AsyncGenerator<ProgressEvent, MeasuredMemory | undefined, undefined> {
  const { memory: predicted, engine, wholeOnGpu } = plan;
  const loaded = predicted === undefined ? undefined : await runtime.loaded?.(name, signal);
  if (predicted === undefined || loaded === undefined) return undefined;
  const short = fellShort(predicted, loaded, wholeOnGpu);
  if (short !== undefined) {
    if (!force && (await plan.smaller?.()) !== undefined) throw new ProvisionError('memory-short', short);
    yield { type: 'warning', message: `${short}; answers will be slower than possible` };
  }
  const reported = measuredMemory(predicted, loaded, engine);
  const grown = growth(before, await memoryUse?.(signal));
  const measured =
    reported ?? (grown && { predictedBytes: predicted.totalBytes, basis: 'the runtime does not report a size' });
  const wrong = measured && wrongPrediction(measured);
  if (wrong !== undefined) yield { type: 'warning', message: wrong };
  return measured && { ...measured, ...grown };
}

/** From before a load to after it. Another model that had to go for it makes this too small, never negative. */
function growth(before: MemoryUse | undefined, after: MemoryUse | undefined): MemoryUse | undefined {
  const of = (a: number | undefined, b: number | undefined) =>
    a === undefined || b === undefined ? undefined : Math.max(0, b - a);
  const residentBytes = of(before?.residentBytes, after?.residentBytes);
  const vramBytes = of(before?.vramBytes, after?.vramBytes);
  if (residentBytes === undefined && vramBytes === undefined) return undefined;
  return { ...(residentBytes !== undefined && { residentBytes }), ...(vramBytes !== undefined && { vramBytes }) };
}

/** Compares the estimate of a plan with the size that the runtime reports; undefined when it reports none. */
export function measuredMemory(
  predicted: MemoryEstimate,
  { sizeBytes, gpuBytes }: LoadedModel,
  engine: Engine,
): MeasuredMemory | undefined {
  if (sizeBytes === undefined || sizeBytes === 0) return undefined;
  const figure = FIGURE[engine];
  const onGpu = gpuBytes !== undefined && gpuBytes === sizeBytes;
  const most = figure === 'without-kv' && onGpu ? predicted.gpuBytes : predicted.totalBytes;
  const least = figure === 'without-kv' ? most - predicted.kvBytes : most;
  const nearest = Math.min(Math.max(sizeBytes, least), most);
  const comparable = figure === 'allocated' || figure === 'without-kv';
  return {
    predictedBytes: most,
    measuredBytes: sizeBytes,
    ...(gpuBytes !== undefined && { gpuBytes }),
    basis: BASIS[figure],
    ...(comparable && { ratio: sizeBytes / nearest }),
  };
}

/** A sentence for a prediction that was wrong; undefined when it was right, or when that is unknown. */
export function wrongPrediction({ predictedBytes, measuredBytes, ratio }: MeasuredMemory): string | undefined {
  if (ratio === undefined || measuredBytes === undefined || Math.abs(ratio - 1) <= TOLERANCE) return undefined;
  const percent = Math.round(Math.abs(ratio - 1) * 100);
  const direction = ratio > 1 ? 'more' : 'less';
  return `The model uses ${formatBytes(measuredBytes)}, ${percent} % ${direction} than the predicted ${formatBytes(predictedBytes)}.`;
}

/**
 * Why a model does not run where it was meant to: all layers were to be on the GPU, and some are not. Undefined when
 * it runs there, was never meant to, or uses no GPU at all, which is no question of memory.
 */
export function fellShort(
  predicted: MemoryEstimate,
  { sizeBytes, gpuBytes }: LoadedModel,
  whole: boolean,
): string | undefined {
  if (!whole || predicted.gpuBytes === 0 || sizeBytes === undefined || gpuBytes === undefined) return undefined;
  if (gpuBytes === 0 || gpuBytes >= sizeBytes) return undefined;
  return `the server put only ${formatBytes(gpuBytes)} of ${formatBytes(sizeBytes)} on the GPU`;
}
