import * as z from 'zod';
import { Digest } from '../../core/digest.ts';

/** What names and describes one blob. Fields beyond these are let through: the standard allows them. */
export const Descriptor = z.looseObject({
  mediaType: z.string().min(1).max(255),
  digest: Digest,
  size: z.int().nonnegative(),
  artifactType: z.string().max(255).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});
export type Descriptor = z.infer<typeof Descriptor>;

/** Somebody wants our memory with more than so many. */
const MOST = 1000;

export const Manifest = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  artifactType: z.string().optional(),
  config: Descriptor,
  layers: z.array(Descriptor).max(MOST),
  subject: Descriptor.optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});
export type Manifest = z.infer<typeof Manifest>;

export const Index = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  manifests: z.array(Descriptor).max(MOST),
});
export type Index = z.infer<typeof Index>;

const Words = z.string().max(1000);

/** The config of a ModelPack, as far as it tells us something. */
export const ModelConfig = z.looseObject({
  descriptor: z.looseObject({ licenses: z.array(Words).optional(), name: Words.optional() }).optional(),
  config: z.looseObject({ format: Words.optional(), quantization: Words.optional() }).optional(),
});
export type ModelConfig = z.infer<typeof ModelConfig>;

/** The answer of a token server: the name of the field differs between them. */
export const TokenReply = z.looseObject({
  token: z.string().max(65_536).optional(),
  access_token: z.string().max(65_536).optional(),
});

/** What registries say of an error. */
export const ErrorReply = z.looseObject({
  errors: z.array(z.looseObject({ code: z.string().optional(), message: z.string().nullish() })).min(1),
});
