export type { PublicKey, SignedFile } from './contract.ts';
export { readPrivateKey, readPublicKey } from './keys.ts';
export { signManifest } from './sign.ts';
export { matchFiles, verifyManifest, verifySignature } from './verify.ts';
