/** A bundle: the same bytes for the same model, and nothing in it that its digests do not vouch for. */
import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { digestOf } from '../../../src/core/digest.ts';
import { bundleFiles, modelBytes, readBundle } from '../../../src/package/bundle.ts';
import { buildModelPackage, type ModelPackageInput } from '../../../src/package/model-package.ts';
import { readTar, type TarFile, writeTar } from '../../../src/package/tar.ts';
import type { Suite } from '../../../src/smoke/schema.ts';
import { matchFiles, readPrivateKey, readPublicKey, signManifest, verifySignature } from '../../../src/trust/index.ts';
import { collect, memoryFile } from '../../helpers/memory-file.ts';
import { testBytes } from '../../helpers/origin.ts';

const MODEL = testBytes(300_001);
const TEMPLATE = '{{ .Prompt }}';
const LICENCE = 'Apache License';
const SUITE: Suite = {
  schemaVersion: 1,
  id: 's',
  title: 'S',
  checks: [{ id: 'a', level: 'loads', title: 'A', messages: [{ role: 'user', content: 'hi' }], judges: [] }],
};

const INPUT: ModelPackageInput = {
  lock: {
    schemaVersion: 1,
    family: 'tiny',
    model: 'tiny-gemma-3n',
    quant: 'q4_k_m',
    name: 'tiny:q4',
    source: { ref: 'file:tiny.gguf', digest: digestOf(MODEL), sizeBytes: MODEL.length },
    header: { architecture: 'gemma3n' },
    template: { name: 'gemma', digest: digestOf(TEMPLATE) },
    profile: 'card',
    parameters: { temperature: 1 },
    stop: ['<end_of_turn>'],
    licence: { id: 'Apache-2.0', textDigest: digestOf(LICENCE) },
    suite: { id: 's', digest: digestOf(JSON.stringify(SUITE)) },
    catalog: { digest: digestOf('catalog') },
    toolVersion: '0.1.0',
  },
  template: TEMPLATE,
  licence: LICENCE,
  modelfile: 'FROM ./tiny.gguf\n',
  suite: SUITE,
  gguf: { fileName: 'tiny.gguf', digest: digestOf(MODEL), size: MODEL.length },
};

async function* model() {
  yield MODEL;
}

async function bytesOf(
  input: ModelPackageInput = INPUT,
  signature?: string,
  change: (files: TarFile[]) => TarFile[] = (files) => files,
): Promise<Buffer> {
  const files = bundleFiles(buildModelPackage(input), 'tiny:q4', model, signature);
  return await collect(writeTar(change(files)));
}

const failure = (bytes: Uint8Array) =>
  readBundle(memoryFile(bytes)).then(
    () => 'read',
    (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
  );

test('the same model gives the same bytes, and all of it is read again', async () => {
  const bytes = await bytesOf();
  expect(digestOf(await bytesOf())).toBe(digestOf(bytes));
  const bundle = await readBundle(memoryFile(bytes));
  expect(bundle).toMatchObject({
    digest: buildModelPackage(INPUT).manifest.digest,
    lock: INPUT.lock,
    licence: LICENCE,
    suite: SUITE,
    modelfile: INPUT.modelfile,
    gguf: INPUT.gguf,
    spec: {
      templateName: 'gemma',
      template: TEMPLATE,
      profile: 'card',
      parameters: { temperature: 1, stop: ['<end_of_turn>'] },
      license: LICENCE,
    },
  });
  expect(bundle.files.map(({ name }) => name)).toEqual([
    'gemma-provision.lock',
    'Modelfile',
    'template.gotmpl',
    'LICENSE',
    'smoke-suite.json',
    'tiny.gguf',
  ]);
  expect(digestOf(await collect(modelBytes(memoryFile(bytes), bundle.model, 1000)))).toBe(digestOf(MODEL));
});

test('a flipped byte in the middle of any file but the model is found', async () => {
  const bytes = await bytesOf();
  const entries = await readTar(memoryFile(bytes));
  const small = entries.filter(({ size }) => size < MODEL.length && size > 0);
  expect(small.length).toBeGreaterThan(7);
  for (const { name, offset, size } of small) {
    const copy = Buffer.from(bytes);
    const at = offset + Math.floor(size / 2);
    copy[at] = (copy[at] ?? 0) ^ 1;
    expect(await failure(copy), name).toMatch(/^(digest-mismatch|bad-bundle|bad-manifest): /);
  }
});

const without = (part: string) => (files: TarFile[]) => files.filter(({ name }) => !name.includes(part));
const small = (name: string, text: string): TarFile => ({ name, size: text.length, bytes: () => [Buffer.from(text)] });

test.each([
  ['no layout', without('oci-layout'), /not an OCI layout/],
  ['no index', without('index.json'), /not an OCI layout/],
  ['no model', without(digestOf(MODEL).slice(7)), /is missing/],
  ['no licence', without(digestOf(LICENCE).slice(7)), /is missing/],
  [
    'a file that nothing names',
    (files: TarFile[]) => [...files, small(`blobs/sha256/${'a'.repeat(64)}`, 'x')],
    /nothing in it refers to/,
  ],
  ['a file elsewhere', (files: TarFile[]) => [...files, small('run-me.sh', 'x')], /nothing in it refers to/],
  [
    'a layout of another version',
    (files: TarFile[]) =>
      files.map((file) => (file.name === 'oci-layout' ? small('oci-layout', '{"imageLayoutVersion":"2.0.0"}') : file)),
    /unknown version/,
  ],
  [
    'a shorter model',
    (files: TarFile[]) =>
      files.map((file) =>
        file.size === MODEL.length ? { ...file, size: 5, bytes: () => [MODEL.subarray(0, 5)] } : file,
      ),
    /has 5 bytes instead of/,
  ],
])('a bundle with %s is refused', async (_, change, message) => {
  const said = await failure(await bytesOf(INPUT, undefined, change));
  expect(said).toMatch(/^bad-bundle: /);
  expect(said).toMatch(message);
});

test.each([
  ['template', { ...INPUT, template: `${TEMPLATE}!` }],
  ['licence', { ...INPUT, licence: 'public domain' }],
  ['suite', { ...INPUT, suite: { ...SUITE, title: 'other' } }],
  ['model', { ...INPUT, lock: { ...INPUT.lock, source: { ...INPUT.lock.source, digest: digestOf('x') } } }],
])('a bundle whose lock file is of another %s is refused', async (_, input: ModelPackageInput) => {
  expect(await failure(await bytesOf(input))).toMatch(/^bad-bundle: .*is not the one that its lock file names/s);
});

test('row 41: a signature covers every file, also against the right key of somebody else', async () => {
  const pair = () =>
    generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
  const [own, foreign] = [pair(), pair()];
  const files = buildModelPackage(INPUT).files;
  const signature = signManifest({ subject: 'tiny', files }, readPrivateKey(own.privateKey, { name: 'key' }));
  const bundle = await readBundle(memoryFile(await bytesOf(INPUT, signature)));
  expect(bundle.signature).toBe(signature);
  const signed = verifySignature(signature, { name: 'x', keys: [readPublicKey(own.publicKey, 'own')] });
  expect(() => matchFiles(signed, bundle.files, { name: 'x' })).not.toThrow();
  expect(() => verifySignature(signature, { name: 'x', keys: [readPublicKey(foreign.publicKey, 'foreign')] })).toThrow(
    expect.objectContaining({ code: 'untrusted' }),
  );
  const changed = await readBundle(memoryFile(await bytesOf({ ...INPUT, modelfile: 'FROM ./evil.gguf\n' }, signature)));
  expect(() => matchFiles(signed, changed.files, { name: 'x' })).toThrow(
    expect.objectContaining({ code: 'untrusted', exitCode: 11 }),
  );
});
