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
