/** From an installed model's parts to the manifest that names them all. */

import type { Digest } from '../core/digest.ts';
import { canonicalJson, digestOf } from '../core/digest.ts';
import type { Suite } from '../smoke/schema.ts';
import { FILE_PATH, MANIFEST, MODEL_ARTIFACT, MODEL_CONFIG, MODEL_WEIGHT } from '../sources/oci/media-types.ts';
import type { Descriptor } from '../sources/oci/schema.ts';
import { BASE_MODEL, QUANTISER } from '../sources/oci.ts';
import type { SignedFile } from '../trust/index.ts';
import { type LockFile, writeLock } from './lock-file.ts';
import { PARTS, type PartName } from './parts.ts';

/** What goes into a pack beside the bytes of the model. */
export interface PackInput {
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
export interface Pack {
  readonly manifest: SmallBlob;
  /** Config and small files, in the order of the manifest. */
  readonly blobs: readonly SmallBlob[];
  readonly gguf: PackInput['gguf'];
  /** Every file by its path in the pack: what a signature is over. */
  readonly files: readonly SignedFile[];
}

/** Holds nothing of this machine or moment: the same input gives the same bytes. */
export function composePack(input: PackInput): Pack {
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
}: PackInput): { layer: Descriptor; blob: SmallBlob }[] {
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
