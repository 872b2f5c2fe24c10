import { createHash, sign } from 'node:crypto';
import type { Manifest, PrivateKey, SignedFile } from './contract.ts';
import { BUNDLE_MEDIA_TYPE, PAYLOAD_TYPE, PREDICATE_TYPE, ResourceName, STATEMENT_TYPE } from './schema.ts';

/** The in-toto statement of a set of files, in the reference's order: by path, part by part, by code point. */
export function statementOf({ subject, files }: Manifest): unknown {
  const sorted = [...files].sort(byPath);
  return {
    _type: STATEMENT_TYPE,
    subject: [{ name: subject, digest: { sha256: rootDigest(sorted.map(({ digest }) => hexOf(digest))) } }],
    predicateType: PREDICATE_TYPE,
    predicate: {
      serialization: { method: 'files', hash_type: 'sha256', allow_symlinks: false },
      resources: sorted.map(({ name, digest }) => ({ name, algorithm: 'sha256', digest: hexOf(digest) })),
    },
  };
}

/** SHA-256 over the raw digests, one after the other, in hex. */
export function rootDigest(digests: readonly string[]): string {
  const hash = createHash('sha256');
  for (const digest of digests) hash.update(digest, 'hex');
  return hash.digest('hex');
}

/** What is really signed: DSSE's pre-authentication encoding of the payload and its type. */
export function preAuthEncoding(payload: Uint8Array): Buffer {
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.byteLength} `, 'utf8'),
    payload,
  ]);
}

export function hexOf(digest: string): string {
  return digest.slice('sha256:'.length);
}

function byPath(a: SignedFile, b: SignedFile): number {
  const [left, right] = [a.name.split('/'), b.name.split('/')];
  for (let index = 0; index < Math.min(left.length, right.length); index += 1) {
    // UTF-8 keeps the order of code points; JavaScript's own order of strings does not.
    const order = Buffer.compare(Buffer.from(left[index] ?? ''), Buffer.from(right[index] ?? ''));
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

/**
 * Signs a set of files; returns the text of a Sigstore bundle. ECDSA draws a random number, so two signatures of the
 * same files differ: keep the bundle outside of what must be reproducible. Throws RangeError for an empty or ambiguous set.
 */
export function signManifest(manifest: Manifest, key: PrivateKey): string {
  const names = manifest.files.map(({ name }) => ResourceName.parse(name));
  if (names.length === 0 || new Set(names).size !== names.length) {
    throw new RangeError('a signature needs files, and each name once');
  }
  const payload = Buffer.from(JSON.stringify(statementOf(manifest)), 'utf8');
  const signature = sign(key.hash, preAuthEncoding(payload), key.object);
  return JSON.stringify({
    mediaType: BUNDLE_MEDIA_TYPE,
    verificationMaterial: { publicKey: { hint: key.hint }, tlogEntries: [] },
    dsseEnvelope: {
      payload: payload.toString('base64'),
      payloadType: PAYLOAD_TYPE,
      signatures: [{ sig: signature.toString('base64'), keyid: '' }],
    },
  });
}
