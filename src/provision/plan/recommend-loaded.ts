import type { LoadedModel } from '../../fit/choice/recommend.ts';
import type { Runtime } from '../../runtimes/contract.ts';

/** A suggestion is not worth a longer wait. */
const PATIENCE_MS = 2000;

/**
 * What stopping the loaded models would free. A runtime that cannot report it, or not in time, has nothing loaded: only a
 * suggestion is lost. Throws at an abort alone.
 */
export async function loadedModels(
  runtime: Pick<Runtime, 'loadedModels'>,
  signal: AbortSignal,
): Promise<LoadedModel[]> {
  try {
    const patience = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
    const models = (await runtime.loadedModels?.(patience)) ?? [];
    return models.map(({ name, sizeBytes = 0, gpuBytes = 0 }) => ({
      name,
      gpuBytes,
      ramBytes: Math.max(0, sizeBytes - gpuBytes),
    }));
  } catch {
    signal.throwIfAborted();
    return [];
  }
}
