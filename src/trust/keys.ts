import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { ProvisionError } from '../core/errors.ts';
import type { PrivateKey, PublicKey } from './contract.ts';

/** The curves of the reference, under OpenSSL's names, with the digest that the Sigstore specification pairs with each. */
const HASHES: Readonly<Record<string, PrivateKey['hash']>> = {
  prime256v1: 'sha256',
  secp384r1: 'sha384',
  secp521r1: 'sha512',
};

const MAKE_ONE = [
  'Create a key pair with: openssl ecparam -name prime256v1 -genkey -noout -out key.pem && openssl ec -in key.pem -pubout -out key.pub',
];

export interface PrivateKeyOptions {
  /** How the user knows the key: its path. */
  readonly name: string;
  /** For an encrypted key; from the environment, never from an argument, which every process of the host can read. */
  readonly passphrase?: string | undefined;
  /** The suggestion for an encrypted key without a passphrase. */
  readonly passphraseHint?: string;
}

/** Reads a private key of an elliptic curve (PEM). Throws `bad-usage` for anything else, also for an encrypted one without its passphrase. */
export function readPrivateKey(pem: string, { name, passphrase, passphraseHint }: PrivateKeyOptions): PrivateKey {
  const encrypted = /ENCRYPTED/.test(pem);
  if (encrypted && passphrase === undefined) {
    throw new ProvisionError('bad-usage', `the private key ${name} is encrypted`, {
      suggestions: [passphraseHint ?? 'Decrypt it with: openssl ec -in key.pem -out plain.pem'],
    });
  }
  let object: KeyObject;
  try {
    object = createPrivateKey({ key: pem, format: 'pem', ...(encrypted && { passphrase }) });
  } catch {
    // OpenSSL's own message may reveal the passphrase, and does not help.
    const why = encrypted ? 'its passphrase is wrong, or it is damaged' : 'it is not a private key in PEM form';
    throw new ProvisionError('bad-usage', `${name} cannot be used to sign: ${why}`, { suggestions: MAKE_ONE });
  }
  return { kind: 'private', name, object, hash: hashOf(object, name), hint: hintOf(createPublicKey(object)) };
}

/** Reads a public key of an elliptic curve (PEM). Throws `bad-usage` for anything else, also for a private one. */
export function readPublicKey(pem: string, name: string): PublicKey {
  if (/PRIVATE KEY/.test(pem)) {
    throw new ProvisionError('bad-usage', `${name} is a private key; a public key is required`, {
      suggestions: ['Write it with: openssl ec -in key.pem -pubout -out key.pub', 'Keep the private one secret.'],
    });
  }
  let object: KeyObject;
  try {
    object = createPublicKey({ key: pem, format: 'pem' });
  } catch (cause) {
    throw new ProvisionError('bad-usage', `${name} is not a public key in PEM form`, { cause, suggestions: MAKE_ONE });
  }
  return { kind: 'public', name, object, hash: hashOf(object, name), hint: hintOf(object) };
}

/** The public half of a private key. */
export function publicKeyOf({ name, object, hash, hint }: PrivateKey): PublicKey {
  return { kind: 'public', name, object: createPublicKey(object), hash, hint };
}

function hashOf(key: KeyObject, name: string): PrivateKey['hash'] {
  const curve = key.asymmetricKeyDetails?.namedCurve ?? '';
  const hash = key.asymmetricKeyType === 'ec' ? HASHES[curve] : undefined;
  if (hash !== undefined) return hash;
  const found = key.asymmetricKeyType === 'ec' ? `of the curve ${curve}` : `of type ${key.asymmetricKeyType}`;
  throw new ProvisionError('bad-usage', `${name} is a key ${found}; P-256, P-384 or P-521 is required`, {
    suggestions: MAKE_ONE,
  });
}

function hintOf(key: KeyObject): string {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'pem' }))
    .digest('hex');
}
