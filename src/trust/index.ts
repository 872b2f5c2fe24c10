export type { PrivateKey, PublicKey, SignedFile, SignedManifest } from './contract.ts';
export { publicKeyOf, readPrivateKey, readPublicKey } from './keys.ts';
export { signManifest } from './sign.ts';
export { matchFiles, verifySignature } from './verify.ts';
export { checkUnsignedVersion, checkVersion, type SeenVersion, type SeenVersions } from './versions.ts';
