import { sign } from 'node:crypto';
import type { Manifest, PrivateKey } from './contract.ts';
import { BUNDLE_MEDIA_TYPE, PAYLOAD_TYPE, ResourceName } from './schema.ts';
import { preAuthEncoding, statementOf } from './statement.ts';

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
