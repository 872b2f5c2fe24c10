/** From one machine to another without a network, and through a registry: with the built command line. */
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { digestOf } from '../../../src/core/digest.ts';
import { type Home, makeHome, Q2 } from '../../helpers/cli.ts';
import { onPath, startDockerRegistry } from '../../helpers/docker-registry.ts';
import { startOciRegistry } from '../../helpers/oci-registry.ts';

const NAME = 'tiny-gemma-3n:q2_k';
const HERE = ['--runtime', 'embedded'];
const INSTALL = [...HERE, '--accept-license'];
const MODEL = digestOf(readFileSync(Q2));
const LOGIN = { user: 'anna', password: 'hush-hush-hush' };

let first: Home;
const homes: Home[] = [];
function anotherHome(): Home {
  const home = makeHome();
  homes.push(home);
  return home;
}

beforeAll(async () => {
  first = anotherHome();
  expect((await first.json('install', [NAME, '--ctx', '300', ...INSTALL])).error.message).toBe('');
}, 120_000);
afterAll(() => {
  for (const home of homes) home.remove();
});

test('a bundle goes to a machine without a network, bit for bit the same each time', { timeout: 120_000 }, async () => {
  const [a, b] = [join(first.path, 'a.tar'), join(first.path, 'b.tar')];
  const created = await first.json('bundle create', [NAME, a, ...HERE]);
  expect(created.error.message).toBe('');
  await first.json('bundle create', [NAME, b, ...HERE]);
  expect(readFileSync(a).equals(readFileSync(b))).toBe(true);
  expect(created.data?.fileDigest).toBe(digestOf(readFileSync(a)));
  expect(created.data?.contents.map(({ name }) => name)).toContain('gemma-provision.lock');

  const second = anotherHome();
  const installed = await second.json('bundle install', [a, ...INSTALL]);
  expect(installed.error.message).toBe('');
  expect(installed.data).toMatchObject({
    digest: created.data?.digest,
    install: { name: NAME, changed: true, source: { digest: MODEL } },
  });
  const again = await second.json('bundle install', [a, ...INSTALL]);
  expect(again.data?.install).toMatchObject({ changed: false, bytesMoved: 0 });
  // A bundle has no source to upgrade from, which is no failure of the others.
  expect(await second.json('upgrade', [NAME])).toMatchObject({ code: 2, error: { code: 'bad-usage' } });
  const upgraded = await second.json('upgrade', []);
  expect(upgraded).toMatchObject({ code: 0, data: { results: [] } });
  expect(upgraded.warnings.join()).toContain('was installed from the bundle');
  const shown = await second.json('show', [NAME]);
  expect(shown.data?.records[0]).toMatchObject({ lock: created.data?.digest, smoke: { failed: 0 } });
  const leftover = readFileSync(a);
  expect(leftover.length).toBe(created.data?.sizeBytes);
});

test('row 51: a bundle with one wrong bit is refused, and nothing is installed', { timeout: 120_000 }, async () => {
  const path = join(first.path, 'flipped.tar');
  await first.json('bundle create', [NAME, path, ...HERE]);
  const bytes = readFileSync(path);
  const at = bytes.length - 100_000;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(path, bytes);
  const second = anotherHome();
  const refused = await second.json('bundle install', [path, ...INSTALL]);
  expect(refused.code).toBe(11);
  expect(refused.error.message).toMatch(/wanted sha256:[0-9a-f]{64}\n {2}got {4}sha256:/);
  expect((await second.json('list', [])).data?.records).toEqual([]);
  expect((await second.json('cache list', [])).data).toMatchObject({ blobs: [], partials: [] });
  // Also where the model is installed already, and by whom only wants to know whether the bundle is good.
  for (const more of [[], ['--dry-run'], ['--name', 'other']]) {
    const checked = await first.json('bundle install', [path, ...more, ...INSTALL]);
    expect(checked).toMatchObject({ code: 11, error: { code: 'digest-mismatch' } });
  }
});

test('row 51: a text is not a bundle, however short it is, and a folder is a slip', { timeout: 60_000 }, async () => {
  const path = join(first.path, 'notes.txt');
  for (const text of ['hello\n', 'hello\n'.repeat(2000)]) {
    writeFileSync(path, text);
    const { code, error } = await first.json('bundle install', [path, ...INSTALL]);
    expect({ code, message: error.message }).toEqual({ code: 16, message: expect.stringContaining('is not a bundle') });
  }
  expect(await first.json('bundle install', [first.path, ...INSTALL])).toMatchObject({ code: 2 });
});

test('row 52: no output file replaces a file of another kind, and no folder is made for it', {
  timeout: 120_000,
}, async () => {
  const [own, nowhere] = [join(first.path, 'precious.txt'), join(first.path, 'nowhere')];
  writeFileSync(own, 'precious');
  const answers = async (path: string) => [
    await first.json('bundle create', [NAME, path, ...HERE]),
    await first.json('lock', [NAME, '--file', path, ...HERE]),
    await first.json('hardware', ['--save', path]),
    await first.json('recommend', ['--html', path, ...HERE]),
  ];
  for (const { code, error } of await answers(own)) {
    expect({ code, message: error.message }).toEqual({
      code: 2,
      message: expect.stringContaining('exists and is not'),
    });
  }
  expect(readFileSync(own, 'utf8')).toBe('precious');
  for (const { code, error } of await answers(join(nowhere, 'file'))) {
    expect({ code, message: error.message }).toEqual({ code: 2, message: expect.stringContaining(nowhere) });
  }
  expect(existsSync(nowhere)).toBe(false);
  expect((await first.json('bundle create', [NAME, own, '--force', ...HERE])).error.message).toBe('');
  expect((await first.json('bundle create', [NAME, own, ...HERE])).error.message).toBe('');
});

function makeKeys(name: string): { secret: string; open: string } {
  const pair = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const [secret, open] = [join(first.path, `${name}.pem`), join(first.path, `${name}.pub`)];
  writeFileSync(secret, pair.privateKey, { mode: 0o600 });
  writeFileSync(open, pair.publicKey);
  return { secret, open };
}

/** Sets the keys that bundles and published models must be signed with. */
function configure(home: Home, ...keys: string[]): void {
  mkdirSync(join(home.path, 'config'), { recursive: true });
  writeFileSync(join(home.path, 'config/config.json'), JSON.stringify({ 'bundle-key': keys }));
}

test('row 41: with a key, an unsigned bundle and one signed by another key are refused', {
  timeout: 120_000,
}, async () => {
  const [own, other] = [makeKeys('own'), makeKeys('other')];
  const [plain, signed] = [join(first.path, 'plain.tar'), join(first.path, 'signed.tar')];
  await first.json('bundle create', [NAME, plain, ...HERE]);
  const created = await first.json('bundle create', [NAME, signed, '--sign', own.secret, ...HERE]);
  expect(created.warnings).toEqual([expect.stringMatching(/without a version/)]);
  const second = anotherHome();
  for (const [file, key] of [
    [plain, own.open],
    [signed, other.open],
  ] as const) {
    const refused = await second.json('bundle install', [file, '--key', key, ...INSTALL]);
    expect(refused.error).toMatchObject({ code: 'untrusted', exitCode: 11 });
  }
  configure(second, other.open);
  expect(await second.json('bundle install', [signed, '--allow-unsigned', ...INSTALL])).toMatchObject({ code: 11 });
  expect((await second.json('list', [])).data?.records).toEqual([]);
  configure(second, own.open);
  expect(await second.json('bundle install', [plain, ...INSTALL])).toMatchObject({ code: 11 });
  expect(await second.json('bundle install', [plain, '--allow-unsigned', '--dry-run', ...INSTALL])).toMatchObject({
    code: 0,
    warnings: [expect.stringMatching(/is not signed/)],
  });
  const good = await second.json('bundle install', [signed, '--dry-run', ...INSTALL]);
  expect(good).toMatchObject({ data: { signedBy: own.open, install: { signedBy: own.open } } });
  expect(good.warnings).toEqual([expect.stringMatching(/has no version/)]);
  expect(await anotherHome().json('bundle install', [signed, '--dry-run', ...INSTALL])).toMatchObject({
    code: 0,
    warnings: [expect.stringMatching(/is signed, but the signature was not verified/)],
  });
});

test('row 41: a signed bundle cannot be replaced by an older one, but with --force', {
  timeout: 120_000,
}, async () => {
  const { secret, open } = makeKeys('versions');
  const bundle = (version: string) => join(first.path, `v${version}.tar`);
  for (const version of ['1', '2']) {
    const marks = ['--sign', secret, '--model-version', version];
    const made = await first.json('bundle create', [NAME, bundle(version), ...marks, ...HERE]);
    expect(made).toMatchObject({ code: 0, warnings: [] });
  }
  const second = anotherHome();
  configure(second, open);
  const install = (version: string, ...more: string[]) =>
    second.json('bundle install', [bundle(version), '--no-smoke', ...more, ...INSTALL]);
  expect(await install('1')).toMatchObject({ code: 0, warnings: [] });
  expect(await install('2', '--dry-run')).toMatchObject({ code: 0, warnings: [] });
  expect(await install('1')).toMatchObject({ code: 0 });
  expect(await install('2')).toMatchObject({ code: 0, warnings: [] });
  expect((await install('1')).error).toMatchObject({ code: 'stale-catalog', exitCode: 11 });
  expect(await install('1', '--force')).toMatchObject({
    code: 0,
    warnings: expect.arrayContaining([expect.stringMatching(/is version 1, but version 2/)]),
  });
  expect((await install('1')).error).toMatchObject({ code: 'stale-catalog' });
});

test.skipIf(onPath('skopeo') === undefined)(
  'skopeo, which needs it on PATH, reads a bundle',
  { timeout: 120_000 },
  async () => {
    const path = join(first.path, 'skopeo.tar');
    const { data } = await first.json('bundle create', [NAME, path, ...HERE]);
    const raw = execFileSync('skopeo', ['inspect', '--raw', `oci-archive:${path}`]);
    expect(digestOf(raw)).toBe(data?.digest);
    execFileSync(
      'skopeo',
      ['--insecure-policy', 'copy', `oci-archive:${path}`, `dir:${join(first.path, 'unpacked')}`],
      { stdio: 'pipe' },
    );
    expect(digestOf(readFileSync(join(first.path, 'unpacked', MODEL.slice('sha256:'.length))))).toBe(MODEL);
  },
);

async function throughRegistry(host: string, env: Record<string, string>): Promise<void> {
  const published = await first.json('publish', [NAME, `${host}/models/tiny:q2`, ...HERE], { env });
  expect(published.error.message).toBe('');
  expect(published.data).toMatchObject({ changed: true, bytesSent: expect.any(Number) });
  expect(published.data?.bytesSent).toBeGreaterThan(readFileSync(Q2).length);
  const again = await first.json('publish', [NAME, `${host}/models/tiny:q2`, ...HERE], { env });
  expect(again.data).toMatchObject({ changed: false, bytesSent: 0, digest: published.data?.digest });

  const second = anotherHome();
  const pulled = await second.json('pull', [`oci:${host}/models/tiny:q2`], { env });
  expect(pulled.error.message).toBe('');
  expect(pulled.data).toMatchObject({
    digest: MODEL,
    pinnedRef: published.data?.pinnedRef,
    bytesMoved: readFileSync(Q2).length,
  });
  expect(digestOf(readFileSync(pulled.data?.path ?? ''))).toBe(MODEL);
  expect((await second.json('pull', [published.data?.pinnedRef ?? ''])).data).toMatchObject({ bytesMoved: 0 });
  const installed = await second.json('install', ['--from', `oci:${host}/models/tiny:q2`, ...INSTALL], { env });
  expect(installed.error.message).toBe('');
  expect(installed.data).toMatchObject({ name: NAME, source: { digest: MODEL } });
  const shown = await second.json('show', [NAME]);
  expect(shown.data?.records[0]).toMatchObject({ lock: published.data?.digest, parameters: { num_ctx: 300 } });
  expect(JSON.stringify([published, pulled, installed])).not.toMatch(/hush|YW5uYT/);
}

const loginFor = (host: string) => ({
  GEMMA_PROVISION_OCI_USERNAME: LOGIN.user,
  GEMMA_PROVISION_OCI_PASSWORD: LOGIN.password,
  GEMMA_PROVISION_OCI_REGISTRY: host,
});

test('publish, pull and install through a registry with a token server', { timeout: 120_000 }, async () => {
  const registry = await startOciRegistry({ auth: { kind: 'token', ...LOGIN }, storage: 'elsewhere', cutUploads: 1 });
  try {
    await throughRegistry(registry.host, loginFor(registry.host));
  } finally {
    await registry.close();
  }
});

test.skipIf(onPath('docker-registry') === undefined || onPath('htpasswd') === undefined)(
  'publish, pull and install through docker-registry, which needs it on PATH',
  { timeout: 120_000 },
  async () => {
    const registry = await startDockerRegistry(LOGIN);
    try {
      await throughRegistry(registry.host, loginFor(registry.host));
    } finally {
      await registry.stop();
    }
  },
);

test.each([
  ['that lists referrers', { referrersPerPage: 100 }],
  ['that has no list of referrers', {}],
])(
  'row 41: a signed model of a registry %s is verified before its bytes are fetched',
  {
    timeout: 240_000,
  },
  async (_, options) => {
    const registry = await startOciRegistry(options);
    try {
      const [own, other] = [makeKeys('publisher'), makeKeys('stranger')];
      const [repository, from] = ['models/tiny', `oci:${registry.host}/models/tiny:q2`];
      const publish = (...more: string[]) =>
        first.json('publish', [NAME, `${registry.host}/${repository}:q2`, ...more, ...HERE]);
      const modelAsked = () => registry.requests.some(({ line }) => line.startsWith('GET') && line.includes(MODEL));
      const marks = (version: string) => ['--sign', own.secret, '--model-version', version];
      const unsigned = await publish();
      const second = anotherHome();
      const install = (...more: string[]) =>
        second.json('install', ['--from', from, '--no-smoke', ...more, ...INSTALL]);
      expect((await install('--key', own.open)).error).toMatchObject({ code: 'untrusted', exitCode: 11 });

      const one = await publish(...marks('1'));
      expect(one).toMatchObject({ code: 0, warnings: [], data: { changed: true, signedBy: expect.any(String) } });
      expect((await publish(...marks('1'))).data).toMatchObject({ changed: false, bytesSent: 0 });
      for (const more of [[], ['--allow-unsigned']])
        expect((await install('--key', other.open, ...more)).error).toMatchObject({ code: 'untrusted', exitCode: 11 });
      expect(modelAsked()).toBe(false);

      configure(second, own.open);
      expect(await install()).toMatchObject({ code: 0, warnings: [], data: { signedBy: own.open, changed: true } });
      expect(modelAsked()).toBe(true);
      await publish(...marks('2'));
      expect(await install()).toMatchObject({ code: 0, warnings: [], data: { signedBy: own.open } });

      // The registry, or who may write to it, puts the old one back, then one that is not signed.
      const tag = (digest: string | undefined) => {
        const manifest = registry.manifests.get(`${repository}@${digest}`);
        if (manifest !== undefined) registry.manifests.set(`${repository}:q2`, manifest);
      };
      tag(one.data?.digest);
      expect((await install()).error).toMatchObject({ code: 'stale-catalog', exitCode: 11 });
      const upgraded = await second.json('upgrade', [NAME, '--no-smoke', ...INSTALL]);
      expect(upgraded.error).toMatchObject({ code: 'stale-catalog', exitCode: 11 });
      const pinned = ['--from', one.data?.pinnedRef ?? '', '--no-smoke', ...INSTALL];
      expect(await second.json('install', pinned)).toMatchObject({
        code: 0,
        warnings: expect.arrayContaining([expect.stringMatching(/is version 1, but version 2/)]),
      });
      tag(unsigned.data?.digest);
      expect((await second.json('upgrade', [NAME, '--no-smoke', ...INSTALL])).error).toMatchObject({
        code: 'untrusted',
      });
      expect(await install('--allow-unsigned')).toMatchObject({
        code: 0,
        warnings: expect.arrayContaining([expect.stringMatching(/is not signed/)]),
      });
      // A lock file pins every byte; a key that is given beside it is asked all the same.
      const lock = join(second.path, 'tiny.lock');
      expect((await second.json('lock', [NAME, '--from', from, '--file', lock, ...HERE])).error.message).toBe('');
      const frozen = ['--frozen', '--lock', lock, '--no-smoke', '--dry-run', ...INSTALL];
      expect(await second.json('install', frozen)).toMatchObject({ code: 0, warnings: [] });
      expect((await second.json('install', [...frozen, '--key', own.open])).error).toMatchObject({ code: 'untrusted' });
    } finally {
      await registry.close();
    }
    const away = await anotherHome().json('install', ['--key', 'x.pub', NAME, ...INSTALL]);
    expect(away.error).toMatchObject({ code: 'bad-usage', exitCode: 2 });
  },
);
