/**
 * The catalog: what can be had. One JSON file = one family; a file here is data that a person can check
 * against its sources, never code. Sizes are bytes unless the name says GiB.
 */
import * as z from 'zod';
import { Digest } from '../core/digest.ts';
import { USE_CASES } from './use-cases.ts';

const Text = z.string().min(1);

/** A number with the place it was taken from, so that every figure in the tool can be traced. */
export const Sourced = z.strictObject({ value: z.number(), source: z.string().min(1) });
export type Sourced = z.infer<typeof Sourced>;

/** What a person is sent to read; `javascript:` and `file:` are no pages. */
const WebAddress = z.url({ protocol: /^https?$/ });

const Count = z.int().positive();
const Bytes = z.int().nonnegative();
/** Names of profiles, tiers and chat templates: they end up in flags and file names. */
const Word = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, 'must be a word of lower-case letters, digits, dashes and underscores');
/** `0.10.0`, `3.8`, `0.33.0-rc2`, or the commit of a project that has no releases (`8846aace`). */
const Version = z
  .string()
  .regex(/^(\d+(\.\d+){1,2}(-[0-9A-Za-z.]+)?|[0-9a-f]{7,40})$/, 'must be a version such as 0.10.0 or a commit');

/** `q5_k_m`: lower case inside ids, accepted in any case from users. */
export const QuantId = z.string().regex(/^[a-z][a-z0-9_]{1,15}$/, 'must be a quant in lower case such as q5_k_m');
/** `gemma-3n-e4b`. */
export const ModelId = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]{0,63}$/, 'must be lower-case letters, digits, dots and dashes');

/** The shape of the network, in the words of the GGUF keys that carry it. */
export const Hyperparameters = z.strictObject({
  blockCount: Count,
  embeddingLength: Count,
  /** Widest block where the file gives one width per block. */
  feedForwardLength: Count,
  headCount: Count,
  headCountKv: Count,
  keyLength: Count,
  valueLength: Count,
  contextLength: Count,
  /** Tokens that a local layer sees; absent where every layer is global. */
  slidingWindow: Count.optional(),
  /** Every n-th layer is global, the others are local; absent without a window. */
  slidingPattern: Count.optional(),
  /** Layers at the end that own no KV cache but reuse an earlier one. */
  sharedKvLayers: z.int().nonnegative(),
  /** Width of the per-layer embeddings (Gemma 3n); 0 where there are none. */
  perLayerEmbeddingLength: z.int().nonnegative(),
  vocabularySize: Count,
});
export type Hyperparameters = z.infer<typeof Hyperparameters>;

/** Tensor bytes of one file by where an engine places them; taken from tensors, never from the quant's name. */
export const WeightBytes = z.strictObject({
  /** Bytes of `blk.N.*`, one entry a block. */
  blocks: z.array(Bytes),
  /** `token_embd`; with tied embeddings engines also copy it as the output matrix. */
  tokenEmbedding: Bytes,
  /** `per_layer_token_embd` of Gemma 3n, else 0. */
  perLayerEmbedding: Bytes,
  /** `per_layer_model_proj` and `per_layer_proj_norm`, else 0. */
  perLayerProjection: Bytes,
  /** `output*`, `output_norm`, `altup_proj`, `altup_unembd_proj`. */
  output: Bytes,
  /** Whatever fits none of the above (projector tensors included). */
  other: Bytes,
  /** True where the file has no `output.weight`, so `token_embd` serves as both. */
  tiedEmbeddings: z.boolean(),
});
export type WeightBytes = z.infer<typeof WeightBytes>;

/** What the model card prints about a quant, kept as printed. The card's "GB" are GiB. */
export const CardQuant = z.strictObject({
  sizeGiB: z.number().positive(),
  /** Against F16: 2.8 means a file 2.8 times smaller. */
  compression: z.number().min(1),
  /** 1 to 5 stars. */
  quality: z.int().min(1).max(5),
  use: z.string().min(1),
  /** What the card's file list says of the file: `5-bit K-quant medium`. */
  label: Text.optional(),
});

/** Where the bytes of a quant can be had, best first. What is named must stay the same: `check-source.ts` says how. */
export const QuantSource = z.strictObject({
  /** `hf:owner/repo@commit/file.gguf`, `oci:host/repo@sha256:…` or `https://…`. */
  ref: z
    .string()
    .regex(/^(hf|oci|https):[^\s\p{Cc}]{1,2048}$/u, 'must be a reference that begins with hf:, oci: or https:'),
  /** What the bytes must be; default the quant's own digest. */
  digest: Digest.optional(),
  sizeBytes: Count.optional(),
});
export type QuantSource = z.infer<typeof QuantSource>;

export const Quant = z.strictObject({
  id: QuantId,
  /** File name in the publisher's collection, no folder. */
  file: z.string().regex(/^[^/\\]+\.gguf$/, 'must be a .gguf file name without a folder'),
  card: CardQuant.optional(),
  /** Bits of quality per weight order: 1 (worst) to 5; the card's stars where it has them. */
  quality: z.int().min(1).max(5),
  /** Exact sum of all tensors' bytes, with its source. */
  tensorBytes: Sourced.optional(),
  /** Exact bytes of the whole file, where a published file is known. */
  fileBytes: Sourced.optional(),
  digest: Digest.optional(),
  /** Path inside this package of a file that ships with it. */
  bundled: z
    .string()
    .regex(
      /^(?!.*(?:^|\/)\.\.?(?:\/|$))[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+)*$/,
      'must be a relative path inside the package',
    )
    .optional(),
  sources: z.array(QuantSource).min(1).max(20).optional(),
  weights: WeightBytes.optional(),
  note: z.string().optional(),
});
export type Quant = z.infer<typeof Quant>;

export const Modality = z.strictObject({
  kind: z.enum(['text', 'image', 'audio', 'video']),
  direction: z.enum(['input', 'output']),
  detail: z.string(),
  /** Tokens that one image costs. */
  tokensPerImage: Count.optional(),
  /** Tokens that one second of audio costs. */
  tokensPerSecond: z.number().positive().optional(),
  /** False where the runtimes of this tool do not serve it yet. */
  servedByRuntimes: z.boolean(),
});

export const LibraryModel = z.strictObject({
  /** Name in Ollama's own library, `gemma3n:e4b`. */
  name: z.string().regex(/^[a-z0-9][a-z0-9._-]*:[a-z0-9][a-z0-9._-]*$/, 'must be a library name such as gemma3n:e4b'),
  /** The version that the publisher or the project names; `minimumVersions` has what else is known. */
  minimumVersion: Version,
  source: Text,
});

export const Model = z.strictObject({
  id: ModelId,
  title: Text,
  kind: z.enum(['instruct', 'base', 'test']),
  baseModel: Text,
  /** Repository of the GGUF collection that the file names belong to. */
  collection: Text.optional(),
  parameters: z.strictObject({
    total: Count,
    effective: Count.optional(),
    source: z.string(),
  }),
  hyperparameters: Hyperparameters,
  modalities: z.array(Modality).min(1),
  library: LibraryModel.optional(),
  /** Context length that a Modelfile gets when nobody asks for another. */
  defaultContext: Count,
  /** Where the publisher's word and the real model differ: `{field, says, actual, source}`. */
  corrections: z.array(z.strictObject({ field: z.string(), says: z.string(), actual: z.string(), source: z.string() })),
  quants: z.array(Quant).min(1),
  smokeSuite: Word,
});
export type Model = z.infer<typeof Model>;

/** Sampling parameters under Ollama's own names; `max_tokens` of cards is `num_predict` here. */
export const SamplingProfile = z.strictObject({
  temperature: z.number().min(0).max(2),
  top_p: z.number().min(0).max(1),
  top_k: z.int().nonnegative(),
  repeat_penalty: z.number().positive().optional(),
  num_predict: z.int().optional(),
  min_p: z.number().min(0).max(1).optional(),
  source: z.string(),
});
export type SamplingProfile = z.infer<typeof SamplingProfile>;

/**
 * A hardware tier of the card: which quants, best first, for what kind of machine. Bounds in GiB, lower inclusive,
 * upper exclusive, and nominal: a "24 GB" card reports 23.99 GiB, so round to whole GiB before comparing.
 */
export const Tier = z.strictObject({
  id: Word,
  title: Text,
  when: z.discriminatedUnion('device', [
    z.strictObject({
      device: z.literal('gpu'),
      minVramGiB: z.number().nonnegative(),
      maxVramGiB: z.number().positive().optional(),
    }),
    z.strictObject({ device: z.literal('cpu') }),
    z.strictObject({ device: z.literal('edge'), maxRamGiB: z.number().positive() }),
  ]),
  quants: z.array(QuantId).min(1),
  source: Text,
});
export type Tier = z.infer<typeof Tier>;

export const UseCaseId = z.enum(USE_CASES);
export type UseCaseId = z.infer<typeof UseCaseId>;

export const UseCase = z.strictObject({
  id: UseCaseId,
  title: Text,
  quants: z.array(QuantId).min(1),
  source: Text,
});
export type UseCase = z.infer<typeof UseCase>;

export const Policy = z.strictObject({ tiers: z.array(Tier), useCases: z.array(UseCase) });
export type Policy = z.infer<typeof Policy>;

export const Licence = z.strictObject({
  /** SPDX id or `LicenseRef-…`. */
  id: z.string(),
  title: Text,
  url: WebAddress,
  prohibitedUseUrl: WebAddress.optional(),
  /** What goes into the model's LICENSE layer and is shown before acceptance. */
  text: z.string(),
  acceptanceRequired: z.boolean(),
});
export type Licence = z.infer<typeof Licence>;

export const Benchmark = z.strictObject({
  name: z.string(),
  metric: z.string().optional(),
  shots: z.string().optional(),
  group: z.string(),
  /** Which weights were measured; a model id stands for both variants of its size. */
  variant: z.enum(['pre-trained', 'instruction-tuned']).optional(),
  /** Where the benchmark itself is described. */
  url: WebAddress.optional(),
  /** Scores by model id, in the card's own unit (percent unless `metric` says otherwise). */
  scores: z.record(ModelId, z.number()),
  source: Text,
});
export type Benchmark = z.infer<typeof Benchmark>;

export const MinimumVersion = z.strictObject({
  software: Text,
  version: Version,
  why: Text,
  source: Text,
});
export type MinimumVersion = z.infer<typeof MinimumVersion>;

/** The publisher's minimum system requirements, as printed; what a machine really needs is the fit room's answer. */
export const SystemRequirements = z.strictObject({
  ram: z.array(z.strictObject({ quant: QuantId, gib: z.number().positive() })).min(1),
  storage: z.strictObject({ minGiB: z.number().positive(), maxGiB: z.number().positive() }),
  cpu: Text,
  gpu: Text,
  source: Text,
});

/** The publisher's troubleshooting section: a symptom and what to try, best first. */
export const Trouble = z.strictObject({ id: Word, symptom: Text, advice: z.array(Text).min(1), source: Text });
export type Trouble = z.infer<typeof Trouble>;

/** A statement worth keeping that no other field holds (training data, cutoff, limitations). */
export const Fact = z.strictObject({ topic: Word, text: Text, source: Text });
export type Fact = z.infer<typeof Fact>;

/** What a file says of itself rather than of the family: an overlay does not hand it on. */
const FILE_STATUS = {
  /** Raised with every change that is published: a signed file with a lower one than was seen before is refused. */
  version: Count.optional(),
  /** From then on the file is refused: `2027-01-31T00:00:00Z`. */
  expires: z.iso.datetime({ offset: true }).optional(),
};

export const Family = z.strictObject({
  $schema: z.string().optional(),
  schemaVersion: z.literal(1),
  id: ModelId,
  ...FILE_STATUS,
  title: Text,
  /** `general.architecture` of its GGUF files. */
  architecture: z.string().regex(/^[a-z0-9][a-z0-9_-]*$/, 'must be an architecture name such as gemma3n'),
  publisher: Text,
  summary: Text,
  /** Name of the Go chat template in `templates/chat/`, without folder and extension. */
  chatTemplate: Word,
  tokens: z.strictObject({ bos: z.string(), stop: z.array(Text).min(1) }),
  licence: Licence,
  profiles: z.record(Word, SamplingProfile),
  defaultProfile: z.string(),
  policy: Policy,
  languages: z.strictObject({ spoken: z.string(), note: z.string().optional(), source: z.string() }),
  minimumVersions: z.array(MinimumVersion),
  systemRequirements: SystemRequirements.optional(),
  troubleshooting: z.array(Trouble).optional(),
  benchmarks: z.array(Benchmark),
  facts: z.array(Fact),
  models: z.array(Model).min(1),
});
export type Family = z.infer<typeof Family>;

/**
 * A user's changes to a family that exists already: everything but the id may be left out. `overlay.ts` says what each part
 * does to the family below it. A complete family document is a valid overlay too.
 */
export const FamilyOverlay = Family.partial().extend({
  schemaVersion: z.literal(1),
  id: ModelId,
  policy: Policy.partial().optional(),
});
export type FamilyOverlay = z.infer<typeof FamilyOverlay>;
