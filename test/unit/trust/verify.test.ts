import { sign } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/core/digest.ts';
import type { ProvisionError } from '../../../src/core/errors.ts';
import {
  matchFiles,
  type PublicKey,
  readPublicKey,
  type SignedFile,
  signManifest,
  verifySignature,
} from '../../../src/trust/index.ts';
import { preAuthEncoding } from '../../../src/trust/sign.ts';
import { fixture, keyPair, MODEL } from './support.ts';

function key(name: 'p256' | 'p384'): PublicKey {
  return readPublicKey(fixture(`${name}.pub`), `${name}.pub`);
}

async function verify(text: string, keys: readonly PublicKey[], found: readonly SignedFile[]) {
  const signed = verifySignature(text, { name: 'model.sig', keys });
  matchFiles(signed, found, { name: signed.subject });
  return signed;
}

function refusal(message: RegExp): Partial<ProvisionError> {
  return expect.objectContaining({ code: 'untrusted', exitCode: 11, message: expect.stringMatching(message) });
}

/** A bundle of any payload under a good signature. */
function bundleOf(payload: unknown, pair = keyPair()) {
  const bundle = JSON.parse(signManifest({ subject: 'x', files: MODEL }, pair.private));
  const bytes = Buffer.from(JSON.stringify(payload));
  bundle.dsseEnvelope.payload = bytes.toString('base64');
  const sig = sign(pair.private.hash, preAuthEncoding(bytes), pair.private.object).toString('base64');
  bundle.dsseEnvelope.signatures = [{ sig, keyid: '' }];
  return { text: JSON.stringify(bundle), keys: [pair.public] };
}

/** The statement of a good signature, changed. */
function statementWith(change: (statement: Statement) => void) {
  const { private: mine } = keyPair();
  const bundle = JSON.parse(signManifest({ subject: 'x', files: MODEL }, mine));
  const statement = JSON.parse(Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString('utf8')) as Statement;
  change(statement);
  return bundleOf(statement);
}

interface Statement {
  _type: string;
  predicateType: string;
  subject: { name: string; digest: { sha256: string } }[];
  predicate: {
    serialization: { method: string; hash_type: string };
    resources: { name: string; algorithm: string; digest: string }[];
  };
}

describe('signatures that the reference made', () => {
  test.each(['p256', 'p384'] as const)('%s holds, and says what was signed', async (curve) => {
    const signed = await verify(fixture(`model.${curve}.sig`), [key('p256'), key('p384')], MODEL);
    expect(signed.key.name).toBe(`${curve}.pub`);
    expect(signed.subject).toBe('model');
    expect(new Map(signed.files.map((file) => [file.name, file.digest]))).toEqual(
      new Map(MODEL.map((file) => [file.name, file.digest])),
    );
  });

  test('of one file alone', async () => {
    const [config] = MODEL;
    const signed = await verify(fixture('config.json.sig'), [key('p256')], [{ ...config, name: '.' } as SignedFile]);
    expect(signed.subject).toBe('config.json');
  });

  test('a path that the signer left out may be there', async () => {
    await expect(verify(fixture('model.ignoring.sig'), [key('p256')], MODEL)).resolves.toMatchObject({
      ignored: expect.arrayContaining(['weights-extra.txt']),
    });
  });

  test('another hash and another serialization are refused', () => {
    const against = { name: 'model.sig', keys: [key('p256')] };
    expect(() => verifySignature(fixture('model.blake2.sig'), against)).toThrow(refusal(/hash_type: must be sha256/));
    expect(() => verifySignature(fixture('model.shards.sig'), against)).toThrow(refusal(/method: must be files/));
  });
});

describe('row 41: signatures that do not hold', () => {
  test('another key than the trusted one', async () => {
    const other = keyPair('prime256v1', 'other').public;
    await expect(verify(fixture('model.p256.sig'), [other], MODEL)).rejects.toThrow(
      refusal(/was not made by other\.pub/),
    );
    await expect(verify(fixture('model.p256.sig'), [], MODEL)).rejects.toThrow(refusal(/not made by a trusted key/));
  });

  test('a key that is named and did not sign', async () => {
    const bundle = JSON.parse(fixture('model.p256.sig'));
    bundle.verificationMaterial.publicKey.hint = key('p384').hint;
    await expect(verify(JSON.stringify(bundle), [key('p256'), key('p384')], MODEL)).rejects.toThrow(
      refusal(/names the key p384\.pub, but that key does not verify it/),
    );
  });

  test('a bundle without a hint is tried with every key', async () => {
    const bundle = JSON.parse(fixture('model.p256.sig'));
    bundle.verificationMaterial.publicKey = {};
    const signed = await verify(JSON.stringify(bundle), [key('p384'), key('p256')], MODEL);
    expect(signed.key.name).toBe('p256.pub');
  });

  test('one changed byte of the payload or of the signature', () => {
    for (const part of ['payload', 'sig'] as const) {
      const bundle = JSON.parse(fixture('model.p256.sig'));
      const holder = part === 'payload' ? bundle.dsseEnvelope : bundle.dsseEnvelope.signatures[0];
      const bytes = Buffer.from(holder[part], 'base64');
      bytes[20] = (bytes[20] ?? 0) ^ 1;
      holder[part] = bytes.toString('base64');
      const work = () => verifySignature(JSON.stringify(bundle), { name: 'model.sig', keys: [key('p256')] });
      expect(work).toThrow(refusal(/is not valid/));
    }
  });

  test('other files: changed, missing, one too many', async () => {
    const keys = [key('p256')];
    const text = fixture('model.p256.sig');
    const [first, ...rest] = MODEL;
    if (first === undefined) throw new Error('the fixture has files');
    const changed = { ...first, digest: digestOf('other') };
    await expect(verify(text, keys, [changed, ...rest])).rejects.toThrow(
      refusal(new RegExp(`config\\.json is ${changed.digest}, but ${first.digest} was signed`)),
    );
    await expect(verify(text, keys, rest)).rejects.toThrow(refusal(/config\.json is missing/));
    const extra = { name: 'sub/evil.gguf', digest: digestOf('evil') };
    await expect(verify(text, keys, [...MODEL, extra])).rejects.toThrow(refusal(/sub\/evil\.gguf was not signed/));
    const ignoring = { ...verifySignature(text, { name: 'model.sig', keys }), ignored: ['sub'] };
    expect(() => matchFiles(ignoring, [...MODEL, extra], { name: 'model' })).not.toThrow();
    expect(() => matchFiles({ ...ignoring, ignored: ['su'] }, [...MODEL, extra], { name: 'model' })).toThrow(
      refusal(/was not signed/),
    );
  });

  test('a long list of differences is cut', () => {
    const pair = keyPair();
    const files = Array.from({ length: 9 }, (_, index) => ({ name: `f${index}`, digest: digestOf(`${index}`) }));
    const signed = verifySignature(signManifest({ subject: 'x', files }, pair.private), {
      name: 's',
      keys: [pair.public],
    });
    expect(() => matchFiles(signed, [], { name: 'x' })).toThrow(refusal(/f4 is missing; and 4 more$/));
  });

  test.each<[string, (statement: Statement) => void, RegExp]>([
    ['predicate', (s) => (s.predicateType = 'https://model_signing/Digests/v0.1'), /predicateType: must be/],
    ['statement type', (s) => (s._type = 'https://in-toto.io/Statement/v0.1'), /_type: must be/],
    ['no subject', (s) => (s.subject = []), /subject: must be exactly one/],
    [
      'subject digest',
      (s) => Object.assign(s.subject[0] ?? {}, { digest: { sha256: '0'.repeat(64) } }),
      /contradicts itself/,
    ],
    [
      'algorithm',
      (s) => Object.assign(s.predicate.resources[0] ?? {}, { algorithm: 'md5' }),
      /algorithm: must be sha256/,
    ],
    ['twice', (s) => s.predicate.resources.push(...s.predicate.resources.slice(0, 1)), /lists a file twice/],
    ['climbing', (s) => Object.assign(s.predicate.resources[0] ?? {}, { name: '../x' }), /name: must be a path in/],
    ['absolute', (s) => Object.assign(s.predicate.resources[0] ?? {}, { name: '/etc/x' }), /name: must be a path in/],
    ['no files', (s) => (s.predicate.resources = []), /must name a file/],
  ])('a well-signed statement with a wrong %s is refused', (_what, change, message) => {
    const { text, keys } = statementWith(change);
    expect(() => verifySignature(text, { name: 'model.sig', keys })).toThrow(refusal(message));
  });

  test('what is no bundle of ours is refused with the place', () => {
    const good = JSON.parse(fixture('model.p256.sig'));
    const cases: [unknown, RegExp][] = [
      ['text', /is not valid/],
      [{ ...good, mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.2' }, /mediaType: must be/],
      [{ ...good, verificationMaterial: { certificate: {} } }, /publicKey: is missing/],
      [{ ...good, dsseEnvelope: { ...good.dsseEnvelope, payloadType: 'text/plain' } }, /payloadType: must be/],
      [{ ...good, dsseEnvelope: { ...good.dsseEnvelope, signatures: [] } }, /exactly one signature/],
      [{ ...good, dsseEnvelope: { ...good.dsseEnvelope, payload: '***' } }, /payload/],
    ];
    for (const [value, message] of cases) {
      const against = { name: 'model.sig', keys: [key('p256')] };
      expect(() => verifySignature(JSON.stringify(value), against)).toThrow(refusal(message));
    }
    expect(() => verifySignature('{', { name: 'model.sig', keys: [] })).toThrow(refusal(/is not JSON/));
  });
});
