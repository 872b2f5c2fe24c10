import { createPrivateKey } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/core/digest.ts';
import type { ProvisionError } from '../../../src/core/errors.ts';
import { readPrivateKey, readPublicKey, signManifest, verifySignature } from '../../../src/trust/index.ts';
import { fixture, keyPair, MODEL, pemPair } from './support.ts';

function refusal(message: RegExp): Partial<ProvisionError> {
  return expect.objectContaining({ code: 'bad-usage', exitCode: 2, message: expect.stringMatching(message) });
}

describe('signing', () => {
  test.each(['prime256v1', 'secp384r1', 'secp521r1'])('what is signed with %s verifies', (curve) => {
    const pair = keyPair(curve);
    const text = signManifest({ subject: 'model', files: MODEL }, pair.private);
    const signed = verifySignature(text, { name: 'model.sig', keys: [pair.public] });
    expect(signed).toMatchObject({ subject: 'model', key: { hint: pair.private.hint } });
    expect(signed.files).toHaveLength(MODEL.length);
  });

  test('the statement has the files and the subject of the reference, in its order', () => {
    const text = signManifest({ subject: 'model', files: [...MODEL].reverse() }, keyPair().private);
    const payloadOf = (bundle: string) =>
      JSON.parse(Buffer.from(JSON.parse(bundle).dsseEnvelope.payload, 'base64').toString('utf8'));
    const [ours, theirs] = [payloadOf(text), payloadOf(fixture('model.p256.sig'))];
    expect(ours.subject).toEqual(theirs.subject);
    expect(ours.predicate.resources).toEqual(theirs.predicate.resources);
  });

  test('nothing, one name twice, and a name that climbs out are refused', () => {
    const mine = keyPair().private;
    const file = { name: 'a', digest: digestOf('a') };
    expect(() => signManifest({ subject: 'x', files: [] }, mine)).toThrow(RangeError);
    expect(() => signManifest({ subject: 'x', files: [file, file] }, mine)).toThrow(RangeError);
    expect(() => signManifest({ subject: 'x', files: [{ ...file, name: '../a' }] }, mine)).toThrow(/in the signed/);
  });
});

describe('keys', () => {
  test('an encrypted key needs its passphrase, and says so', () => {
    const { privatePem } = pemPair();
    const pem = createPrivateKey(privatePem)
      .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'open sesame' })
      .toString();
    expect(() => readPrivateKey(pem, { name: 'k.pem', passphraseHint: 'Set X.' })).toThrow(
      expect.objectContaining({ message: 'the private key k.pem is encrypted', suggestions: ['Set X.'] }),
    );
    expect(() => readPrivateKey(pem, { name: 'k.pem', passphrase: 'wrong' })).toThrow(refusal(/passphrase is wrong/));
    expect(readPrivateKey(pem, { name: 'k.pem', passphrase: 'open sesame' }).hash).toBe('sha256');
  });

  test('other kinds of keys, other curves, mixed-up halves and no key at all', () => {
    const { privatePem, publicPem } = pemPair();
    expect(() => readPublicKey(privatePem, 'k.pem')).toThrow(refusal(/is a private key; a public key is required/));
    expect(() => readPrivateKey(publicPem, { name: 'k.pub' })).toThrow(refusal(/not a private key in PEM form/));
    expect(() => readPublicKey('hello', 'k.pub')).toThrow(refusal(/not a public key/));
    expect(() => keyPair('secp256k1')).toThrow(refusal(/of the curve secp256k1; P-256, P-384 or P-521 is required/));
  });
});
