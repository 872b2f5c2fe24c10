/** Test vectors of the OpenSSF model-signing specification and of its reference implementation (`fixtures/trust/corpus`). */
import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/core/digest.ts';
import { matchFiles, readPublicKey, verifySignature } from '../../../src/trust/index.ts';
import { fixture, keyPair } from './support.ts';

const keys = [readPublicKey(fixture('corpus/reference/signing-key-pub.pem'), 'signing-key-pub.pem')];
const digestOfFile = (name: string) => digestOf(fixture(`corpus/reference/${name}`));
const BOTH = ['signme-1', 'signme-2'].map((name) => ({ name, digest: digestOfFile(name) }));
const ONE = [{ name: '.', digest: digestOfFile('signme-1') }];
const verify = (path: string) => verifySignature(fixture(`corpus/${path}`), { name: path, keys });

test.each([
  ['spec/valid/key.bundle.json', BOTH],
  ['reference/v1.1.0.sig', BOTH],
  ['reference/v1.0.1.sig', BOTH],
  ['reference/v1.0.0.sig', ONE],
  ['reference/v0.3.1.sig', ONE],
])('%s holds for its files, and for no other', (path, files) => {
  const signed = verify(path);
  matchFiles(signed, files, { name: 'model' });
  const other = [{ name: files[0]?.name ?? '', digest: digestOf('other') }, ...files.slice(1)];
  expect(() => matchFiles(signed, other, { name: 'model' })).toThrow(/does not match its signature/);
  const stranger = { name: path, keys: [keyPair('secp384r1').public] };
  expect(() => verifySignature(fixture(`corpus/${path}`), stranger)).toThrow(/was not made by/);
});

describe('what is not valid', () => {
  test.each([
    ['invalid/empty', /is not JSON|is empty|not valid/],
    ['invalid/missing-envelope', /dsseEnvelope/],
    ['invalid/missing-tlog-entries', /publicKey/],
    ['invalid/missing-verification-material', /verificationMaterial/],
    ['invalid-payload/wrong-predicate', /does not verify it/],
  ])('%s is refused', (path, message) => {
    expect(() => verify(`spec/${path}.bundle.json`)).toThrow(
      expect.objectContaining({ code: 'untrusted', message: expect.stringMatching(message) }),
    );
  });

  test.each(['certificate', 'sigstore'])(
    'a signature by %s is valid there and refused here, with the reason',
    (kind) => {
      expect(() => verify(`spec/valid/${kind}.bundle.json`)).toThrow(
        expect.objectContaining({ code: 'untrusted', message: expect.stringContaining('only signatures by a key') }),
      );
    },
  );
});
