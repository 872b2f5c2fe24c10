import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf } from '../../../src/core/digest.ts';
import { readPrivateKey, readPublicKey, type SignedFile } from '../../../src/trust/index.ts';

export const FIXTURES = join(import.meta.dirname, '../../fixtures/trust');

export function fixture(name: string): string {
  return readFileSync(join(FIXTURES, name), 'utf8');
}

/** The files of `model/`, as they are on disk. */
export const MODEL: readonly SignedFile[] = ['config.json', 'weights-extra.txt', 'weights/one.gguf'].map((name) => ({
  name,
  digest: digestOf(readFileSync(join(FIXTURES, 'model', name))),
}));

export function pemPair(namedCurve = 'prime256v1'): { privatePem: string; publicPem: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve });
  return {
    privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

export function keyPair(namedCurve = 'prime256v1', name = 'mine') {
  const { privatePem, publicPem } = pemPair(namedCurve);
  return {
    private: readPrivateKey(privatePem, { name: `${name}.pem` }),
    public: readPublicKey(publicPem, `${name}.pub`),
  };
}
