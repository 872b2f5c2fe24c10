/** A signature of a model package: an artifact of its own whose subject is the package, in a bundle and in a registry alike. */

import { canonicalJson, type Digest, digestOf } from '../core/digest.ts';
import { ProvisionError } from '../core/errors.ts';
import { parseManifest } from '../sources/oci/artifact.ts';
import type { Repository } from '../sources/oci/client.ts';
import { type Descriptor, EMPTY, MANIFEST, type Manifest, SIGNATURE } from '../sources/oci/manifest.ts';
import { findReferrers } from '../sources/oci/referrers.ts';
import { LARGEST_PART, type ModelPackage, type SmallBlob } from './model-package.ts';

/** More than a model has that several parties signed. */
const MOST_SIGNATURES = 100;

export interface SignatureArtifact {
  readonly manifest: SmallBlob;
  /** What the manifest names. */
  readonly blobs: readonly SmallBlob[];
}

export function buildSignatureArtifact({ manifest: subject }: ModelPackage, signature: string): SignatureArtifact {
  const bytes = Buffer.from(signature, 'utf8');
  const empty = Buffer.from('{}', 'utf8');
  const manifest = Buffer.from(
    canonicalJson({
      schemaVersion: 2,
      mediaType: MANIFEST,
      artifactType: SIGNATURE,
      config: { mediaType: EMPTY, digest: digestOf(empty), size: empty.length },
      layers: [{ mediaType: SIGNATURE, digest: digestOf(bytes), size: bytes.length }],
      subject: { mediaType: MANIFEST, digest: subject.digest, size: subject.bytes.length },
    }),
    'utf8',
  );
  return {
    manifest: { digest: digestOf(manifest), bytes: manifest },
    blobs: [
      { digest: digestOf(empty), bytes: empty },
      { digest: digestOf(bytes), bytes },
    ],
  };
}

/** The one layer of a signature's manifest; undefined for one that belongs to something else. */
export function signatureLayer(manifest: Manifest, subject: Digest): Descriptor | undefined {
  const [layer] = manifest.layers;
  return manifest.subject?.digest === subject && manifest.layers.length === 1 ? layer : undefined;
}

/** Texts of the signatures that a registry has of a package; nobody has verified them. Throws what reading throws. */
export async function readSignatures(repository: Repository, subject: Digest, signal: AbortSignal): Promise<string[]> {
  const { place } = repository.session;
  const listed = await findReferrers(repository, subject, SIGNATURE, signal);
  if (listed.length > MOST_SIGNATURES)
    throw new ProvisionError('bad-manifest', `${place} has ${listed.length} signatures of ${subject}`, {
      suggestions: [`Remove those that are not needed; at most ${MOST_SIGNATURES} are read.`],
    });
  const texts: string[] = [];
  for (const { digest } of listed) {
    const { bytes } = await repository.manifest(digest, signal);
    const layer = signatureLayer(parseManifest(bytes, place), subject);
    if (layer !== undefined) texts.push((await repository.blob(layer, LARGEST_PART, signal)).toString('utf8'));
  }
  return texts;
}
