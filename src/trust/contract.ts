/**
 * What other folders use of signatures (functions: `index.ts`): OpenSSF model signing (OMS) with a key, so that the reference tool
 * (`model_signing verify key`) can check what we sign, and we what it signs.
 *
 * Sign:   `signManifest({ subject, files }, readPrivateKey(pem, { name }))` → the text of a bundle, kept beside the files.
 * Verify: `verifySignature(text, { name, keys })` → what was signed, with nothing on disk believed yet; then
 *         `matchFiles(manifest, files, { name })` with the digests that were computed here.
 */
import type { KeyObject } from 'node:crypto';
import type { Digest } from '../core/digest.ts';

/** One file under a signature. */
export interface SignedFile {
  /** Path below the signed folder, with `/`; `.` where one file alone is signed. */
  readonly name: string;
  readonly digest: Digest;
}

/** What is to be signed. */
export interface Manifest {
  /** Name of the folder or file: informative, nothing depends on it. */
  readonly subject: string;
  /** At least one; no name twice. */
  readonly files: readonly SignedFile[];
}

/** What a valid signature states. */
export interface SignedManifest extends Manifest {
  /** The key that verifies it. */
  readonly key: PublicKey;
  /** Paths that the signer left out. */
  readonly ignored: readonly string[];
}

interface Key {
  /** How the user knows it: its path. */
  readonly name: string;
  /** SHA-256 of the public key's PEM text, in hex: what a bundle names it by. */
  readonly hint: string;
  readonly hash: 'sha256' | 'sha384' | 'sha512';
  readonly object: KeyObject;
}

export interface PublicKey extends Key {
  readonly kind: 'public';
}

export interface PrivateKey extends Key {
  readonly kind: 'private';
}
