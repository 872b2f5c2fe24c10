import * as z from 'zod';
import { Digest } from '../../core/digest.ts';

/** Media types of what registries hold (OCI image-spec 1.1, CNCF ModelPack 0.0.x) and what we take for a GGUF. */

export const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const INDEX = 'application/vnd.oci.image.index.v1+json';
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
export const DOCKER_INDEX = 'application/vnd.docker.distribution.manifest.list.v2+json';

export const MODEL_ARTIFACT = 'application/vnd.cncf.model.manifest.v1+json';
export const MODEL_CONFIG = 'application/vnd.cncf.model.config.v1+json';
export const MODEL_WEIGHT = 'application/vnd.cncf.model.weight.v1.raw';
export const MODEL_WEIGHT_CONFIG = 'application/vnd.cncf.model.weight.config.v1.raw';
export const MODEL_DOC = 'application/vnd.cncf.model.doc.v1.raw';
export const MODEL_DATASET = 'application/vnd.cncf.model.dataset.v1.raw';
/** What a file is called where a ModelPack is unpacked. */
export const FILE_PATH = 'org.cncf.model.filepath';

/** Layers whose bytes are one GGUF file: those of ModelPack, of Ollama, and of Docker's model runner. */
export const GGUF_LAYERS: ReadonlySet<string> = new Set([
  MODEL_WEIGHT,
  'application/vnd.ollama.image.model',
  'application/vnd.docker.ai.gguf.v3',
]);

/** Layers that hold weights in another packing, which nothing here unpacks. */
export const PACKED_WEIGHTS = /^application\/vnd\.cncf\.model\.weight\.v1\.(tar|raw\+|tar\+)/;

/** A signature made by OpenSSF model signing. */
export const SIGNATURE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
/** A config without content (OCI image-spec 1.1). */
export const EMPTY = 'application/vnd.oci.empty.v1+json';

/** What names and describes one blob. Fields beyond these are let through: the standard allows them. */
export const Descriptor = z.looseObject({
  mediaType: z.string().min(1).max(255),
  digest: Digest,
  size: z.int().nonnegative(),
  artifactType: z.string().max(255).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});
export type Descriptor = z.infer<typeof Descriptor>;

/** An upper bound, so that a hostile registry cannot exhaust the memory. */
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

/** The fields of a ModelPack's config that are used. */
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
