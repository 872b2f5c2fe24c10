import * as z from 'zod';
import { QualitySeries } from '../catalog/quality-schema.ts';
import { QuantId } from '../catalog/schema.ts';

/** What a recommendation says, and the seam for estimators. All sizes in bytes. */

const Bytes = z.int().nonnegative();

/** Types of the KV cache that Ollama and llama.cpp offer. */
export const KvType = z.enum(['f16', 'q8_0', 'q4_0']);
export type KvType = z.infer<typeof KvType>;

/**
 * How a quant is chosen. `best`: the highest quality that fits and is fast enough. `card`: what the model card names for this
 * use or hardware.
 */
export const ChoicePolicy = z.enum(['best', 'card']);
export type ChoicePolicy = z.infer<typeof ChoicePolicy>;

/** Who places the tensors: decides where per-layer embeddings live, whether embeddings are copied, what margin is kept. */
export const Engine = z.enum(['ollama-a1', 'ollama-a2', 'ollama-b0', 'ollama-b', 'llama.cpp', 'embedded']);
export type Engine = z.infer<typeof Engine>;

export const RunSettings = z.strictObject({
  contextLength: z.int().positive(),
  /** Micro-batch, Ollama's `num_batch`. */
  batch: z.int().positive(),
  parallel: z.int().positive(),
  kvType: KvType,
  flashAttention: z.boolean(),
});
export type RunSettings = z.infer<typeof RunSettings>;

export const MemoryEstimate = z.strictObject({
  gpuBytes: Bytes,
  cpuBytes: Bytes,
  weightsBytes: Bytes,
  kvBytes: Bytes,
  computeBytes: Bytes,
  totalBytes: Bytes,
  /** What of it a projector takes: its weights, which `weightsBytes` has, and its buffers, which `computeBytes` has. */
  projectorBytes: Bytes.optional(),
  /** Only where several GPUs share the layers: bytes on each, in the profile's order; they add up to `gpuBytes`. */
  deviceBytes: z.array(Bytes).optional(),
  /** How each number was obtained: `weights` → `tensor list of the GGUF header`. */
  basis: z.record(z.string(), z.string()),
});
export type MemoryEstimate = z.infer<typeof MemoryEstimate>;

/** Where a candidate would run. `no`: nowhere on this host. */
export const FitVerdict = z.enum(['gpu', 'partial', 'cpu', 'no']);
export type FitVerdict = z.infer<typeof FitVerdict>;

/** Tokens per second as a range, and where it comes from. */
export const Speed = z.strictObject({
  low: z.number().nonnegative(),
  estimate: z.number().nonnegative(),
  high: z.number().nonnegative(),
  basis: z.string(),
});
export type Speed = z.infer<typeof Speed>;

/** Free memory that must be there, margins included. `gpuBytes` only where a GPU is used. */
export const FreeNeeded = z.strictObject({ gpuBytes: Bytes.optional(), ramBytes: Bytes });
export type FreeNeeded = z.infer<typeof FreeNeeded>;

export const Candidate = z.strictObject({
  quant: QuantId,
  verdict: FitVerdict,
  placement: z.string(),
  memory: MemoryEstimate,
  /** Layers on the GPU, the output layer counted; 0 on the CPU. Absent where it runs nowhere. */
  gpuLayers: z.int().nonnegative().optional(),
  needsFree: FreeNeeded,
  /** Bytes left on the device that decides, after the margin; negative when it falls short. */
  headroomBytes: z.int(),
  /** The largest `num_ctx` that keeps the verdict, other settings as they are; absent where it does not run. */
  largestContext: z.int().positive().optional(),
  /** Of the answer. */
  tokensPerSecond: Speed.optional(),
  /** Of reading the prompt. */
  promptTokensPerSecond: Speed.optional(),
  /** False where even the high end of the range is below the floor of the use; absent where nothing is known. */
  fastEnough: z.boolean().optional(),
  /**
   * True where the lower half of the range, from `low` to `estimate`, reaches the floor of the use: where its middle does.
   * Absent where nothing is known.
   */
  reachesFloor: z.boolean().optional(),
  quality: z.int().min(1).max(5),
  /** False where no source of the catalog has it, although one has other quants of the model. */
  published: z.literal(false).optional(),
  /** What keeps it from running, one sentence each; empty when it runs. */
  blockedBy: z.array(z.string()),
  /** Why it stands where it stands, for a person. */
  reasons: z.array(z.string()),
  /** Recommended by a model card or the catalog for this use case, or this tier where no use case was given. */
  byPolicy: z.boolean(),
});
export type Candidate = z.infer<typeof Candidate>;

/** What the Modelfile says of the load, so that what runs is what was estimated. */
export const LoadParameters = z.strictObject({
  num_ctx: z.int().positive(),
  num_batch: z.int().positive(),
  /** Only where a part of the layers is on the GPU: an engine left to itself might take another part. */
  num_gpu: z.int().positive().optional(),
});
export type LoadParameters = z.infer<typeof LoadParameters>;

export const Choice = z.strictObject({
  quant: QuantId,
  verdict: FitVerdict,
  /** How it was chosen; absent where the quant was named. */
  policy: ChoicePolicy.optional(),
  /** What each policy chooses here; no `card` where neither a card nor the catalog recommends anything for this host and use. */
  picks: z.strictObject({ best: QuantId, card: QuantId.optional() }),
  parameters: LoadParameters,
  reasons: z.array(z.string()),
});
export type Choice = z.infer<typeof Choice>;

/** One thing that would give another choice, found by ranking again with it. */
export const Change = z.strictObject({
  kind: z.enum([
    'stop-models',
    'context',
    'batch',
    'kv-type',
    'free-vram',
    'free-ram',
    'smaller-model',
    'other-model',
    'other-gpu',
    'more-ram',
  ]),
  /** Another model, for `smaller-model` and `other-model`. */
  model: z.string().optional(),
  /** The flag that makes it, for what is a setting: `--ctx 4096`. */
  flag: z.string().optional(),
  /** What to type for it, for another model. */
  command: z.string().optional(),
  /** What would then be chosen. */
  quant: QuantId,
  verdict: FitVerdict,
  /** How much more must be free, or how large the other GPU or the whole RAM is. */
  bytes: Bytes.optional(),
  sentence: z.string(),
});
export type Change = z.infer<typeof Change>;

/** What this host has for a model: free memory, and what of it stays free. */
export const Limits = z.strictObject({
  /** The GPUs that the engine uses, in the profile's order. */
  gpus: z.array(
    z.strictObject({
      name: z.string(),
      /** It draws from RAM. */
      unified: z.boolean(),
      totalBytes: Bytes,
      freeBytes: Bytes,
      marginBytes: Bytes,
    }),
  ),
  ram: z.strictObject({ totalBytes: Bytes, freeBytes: Bytes, marginBytes: Bytes }),
});
export type Limits = z.infer<typeof Limits>;

/** Every quant at several contexts and types of the KV cache, the other settings as they are. */
export const FitTable = z.strictObject({
  contexts: z.array(z.int().positive()),
  kvTypes: z.array(KvType),
  rows: z.array(
    z.strictObject({
      quant: QuantId,
      cells: z.array(
        z.strictObject({
          contextLength: z.int().positive(),
          kvType: KvType,
          verdict: FitVerdict,
          needsFree: FreeNeeded,
        }),
      ),
    }),
  ),
  /** What the table leaves out, and why. */
  notes: z.array(z.string()),
});
export type FitTable = z.infer<typeof FitTable>;

export const Recommendation = z.strictObject({
  model: z.string(),
  settings: RunSettings,
  /** Why the settings are what they are, and what those that were asked for cost. */
  settingReasons: z.array(z.string()),
  engine: Engine,
  limits: Limits,
  /** Tokens per second that this use wants at least; absent where it does not mind. */
  speedFloor: z.strictObject({ tokensPerSecond: z.number().positive(), reason: z.string() }).optional(),
  /** The tier of the card that this host falls into, if any. */
  tier: z.string().optional(),
  /** Absent when nothing fits. */
  choice: Choice.optional(),
  /** Only when nothing is chosen: the quant that comes nearest, or what would be chosen without the named one, as a sentence. */
  shortfall: z.string().optional(),
  /** Best first. */
  candidates: z.array(Candidate),
  /** What would give another choice. */
  changes: z.array(Change),
  table: FitTable.optional(),
  /** What others measured of this model's quants, one series for each method; no part of the ranking. */
  measurements: z.array(QualitySeries).optional(),
});
export type Recommendation = z.infer<typeof Recommendation>;
