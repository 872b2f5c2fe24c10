import * as z from 'zod';
import type { LoadedModel } from '../../fit/recommend.ts';

const PS_PATIENCE_MS = 2000;

/** What `/api/ps` tells of a model; servers differ in what `size` counts, so it is only used for what stopping would free. */
const Loaded = z.object({
  models: z
    .array(z.object({ name: z.string(), size: z.int().nonnegative(), size_vram: z.int().nonnegative().default(0) }))
    .nullish(),
});

/** A server that cannot tell (before 0.1.38), or does not in time, has nothing loaded: only a suggestion is lost. */
export async function loadedModels(endpoint: string, signal: AbortSignal): Promise<LoadedModel[]> {
  try {
    const answer = await fetch(new URL('/api/ps', endpoint), {
      signal: AbortSignal.any([signal, AbortSignal.timeout(PS_PATIENCE_MS)]),
    });
    const { models } = Loaded.parse(await answer.json());
    return (models ?? []).map(({ name, size, size_vram }) => ({
      name,
      gpuBytes: size_vram,
      ramBytes: Math.max(0, size - size_vram),
    }));
  } catch {
    signal.throwIfAborted();
    return [];
  }
}
