export type { Manifest, PrivateKey, PublicKey, SignedFile, SignedManifest } from './contract.ts';
export { readPrivateKey, readPublicKey } from './keys.ts';
export { signManifest } from './sign.ts';
export { type Against, matchFiles, verifyManifest, verifySignature } from './verify.ts';
