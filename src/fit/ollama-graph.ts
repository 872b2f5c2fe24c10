import type { Hyperparameters } from '../catalog/schema.ts';
import type { Moments } from './graph.ts';
import { widthsOf } from './graph.ts';
import { cacheCells, effectiveBatch, hasWindow } from './kv.ts';
import type { RunSettings } from './schema.ts';

const F16 = 2;

/**
 * The same three points of the graph that Ollama before 0.30 builds itself, from above. Found from what 0.10.0 and 0.24.0
 * say they allocate on a CPU for Gemma 3 270m and 1b and Gemma 3n E2B and E4B (docs/fit.md); on GPUs the same is assumed.
 * Logits are one row a slot in all of them.
 */
export function ollamaMoments(hyperparameters: Hyperparameters, { flashAttention }: RunSettings): Moments {
  const { embedding: e, feedForward: f, query: q, perLayer: p, vocabulary } = widthsOf(hyperparameters);
  if (p > 0) {
    return { feedForward: 3 * f + p + (flashAttention ? 13 : 11) * e, attention: p + 11 * e, logits: vocabulary };
  }
  return { feedForward: 3 * f + 2 * e + 2 * q, attention: 2 * e + 2 * q, logits: vocabulary };
}

/** Attention masks, f16 with flash attention; without it their room is used again for the scores. */
export function ollamaInputBytes(hyperparameters: Hyperparameters, settings: RunSettings): number {
  if (!settings.flashAttention) return 0;
  const { full, windowed } = cacheCells(hyperparameters, settings);
  return F16 * effectiveBatch(settings) * (hasWindow(hyperparameters) ? full + windowed : full);
}
