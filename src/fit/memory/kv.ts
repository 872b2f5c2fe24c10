import { type Hyperparameters, layerShapes } from '../../catalog/quant-schema.ts';
import type { KvType, RunSettings } from '../schema.ts';
import type { EngineTraits } from './engines.ts';

/** Bytes per cached value: f16, or blocks of 32 with a scale (ggml Q8_0: 34 bytes, Q4_0: 18 bytes). */
const KV_BYTES = { f16: 2, q8_0: 34 / 32, q4_0: 18 / 32 } as const satisfies Record<KvType, number>;

/** llama.cpp and Ollama round cache cells up to this (`GGML_PAD(…, 256)` in `src/llama-context.cpp`; `CachePadding`). */
const CELL_PADDING = 256;

type CacheTraits = Pick<EngineTraits, 'sharesWindow' | 'padsTo32'>;

export interface CacheCells {
  /** Cells of a layer that sees the whole context, for one slot. */
  readonly full: number;
  /** Cells of a layer that sees only the sliding window, for one slot; not whole where slots share one cache. */
  readonly windowed: number;
}

/** A micro-batch is never larger than the context of all slots together (`src/llama-context.cpp`). */
export function effectiveBatch({ batch, contextLength, parallel }: RunSettings): number {
  return Math.min(batch, contextLength * parallel);
}

/**
 * Cells of the KV cache for one slot. llama.cpp keeps a cache of window and micro-batch for each slot
 * (`src/llama-kv-cache-iswa.cpp`); Ollama's own engine keeps one for all, with a spare token for each slot where there
 * are several (`kvcache/causal.go` at v0.24.0).
 */
export function cacheCells(hyperparameters: Hyperparameters, settings: RunSettings, engine?: CacheTraits): CacheCells {
  const padding = engine?.padsTo32 && !settings.flashAttention ? 32 : CELL_PADDING;
  const padCells = (cells: number): number => Math.ceil(cells / padding) * padding;
  const full = padCells(settings.contextLength);
  const { slidingWindow } = hyperparameters;
  if (slidingWindow === undefined) return { full, windowed: full };
  const batch = effectiveBatch(settings);
  if (engine?.sharesWindow !== true) return { full, windowed: padCells(Math.min(full, slidingWindow + batch)) };
  const { parallel, contextLength } = settings;
  const window = slidingWindow + (parallel > 1 ? 1 : 0);
  if (window >= contextLength) return { full, windowed: full };
  return { full, windowed: padCells(parallel * window + batch) / parallel };
}

/**
 * Bytes of the KV cache by layer; 0 for layers that reuse an earlier layer's. Equal to what llama.cpp allocates at every
 * setting of the ground truth (docs/fit.md). Without a known rhythm of local and global layers every layer counts as
 * global, which is the upper bound.
 */
export function kvBytesByLayer(
  hyperparameters: Hyperparameters,
  settings: RunSettings,
  engine?: CacheTraits,
): number[] {
  const { blockCount, sharedKvLayers } = hyperparameters;
  const cells = cacheCells(hyperparameters, settings, engine);
  const shapes = layerShapes(hyperparameters);
  // Without flash attention llama.cpp stores values transposed, in each layer as many as in the widest (`n_embd_v_gqa_max`).
  const padsValues = !settings.flashAttention && engine?.sharesWindow !== true;
  const widest = Math.max(...shapes.map(({ values }) => values));
  const bytesPerCell = shapes.map(
    ({ keys, values }) => (keys + (padsValues ? widest : values)) * KV_BYTES[settings.kvType] * settings.parallel,
  );
  const [first = 0] = bytesPerCell;
  return Array.from({ length: blockCount }, (_, layer) => {
    if (layer >= blockCount - sharedKvLayers) return 0;
    return (isGlobal(hyperparameters, layer) ? cells.full : cells.windowed) * (bytesPerCell[layer] ?? first);
  });
}

/**
 * Bytes of the caches that the blocks from `from` to `to` (the one after the last) use although they belong to blocks before
 * these: each block that shares a cache uses that of the last block of its kind that has one.
 */
export function borrowedKvBytes(
  hyperparameters: Hyperparameters,
  kvByLayer: readonly number[],
  { from, to }: { readonly from: number; readonly to: number },
): number {
  const own = hyperparameters.blockCount - hyperparameters.sharedKvLayers;
  let bytes = 0;
  for (let layer = Math.max(from, own); layer < to; layer += 1) {
    let donor = own - 1;
    while (donor > 0 && isGlobal(hyperparameters, donor) !== isGlobal(hyperparameters, layer)) donor -= 1;
    if (donor < from) bytes += kvByLayer[donor] ?? 0;
  }
  return bytes;
}

/** True where some layers see only a window, so that there are two caches and two attention masks. */
export function hasWindow({ slidingWindow, slidingPattern }: Hyperparameters): boolean {
  return slidingWindow !== undefined && slidingPattern !== undefined;
}

/** The last layer of each group of `slidingPattern` is global. */
export function isGlobal(hyperparameters: Hyperparameters, layer: number): boolean {
  if (!hasWindow(hyperparameters)) return true;
  return (layer + 1) % (hyperparameters.slidingPattern ?? 1) === 0;
}
