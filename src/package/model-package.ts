/** A model package, in a registry and in a bundle alike: a ModelPack artifact with the files below besides the model. */

import { canonicalJson, type Digest, digestOf } from '../core/digest.ts';
import type { Suite } from '../smoke/schema.ts';
import type { Descriptor } from '../sources/oci/manifest.ts';
import {
  FILE_PATH,
  MANIFEST,
  MODEL_ARTIFACT,
  MODEL_CONFIG,
  MODEL_DATASET,
  MODEL_DOC,
  MODEL_WEIGHT,
  MODEL_WEIGHT_CONFIG,
} from '../sources/oci/manifest.ts';
import { BASE_MODEL, QUANTISER } from '../sources/oci/source.ts';
import type { SignedFile } from '../trust/index.ts';
import { LOCK_FILE_NAME, type LockFile, writeLock } from './lock-file.ts';

export type PartName = 'lock' | 'template' | 'licence' | 'suite' | 'modelfile';

/** Path in the pack and media type of each small file. */
export const PARTS: Readonly<Record<PartName, { readonly path: string; readonly mediaType: string }>> = {
  lock: { path: LOCK_FILE_NAME, mediaType: MODEL_WEIGHT_CONFIG },
  modelfile: { path: 'Modelfile', mediaType: MODEL_WEIGHT_CONFIG },
  template: { path: 'template.gotmpl', mediaType: MODEL_WEIGHT_CONFIG },
  licence: { path: 'LICENSE', mediaType: MODEL_DOC },
  suite: { path: 'smoke-suite.json', mediaType: MODEL_DATASET },
};

/** A suite with pictures is the largest of them. */
export const LARGEST_PART = 4 * 1024 * 1024;

/** What goes into a pack beside the bytes of the model. */
export interface ModelPackageInput {
  readonly lock: LockFile;
  /** Text of the Go template, as the lock's digest says. */
  readonly template: string;
  readonly licence: string;
  /** Rendered for people and for `ollama create`; absent for a model that the catalog does not know. */
  readonly modelfile?: string;
  readonly suite?: Suite;
  /** `digest` and `size` of the file that goes in; they are the lock's own. */
  readonly gguf: { readonly fileName: string; readonly digest: Digest; readonly size: number };
}

export interface SmallBlob {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

/** A pack with everything but the model's bytes in memory. */
export interface ModelPackage {
  readonly manifest: SmallBlob;
  /** Config and small files, in the order of the manifest. */
  readonly blobs: readonly SmallBlob[];
  readonly gguf: ModelPackageInput['gguf'];
  /** Every file by its path in the pack: what a signature is over. */
  readonly files: readonly SignedFile[];
}

/** Holds nothing of this machine or moment: the same input gives the same bytes. */
export function buildModelPackage(input: ModelPackageInput): ModelPackage {
  const { lock, gguf } = input;
  const small = smallFiles(input);
  const weight = layerOf(gguf.fileName, MODEL_WEIGHT, gguf.digest, gguf.size);
  const layers = [...small.map(({ layer }) => layer), weight];
  const config = Buffer.from(canonicalJson(configOf(lock, layers)), 'utf8');
  const manifest = Buffer.from(
    canonicalJson({
      schemaVersion: 2,
      mediaType: MANIFEST,
      artifactType: MODEL_ARTIFACT,
      config: { mediaType: MODEL_CONFIG, digest: digestOf(config), size: config.length },
      layers,
      annotations: annotationsOf(lock),
    }),
    'utf8',
  );
  return {
    manifest: { digest: digestOf(manifest), bytes: manifest },
    blobs: [{ digest: digestOf(config), bytes: config }, ...small.map(({ blob }) => blob)],
    gguf,
    files: layers.map(({ digest, annotations }) => ({
      name: annotations?.[FILE_PATH] ?? '',
      digest: digest,
    })),
  };
}

function smallFiles({
  lock,
  template,
  licence,
  modelfile,
  suite,
}: ModelPackageInput): { layer: Descriptor; blob: SmallBlob }[] {
  const texts: Readonly<Record<PartName, string | undefined>> = {
    lock: writeLock(lock),
    modelfile,
    template,
    licence,
    // As the lock's own digest of it was made.
    suite: suite === undefined ? undefined : JSON.stringify(suite),
  };
  const names = Object.keys(PARTS) as PartName[];
  return names.flatMap((name) => {
    const text = texts[name];
    if (text === undefined) return [];
    const bytes = Buffer.from(text, 'utf8');
    const { path, mediaType } = PARTS[name];
    const digest = digestOf(bytes);
    return [{ layer: layerOf(path, mediaType, digest, bytes.length), blob: { digest, bytes } }];
  });
}

function layerOf(path: string, mediaType: string, digest: Digest, size: number): Descriptor {
  return { mediaType, digest, size, annotations: { [FILE_PATH]: path } };
}

function configOf({ family, model, quant, header, licence }: LockFile, layers: readonly Descriptor[]) {
  return {
    descriptor: { family, name: model, licenses: [licence.id] },
    config: { architecture: header.architecture, format: 'gguf', quantization: quant },
    modelfs: { type: 'layers', diffIds: layers.map(({ digest }) => digest) },
  };
}

function annotationsOf({ name, licence, source: { provenance } }: LockFile): Record<string, string> {
  return {
    'org.opencontainers.image.title': name,
    'org.opencontainers.image.licenses': provenance?.licence ?? licence.id,
    ...(provenance?.baseModel !== undefined && { [BASE_MODEL]: provenance.baseModel }),
    ...(provenance?.quantiser !== undefined && { [QUANTISER]: provenance.quantiser }),
  };
}
