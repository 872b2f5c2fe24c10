/**
 * The catalog: what can be had. One JSON file = one family; a file here is data that a person can check
 * against its sources, never code. Sizes are bytes unless the name says GiB.
 */
import * as z from 'zod';
import { Count, Text, Version, WebAddress, Word } from './ids.ts';
import { Projector } from './projector-schema.ts';
import { QualitySeries } from './quality-schema.ts';
import { Hyperparameters, ModelId, Quant, QuantId, QuantSource } from './quant-schema.ts';

export { Sourced } from './ids.ts';
export * from './projector-schema.ts';
export * from './quant-schema.ts';

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

export const MinimumVersion = z.strictObject({
  software: Text,
  version: Version,
  why: Text,
  source: Text,
});
export type MinimumVersion = z.infer<typeof MinimumVersion>;

/** How the conversations of a model are written, where that is not by the template of its family alone. */
export const ChatFormat = z.strictObject({
  /** Name of the template in `templates/chat/`, without folder and extension; default the family's. */
  template: Word.optional(),
  /**
   * Formats that Ollama has built in for the architecture, under the names of RENDERER and PARSER. A server that has them uses
   * no TEMPLATE; the compatibility matrix says which versions have them.
   */
  ollama: z.strictObject({ renderer: Word, parser: Word }).optional(),
  /** Thoughts before an answer: what switches them on in a system turn, and what encloses them. They are off by default. */
  thinking: z.strictObject({ switch: Text, opens: Text, closes: Text }).optional(),
  /** What precedes a declaration of a tool, a call and a reply, and encloses text in them. */
  tools: z.strictObject({ declares: Text, calls: Text, replies: Text, quote: Text }).optional(),
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
  chat: ChatFormat.optional(),
  /** What this model needs beyond its family. */
  minimumVersions: z.array(MinimumVersion).optional(),
  /** Default context length of a Modelfile. */
  defaultContext: Count,
  /** Where the publisher's word and the real model differ: `{field, says, actual, source}`. */
  corrections: z.array(z.strictObject({ field: z.string(), says: z.string(), actual: z.string(), source: z.string() })),
  quants: z.array(Quant).min(1),
  /** Published measurements, each by one method; beside the stars, never mixed with each other. */
  measurements: z.array(QualitySeries).optional(),
  /** Projectors for it, best first; absent for a model of text alone. */
  projectors: z.array(Projector).min(1).optional(),
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

/** Who recommends a quant. */
const Adviser = {
  /** Model whose card says so; absent where the author of the catalog file decided. */
  cardOf: ModelId.optional(),
  source: Text,
};

/**
 * A hardware tier: which quants, best first, for what kind of machine. Bounds in GiB, lower inclusive,
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
  ...Adviser,
});
export type Tier = z.infer<typeof Tier>;

/** What a model may be wanted for, in the model card's words. */
export const UseCaseId = z.enum(['chatbot', 'research', 'prototype', 'constrained', 'edge']);
export type UseCaseId = z.infer<typeof UseCaseId>;

export const UseCase = z.strictObject({
  id: UseCaseId,
  title: Text,
  quants: z.array(QuantId).min(1),
  ...Adviser,
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
  /** Which weights were measured; a model id means both variants of its size. */
  variant: z.enum(['pre-trained', 'instruction-tuned']).optional(),
  /** Where the benchmark itself is described. */
  url: WebAddress.optional(),
  /** Scores by model id, in the card's own unit (percent unless `metric` says otherwise). */
  scores: z.record(ModelId, z.number()),
  source: Text,
});
export type Benchmark = z.infer<typeof Benchmark>;

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
  /** The model that is used when none is named; that of the last family that has one counts. */
  defaultModel: ModelId.optional(),
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

/** What `catalog refresh` found out about a source: where a source is exactly `was`, `now` takes its place. */
export const SourceUpdate = z.strictObject({ was: QuantSource.shape.ref, now: QuantSource });
export type SourceUpdate = z.infer<typeof SourceUpdate>;

/**
 * A user's changes to a family that exists already: everything but the id may be left out. `overlay.ts` says what each part
 * does to the family below it. A complete family document is a valid overlay too.
 */
export const FamilyOverlay = Family.partial().extend({
  schemaVersion: z.literal(1),
  id: ModelId,
  policy: Policy.partial().optional(),
  sourceUpdates: z.array(SourceUpdate).max(1000).optional(),
});
export type FamilyOverlay = z.infer<typeof FamilyOverlay>;
