import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../../src/core/digest.ts';
import { checkPackage, type PackageToCheck, type PackageTrust } from '../../../../src/provision/share/package-trust.ts';
import type { PrivateKey, SeenVersion } from '../../../../src/trust/index.ts';
import { signManifest } from '../../../../src/trust/index.ts';
import { sampleLock } from '../../package/support.ts';
import { keyPair } from '../../trust/support.ts';

const NAME = '/bundles/a.tar';
const ID = 'sample-1b:q4_k_m';
const ours = keyPair('prime256v1', 'ours');
const other = keyPair('secp384r1', 'other');

function contents(version?: number) {
  const lock = sampleLock({ name: ID, ...(version !== undefined && { version }) });
  const digest = digestOf(JSON.stringify(lock));
  const files = [
    { name: 'gemma-provision.lock', digest },
    { name: 'model.gguf', digest: digestOf('bytes') },
  ];
  return { lock, digest, files };
}

function signatureOf(version?: number, key: PrivateKey = ours.private): string {
  return signManifest({ subject: ID, files: contents(version).files }, key);
}

interface Setting extends Partial<PackageTrust>, Partial<Omit<PackageToCheck, 'contents'>> {
  readonly version?: number;
  readonly before?: readonly SeenVersion[];
}

async function check({ version, before = [], name = NAME, signatures = [], mayBeOlder = false, ...trust }: Setting) {
  const [warnings, kept]: [string[], SeenVersion[]] = [[], []];
  const checked = await checkPackage(
    { name, contents: contents(version), signatures, mayBeOlder },
    {
      keys: [ours.public],
      allowUnsigned: false,
      seen: { read: async () => before, keep: async (fresh) => void kept.push(...fresh) },
      warn: (message) => void warnings.push(message),
      ...trust,
    },
  );
  const keptBefore = [...kept];
  await checked.accept();
  return { signedBy: checked.signedBy, warnings, keptBefore, kept };
}

const seenAt = (version: number, key = ours.public.hint, id = ID): SeenVersion => ({
  key,
  id,
  version,
  digest: contents(version).digest,
});
const stale = (message: RegExp) => ({ code: 'stale-catalog', exitCode: 11, message: expect.stringMatching(message) });

describe('row 41: a bundle or published model that must be signed', () => {
  test('by the key: it is taken without a word, and its version is kept when it is installed', async () => {
    expect(await check({ version: 2, signatures: [signatureOf(2)], before: [seenAt(1)] })).toEqual({
      signedBy: 'ours.pub',
      warnings: [],
      keptBefore: [],
      kept: [seenAt(2)],
    });
  });

  test('unsigned is refused, but for --allow-unsigned, which warns', async () => {
    await expect(check({ version: 2 })).rejects.toMatchObject({
      code: 'untrusted',
      exitCode: 11,
      suggestions: expect.arrayContaining([expect.stringContaining('--allow-unsigned')]),
    });
    const { warnings, kept, signedBy } = await check({ version: 2, allowUnsigned: true });
    expect({ warnings, kept, signedBy }).toEqual({
      warnings: [expect.stringContaining('is not signed; --allow-unsigned accepts it')],
      kept: [],
      signedBy: undefined,
    });
  });

  test.each([
    ['by another key', signatureOf(2, other.private), /was not made by ours\.pub/],
    ['over other files', signatureOf(3), /does not match its signature/],
    ['that is not one', '{}', /is not valid/],
  ])('a signature %s is refused, whatever is allowed', async (_, signature, message) => {
    for (const excuse of [{}, { allowUnsigned: true }, { mayBeOlder: true }]) {
      await expect(check({ version: 2, signatures: [signature], ...excuse })).rejects.toMatchObject({
        code: 'untrusted',
        exitCode: 11,
        message: expect.stringMatching(message),
      });
    }
  });

  test('a signature that leaves out a file does not cover the package', async () => {
    const { files } = contents(2);
    const signature = signManifest({ subject: ID, files: files.slice(1) }, ours.private);
    await expect(check({ version: 2, signatures: [signature] })).rejects.toMatchObject({
      code: 'untrusted',
      message: expect.stringMatching(/gemma-provision\.lock was not signed/),
    });
  });

  test('one of several signatures is enough', async () => {
    const signatures = ['{}', signatureOf(2, other.private), signatureOf(2)];
    expect(await check({ version: 2, signatures })).toMatchObject({ signedBy: 'ours.pub', warnings: [] });
  });
});

describe('row 41: an old bundle or published model', () => {
  const signatures = [signatureOf(2)];

  test('an older version than was installed, and none after one, are refused; also unsigned', async () => {
    const before = [seenAt(3)];
    const older = stale(/a\.tar is version 2, but version 3 of sample-1b:q4_k_m was accepted here before/);
    await expect(check({ version: 2, signatures, before })).rejects.toMatchObject(older);
    await expect(check({ version: 2, signatures, before, allowUnsigned: true })).rejects.toMatchObject(older);
    await expect(check({ version: 2, before, allowUnsigned: true })).rejects.toMatchObject(older);
    await expect(check({ signatures: [signatureOf()], before })).rejects.toMatchObject(stale(/has no version, but/));
  });

  test('--force, a digest or a lock file may go back, with a warning; what was kept stays', async () => {
    expect(await check({ version: 2, signatures, before: [seenAt(3)], mayBeOlder: true })).toMatchObject({
      signedBy: 'ours.pub',
      warnings: [expect.stringMatching(/is version 2, but version 3 .*; accepted/)],
      kept: [],
    });
  });

  test('the same one again is taken; other content under its version is refused', async () => {
    expect(await check({ version: 2, signatures, before: [seenAt(2)] })).toMatchObject({ warnings: [], kept: [] });
    const before = [{ ...seenAt(2), digest: digestOf('other') }];
    await expect(check({ version: 2, signatures, before })).rejects.toMatchObject(stale(/with different content/));
  });

  test('versions of another key and of another name do not count', async () => {
    const before = [seenAt(9, other.public.hint), seenAt(9, ours.public.hint, 'else:latest')];
    await expect(check({ version: 2, signatures, before })).resolves.toMatchObject({ warnings: [] });
  });

  test('without a version it is taken with a warning', async () => {
    expect(await check({ signatures: [signatureOf()] })).toMatchObject({
      signedBy: 'ours.pub',
      warnings: [expect.stringContaining('has no version')],
      kept: [],
    });
  });
});

test('without a key, a signature is reported as not verified; nothing is said of an unsigned one', async () => {
  expect(await check({ version: 2, signatures: [signatureOf(2)], keys: [] })).toMatchObject({
    signedBy: undefined,
    warnings: [expect.stringMatching(/is signed, but the signature was not verified/)],
    kept: [],
  });
  expect(await check({ version: 2, keys: [] })).toMatchObject({ warnings: [] });
});
