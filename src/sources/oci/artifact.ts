/** Which layer of an artifact is the model. */
import type { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import { parseDocument, parseJson } from '../../core/parse.ts';
import type { FoundManifest, Repository } from './client.ts';
import {
  type Descriptor,
  FILE_PATH,
  GGUF_LAYERS,
  Index,
  Manifest,
  MODEL_ARTIFACT,
  PACKED_WEIGHTS,
  SIGNATURE,
} from './manifest.ts';
import { isFileName } from './reference.ts';

export interface FoundArtifact {
  readonly digest: Digest;
  readonly manifest: Manifest;
}

/** Reads a manifest; of an index, the one model in it. Throws `bad-manifest` and what reading throws. */
export async function openArtifact(
  repository: Repository,
  found: FoundManifest,
  signal: AbortSignal,
): Promise<FoundArtifact> {
  const { place } = repository.session;
  if (!isIndex(found, place)) return { digest: found.digest, manifest: parseManifest(found.bytes, place) };
  const index = parseDocument(Index, found.bytes.toString('utf8'), documentOf(`The index of ${place}`));
  const chosen = pickManifest(index, place);
  const inner = await repository.manifest(chosen.digest, signal);
  if (isIndex(inner, place)) throw badManifest(place, 'an index inside an index is not supported');
  return { digest: inner.digest, manifest: parseManifest(inner.bytes, place) };
}

/** Throws `bad-manifest`. */
export function parseManifest(bytes: Buffer, place: string): Manifest {
  return parseDocument(Manifest, bytes.toString('utf8'), documentOf(`The manifest of ${place}`));
}

/**
 * The one manifest of an index that is a model: the ModelPack, if there is one, else the only one that is neither a
 * signature nor an attestation. Throws `bad-manifest` where that leaves a choice.
 */
export function pickManifest(index: Index, place: string): Descriptor {
  const models = index.manifests.filter(({ artifactType }) => artifactType === MODEL_ARTIFACT);
  const others = index.manifests.filter(
    ({ artifactType, annotations }) =>
      artifactType !== SIGNATURE && annotations?.['vnd.docker.reference.type'] === undefined,
  );
  const candidates = models.length > 0 ? models : others;
  const [only] = candidates;
  if (only !== undefined && candidates.length === 1) return only;
  const list = candidates.slice(0, 10).map(({ digest }) => digest);
  throw badManifest(place, `its index names ${candidates.length} models`, [
    candidates.length === 0
      ? 'Name an artifact that contains a GGUF file.'
      : `Name one by its digest: ${list.join(', ')}`,
  ]);
}

/**
 * The layer that is the GGUF: of a type that is known to hold one and nothing else. Of several, the one whose file is
 * asked for (`wanted` must be there, `hinted` is taken if it is). Throws `bad-manifest`, `source-not-found`.
 */
export function pickGguf(
  { layers }: Pick<Manifest, 'layers'>,
  place: string,
  { wanted, hinted }: { readonly wanted?: string; readonly hinted?: string } = {},
): Descriptor {
  const models = layers.filter(({ mediaType }) => GGUF_LAYERS.has(mediaType));
  const named = (name: string | undefined) =>
    models.filter((layer) => name !== undefined && fileNameOf(layer)?.toLowerCase() === name.toLowerCase());
  const names = models.map((layer) => fileNameOf(layer) ?? layer.digest).slice(0, 20);
  if (wanted !== undefined) {
    const [exact, ...more] = named(wanted);
    if (exact !== undefined && more.length === 0) return exact;
    throw new ProvisionError('source-not-found', `${place} has no file ${wanted}.`, {
      suggestions: [`It has: ${names.join(', ')}.`],
    });
  }
  const [only, ...rest] = models;
  if (only !== undefined && rest.length === 0) return only;
  const [hit, ...also] = named(hinted);
  if (hit !== undefined && also.length === 0) return hit;
  if (only !== undefined)
    throw badManifest(place, `it contains ${models.length} models`, [
      `Add the file’s name to the reference: #${names[0]}`,
      `It has: ${names.join(', ')}.`,
    ]);
  const packed = layers.some(({ mediaType }) => PACKED_WEIGHTS.test(mediaType));
  throw badManifest(
    place,
    packed ? 'its weights are packed or compressed, which is not supported' : 'it contains no GGUF file',
    ['Push the plain file, for example with: gemma-provision publish'],
  );
}

/** The publisher's name of a layer's file, where it is a plain name. It says which quant it is; it never becomes a path. */
export function fileNameOf({ annotations }: Pick<Descriptor, 'annotations'>): string | undefined {
  const stated = annotations?.[FILE_PATH] ?? annotations?.['org.opencontainers.image.title'];
  const name = stated?.slice(stated.lastIndexOf('/') + 1);
  return name !== undefined && isFileName(name) ? name : undefined;
}

/** Decided by its content, not by the media type that the server declares; a document that could be read both ways is refused (CVE-2021-41190). */
function isIndex({ bytes }: FoundManifest, place: string): boolean {
  const value = parseJson(bytes.toString('utf8'), documentOf(`The manifest of ${place}`));
  const has = (field: string) => typeof value === 'object' && value !== null && Object.hasOwn(value, field);
  if (has('manifests') && (has('layers') || has('config')))
    throw badManifest(place, 'it is both a manifest and an index');
  return has('manifests');
}

function documentOf(name: string) {
  return { name, code: 'bad-manifest' } as const;
}

export function badManifest(place: string, why: string, suggestions: readonly string[] = []): ProvisionError {
  return new ProvisionError('bad-manifest', `${place} cannot be installed: ${why}.`, { suggestions });
}
