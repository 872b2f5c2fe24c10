/** The OCI client and source against a registry stand-in on loopback, a good one and bad ones. */

import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, expect, test } from 'vitest';
import { digestOf } from '../../../src/core/digest.ts';
import { drive } from '../../../src/core/progress.ts';
import { realDisk } from '../../../src/disk/disk.ts';
import { createHttp } from '../../../src/net/client.ts';
import type { Http, HttpRequest } from '../../../src/net/http.ts';
import { openDownloader } from '../../../src/sources/download/index.ts';
import { checkRealm, parseChallenges } from '../../../src/sources/oci/challenge.ts';
import { openRepository } from '../../../src/sources/oci/client.ts';
import { createRegistryLogins, type RegistryLogins } from '../../../src/sources/oci/logins.ts';
import { formatOciRef, parseOciRef } from '../../../src/sources/oci/reference.ts';
import type { OciOptions } from '../../../src/sources/oci/session.ts';
import { ociSource } from '../../../src/sources/oci/source.ts';
import { putManifest, type UploadOptions, uploadBlob } from '../../../src/sources/oci/upload.ts';
import { onPath, startDockerRegistry } from '../../helpers/docker-registry.ts';
import { never } from '../../helpers/failure.ts';
import { replyWith } from '../../helpers/http.ts';
import {
  hashOf,
  MANIFEST_TYPE,
  type OciRegistry,
  type OciRegistryOptions,
  startOciRegistry,
} from '../../helpers/oci-registry.ts';
import { testBytes } from '../../helpers/origin.ts';

const LOGIN = { user: 'anna', password: 'hush-hush-hush' };
const NO_LOGINS: RegistryLogins = { find: async () => undefined, helperFor: async () => undefined };
const MODEL = testBytes(3 * 1024 * 1024 + 17);
const WEIGHT = 'application/vnd.cncf.model.weight.v1.raw';
const hasRegistry = onPath('docker-registry') !== undefined && onPath('htpasswd') !== undefined;

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((each) => each.close()));
});

async function registryWith(options: OciRegistryOptions = {}): Promise<OciRegistry> {
  const registry = await startOciRegistry(options);
  opened.push(registry);
  return registry;
}

function optionsFor(change: Partial<OciOptions> = {}): OciOptions & UploadOptions {
  const client = createHttp({ env: {} });
  opened.push(client);
  return { http: client.http, logins: NO_LOGINS, sleep: async () => {}, random: () => 0.5, ...change };
}

function loginsOf(host: string): RegistryLogins {
  return {
    find: async (asked) => (asked === host ? { ...LOGIN, from: 'config.json' } : undefined),
    helperFor: async () => undefined,
  };
}

interface LayerOptions {
  readonly type?: string;
  readonly path?: string;
}

function pushModel(
  registry: OciRegistry,
  bytes: Uint8Array = MODEL,
  { type = WEIGHT, path = 'tiny-q4_k_m.gguf' }: LayerOptions = {},
) {
  const layer = { mediaType: type, ...registry.putBlob(bytes), annotations: { 'org.cncf.model.filepath': path } };
  const config = {
    mediaType: 'application/vnd.cncf.model.config.v1+json',
    ...registry.putBlob(Buffer.from('{"descriptor":{"licenses":["Apache-2.0"]}}')),
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    artifactType: 'application/vnd.cncf.model.manifest.v1+json',
    config,
    layers: [layer],
  };
  return { layer, config, manifest, digest: registry.putManifest('models/tiny', 'v1', manifest) };
}

async function resolve(
  registry: OciRegistry,
  change: Partial<OciOptions> = {},
  ref = 'models/tiny:v1',
  fileName?: string,
) {
  const source = ociSource(optionsFor(change));
  const found = await source.resolve({
    ref: `oci:${registry.host}/${ref}`,
    ...(fileName !== undefined && { fileName }),
    signal: never,
  });
  if (found.kind !== 'remote') throw new Error(`a registry gave a ${found.kind}`);
  return found;
}

const failureOf = (work: Promise<unknown>) =>
  work.then(
    () => Promise.reject(new Error('it did not fail')),
    (error: { code: string; exitCode: number; message: string; suggestions: string[] }) => error,
  );

test.each([
  ['oci:ghcr.io/o/m:v1', 'oci:ghcr.io/o/m:v1'],
  ['oci://Localhost:5000/m', 'oci:localhost:5000/m:latest'],
  [`oci:r.example/a/b__c:v1@sha256:${'a'.repeat(64)}`, `oci:r.example/a/b__c@sha256:${'a'.repeat(64)}`],
  ['oci:[::1]:5000/m:x#a.gguf', 'oci:[::1]:5000/m:x#a.gguf'],
  ['oci:docker.io/gemma', 'oci:docker.io/library/gemma:latest'],
])('%s is read', (typed, full) => {
  expect(formatOciRef(parseOciRef(typed))).toBe(full);
});

test.each([
  'oci:m:v1',
  'oci:models/m:v1',
  'oci:r.example/../x:v1',
  'oci:r.example/A:v1',
  'oci:r.example/a//b:v1',
  'oci:r.example/a:-rf',
  `oci:r.example/a:${'x'.repeat(129)}`,
  `oci:r.example/${'a/'.repeat(200)}b:v1`,
  `oci:r.example/a@sha256:${'A'.repeat(64)}`,
  `oci:r.example/a@sha256-${'a'.repeat(64)}`,
  'oci:r.example/a@sha256:../../etc/passwd',
  'oci:r.example/a:v1#../x.gguf',
  'oci:r.example:99999/a:v1',
  'oci:user:pass@r.example/a:v1',
])('row 39: %s is refused by the parser', (ref) => {
  expect(() => parseOciRef(ref)).toThrow(expect.objectContaining({ code: 'bad-usage', exitCode: 2 }));
  expect(() => parseOciRef(ref)).not.toThrow(/pass@/);
});

test('a tag becomes the digest of its manifest, and the layer the file', async () => {
  const registry = await registryWith();
  const { digest, layer } = pushModel(registry);
  const found = await resolve(registry);
  expect(found).toMatchObject({
    ref: `oci:${registry.host}/models/tiny:v1`,
    pinnedRef: `oci:${registry.host}/models/tiny@${digest}`,
    fileName: 'tiny-q4_k_m.gguf',
    digest: layer.digest,
    sizeBytes: MODEL.length,
    access: { url: `${registry.url}/v2/models/tiny/blobs/${layer.digest}`, headers: {} },
    provenance: { licence: 'Apache-2.0' },
  });
  expect(await resolve(registry, {}, `models/tiny@${digest}`)).toMatchObject({ digest: layer.digest });
});

test.each(['application/vnd.ollama.image.model', 'application/vnd.docker.ai.gguf.v3'])(
  'a layer of %s is a GGUF too',
  async (type) => {
    const registry = await registryWith();
    const { layer } = pushModel(registry, MODEL, { type, path: '../../etc/passwd' });
    expect(await resolve(registry)).toMatchObject({ digest: layer.digest, fileName: 'passwd' });
  },
);

test('of several models the one that is named is taken, and none by a guess', async () => {
  const registry = await registryWith();
  const { manifest, layer } = pushModel(registry);
  const other = {
    ...layer,
    ...registry.putBlob(testBytes(1000, 2)),
    annotations: { 'org.cncf.model.filepath': 'b.gguf' },
  };
  const digest = registry.putManifest('models/tiny', 'two', { ...manifest, layers: [layer, other] });
  expect(await resolve(registry, {}, 'models/tiny:two#b.gguf')).toMatchObject({
    digest: other.digest,
    pinnedRef: `oci:${registry.host}/models/tiny@${digest}#b.gguf`,
  });
  expect(await resolve(registry, {}, 'models/tiny:two', 'tiny-q4_k_m.gguf')).toMatchObject({ digest: layer.digest });
  const failure = await failureOf(resolve(registry, {}, 'models/tiny:two'));
  expect(failure).toMatchObject({ code: 'bad-manifest', exitCode: 16 });
  expect(failure.suggestions.join()).toContain('b.gguf');
  expect(await failureOf(resolve(registry, {}, 'models/tiny:two#c.gguf'))).toMatchObject({ code: 'source-not-found' });
});

test('an index leads to its one model; a signature and an attestation beside it do not count', async () => {
  const registry = await registryWith();
  const { digest, layer, manifest } = pushModel(registry);
  const entry = { mediaType: MANIFEST_TYPE, digest, size: Buffer.byteLength(JSON.stringify(manifest)) };
  const signature = {
    ...entry,
    digest: hashOf(Buffer.from('s')),
    artifactType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
  };
  const attestation = {
    ...entry,
    digest: hashOf(Buffer.from('a')),
    annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
  };
  registry.putManifest(
    'models/tiny',
    'index',
    { schemaVersion: 2, manifests: [signature, attestation, entry] },
    'application/vnd.oci.image.index.v1+json',
  );
  expect(await resolve(registry, {}, 'models/tiny:index')).toMatchObject({ digest: layer.digest });
  registry.putManifest('models/tiny', 'both', { ...manifest, manifests: [entry] });
  expect((await failureOf(resolve(registry, {}, 'models/tiny:both'))).message).toContain(
    'both a manifest and an index',
  );
});

test.each([
  ['weights in a tar', { type: 'application/vnd.cncf.model.weight.v1.tar' }, /packed/],
  ['no model at all', { type: 'application/vnd.oci.image.layer.v1.tar+gzip' }, /no GGUF/],
])('%s is refused', async (_, layer, message) => {
  const registry = await registryWith();
  pushModel(registry, MODEL, layer);
  const failure = await failureOf(resolve(registry));
  expect(failure).toMatchObject({ code: 'bad-manifest', exitCode: 16 });
  expect(failure.message).toMatch(message);
});

test.each([
  ['not JSON', Buffer.from('<html>')],
  [
    'a digest that is a path',
    { config: { mediaType: 'x', digest: 'sha256:../../../etc/passwd', size: 1 }, layers: [] },
  ],
  ['a size beyond 2^53', { config: { mediaType: 'x', digest: hashOf(MODEL), size: 2 ** 60 }, layers: [] }],
  [
    'a thousand layers and one',
    {
      config: { mediaType: 'x', digest: hashOf(MODEL), size: 1 },
      layers: Array.from({ length: 1001 }, () => ({ mediaType: WEIGHT, digest: hashOf(MODEL), size: 1 })),
    },
  ],
])('a manifest that is or has %s is refused', async (_, manifest) => {
  const registry = await registryWith();
  registry.putManifest('models/tiny', 'v1', Buffer.isBuffer(manifest) ? manifest : { schemaVersion: 2, ...manifest });
  expect(await failureOf(resolve(registry))).toMatchObject({ code: 'bad-manifest', exitCode: 16 });
});

test('a manifest of other bytes than its digest says, in the reference or in the answer, is refused', async () => {
  const registry = await registryWith({
    lie(line, response, { manifests }) {
      const right = [...manifests.values()][0];
      if (!line.includes('/manifests/') || right === undefined) return false;
      const told =
        line.endsWith(':v1') || line.endsWith('/v1') ? { 'docker-content-digest': hashOf(Buffer.from('x')) } : {};
      response
        .writeHead(200, { 'content-type': MANIFEST_TYPE, ...told })
        .end(Buffer.concat([right.bytes, Buffer.from(' ')]));
      return true;
    },
  });
  const { digest } = pushModel(registry);
  for (const ref of ['models/tiny:v1', `models/tiny@${digest}`]) {
    const failure = await failureOf(resolve(registry, {}, ref));
    expect(failure).toMatchObject({ code: 'digest-mismatch', exitCode: 11 });
    expect(failure.message).toMatch(/wanted sha256:[0-9a-f]{64}\n {2}got {4}sha256:/);
  }
});

test('a huge manifest is not read: neither one that says so nor one that does not end', async () => {
  let sent = 0;
  const registry = await registryWith({
    lie(line, response) {
      if (!line.includes('/manifests/')) return false;
      if (line.endsWith('told')) response.writeHead(200, { 'content-length': 1e12 }).write('{');
      else {
        response.writeHead(200);
        const more = (): void => {
          while (!response.destroyed && response.write(Buffer.alloc(65_536, 0x20))) sent += 65_536;
          response.once('drain', more);
        };
        more();
      }
      return true;
    },
  });
  expect(await failureOf(resolve(registry, {}, 'models/tiny:told'))).toMatchObject({ code: 'bad-manifest' });
  expect(await failureOf(resolve(registry, {}, 'models/tiny:endless'))).toMatchObject({ code: 'remote-fault' });
  expect(sent).toBeLessThan(32 * 1024 * 1024);
});

test('what is not there says so with the registry’s own words', async () => {
  const registry = await registryWith();
  const failure = await failureOf(resolve(registry, {}, 'models/none:v1'));
  expect(failure).toMatchObject({ code: 'source-not-found', exitCode: 3 });
  expect(failure.message).toContain('MANIFEST_UNKNOWN: manifest unknown');
});

test('a manifest without its model is reported before a byte is moved', async () => {
  const registry = await registryWith();
  const { layer } = pushModel(registry);
  const found = await resolve(registry);
  const source = ociSource(optionsFor());
  await source.requireAccess?.(found, never);
  registry.blobs.delete(layer.digest);
  expect(await failureOf(Promise.resolve(source.requireAccess?.(found, never)))).toMatchObject({
    code: 'source-not-found',
  });
});

test.each(['basic', 'token'] as const)(
  'row 12: %s auth: a login is sent when it is asked for, and a wrong or missing one is explained',
  async (kind) => {
    const registry = await registryWith({ auth: { kind, ...LOGIN } });
    pushModel(registry);
    const found = await resolve(registry, { logins: loginsOf(registry.host) });
    expect(found.access.headers.authorization).toMatch(kind === 'basic' ? /^Basic / : /^Bearer good-token$/);
    expect(registry.requests.find(({ line }) => line.includes('/manifests/'))?.authorization).toBeUndefined();

    const none = await failureOf(
      resolve(registry, { logins: { ...NO_LOGINS, helperFor: async () => 'docker-credential-secretservice' } }),
    );
    expect(none).toMatchObject({ code: 'unauthorised', exitCode: 14 });
    expect(none.suggestions.join()).toMatch(/docker login.*docker-credential-secretservice/s);
    const wrong = {
      find: async () => ({ user: 'anna', password: 'wrong-password', from: 'config.json' }),
      helperFor: async () => undefined,
    };
    const refused = await failureOf(resolve(registry, { logins: wrong }));
    expect(refused).toMatchObject({ code: 'unauthorised' });
    expect(refused.message).toContain('config.json');
    expect(JSON.stringify([none, refused, none.message, refused.message])).not.toMatch(/wrong-password|hush|YW5u/);
  },
);

test('anonymous pulls need no login; the scope is ours, whatever the registry asks for', async () => {
  const registry = await registryWith({ auth: { kind: 'token', ...LOGIN, anonymousPull: true } });
  pushModel(registry);
  expect((await resolve(registry)).access.headers.authorization).toBe('Bearer anonymous');
  const asked = registry.requests.find(({ line }) => line.startsWith('GET /token'));
  expect(asked?.line).toContain(encodeURIComponent('repository:models/tiny:pull'));
  expect(asked?.authorization).toBeUndefined();
});

test.each([
  ['http://127.0.0.1:5000', 'http://127.0.0.1:5000/token', true],
  ['http://127.0.0.1:5000', 'http://127.0.0.1:6000/token', false],
  ['http://127.0.0.1:5000', 'http://127.0.0.1:7000/token', true],
  ['http://127.0.0.1:5000', 'https://127.0.0.1:5000/token', false],
  ['https://registry.example', 'https://registry.example/token', true],
  ['https://registry.example', 'https://registry.example:8443/token', false],
  ['https://registry.example:8443', 'https://registry.example/token', false],
  ['https://registry.example', 'https://auth.registry.example/token', false],
  ['https://registry-1.docker.io', 'https://auth.docker.io/token', true],
  ['https://registry.example', 'https://named.example/token', true],
  ['https://registry.example', 'https://named.example:8443/token', false],
  ['https://registry.example', 'https://evil.example/token', false],
  ['https://registry.example', 'https://registry.example.evil.org/token', false],
  ['https://me.azurecr.io', 'https://you.azurecr.io/token', false],
])('CVE-2025-51471: a password for %s and the realm %s: %s', (registry, realm, trusted) => {
  expect(checkRealm(realm, new URL(registry), ['named.example', '127.0.0.1:7000']).trusted).toBe(trusted);
});

test.each([
  ['https://registry.example', 'http://registry.example/token', 'unsafe-redirect'],
  ['http://127.0.0.1:5000', 'http://example.org/token', 'unsafe-redirect'],
  ['https://registry.example', 'https://169.254.169.254/token', 'unsafe-redirect'],
  ['https://registry.example', 'https://a:b@registry.example/token', 'remote-fault'],
  ['https://registry.example', 'file:///etc/passwd', 'remote-fault'],
  ['https://registry.example', '', 'remote-fault'],
])('row 13: %s may not send us to the realm %s', (registry, realm, code) => {
  expect(() => checkRealm(realm, new URL(registry), [])).toThrow(expect.objectContaining({ code }));
});

test('CVE-2025-51471: a realm on a foreign host gets no password', async () => {
  const thief = await registryWith({ auth: { kind: 'token', ...LOGIN } });
  const registry = await registryWith({
    auth: { kind: 'token', ...LOGIN, realm: `${thief.url.replace('127.0.0.1', 'localhost')}/token` },
  });
  pushModel(registry);
  const failure = await failureOf(resolve(registry, { logins: loginsOf(registry.host) }));
  expect(failure).toMatchObject({ code: 'unsafe-redirect', exitCode: 16 });
  expect(thief.requests.filter(({ authorization }) => authorization !== undefined)).toEqual([]);
});

test('another port of the registry’s host gets no password, unless the user names it', async () => {
  const other = await registryWith({ auth: { kind: 'token', ...LOGIN } });
  const registry = await registryWith({ auth: { kind: 'token', ...LOGIN, realm: `${other.url}/token` } });
  pushModel(registry);
  const login = { logins: loginsOf(registry.host) };
  const failure = await failureOf(resolve(registry, login));
  expect(failure).toMatchObject({ code: 'unauthorised', exitCode: 14 });
  expect(failure.message).toContain(`${other.host}, which is another server, so none was sent`);
  expect(failure.suggestions.join(' ')).toContain(`GEMMA_PROVISION_OCI_REALM=${other.host}`);
  expect(other.requests.filter(({ authorization }) => authorization !== undefined)).toEqual([]);
  await resolve(registry, { ...login, realms: [other.host] });
  expect(other.requests.filter(({ authorization }) => authorization !== undefined)).toHaveLength(1);
});

test('row 13: a token server is judged by its address, and so is where an upload is sent to', async () => {
  const asked: HttpRequest[] = [];
  const realm = 'Bearer realm="https://inside.example/token"';
  const http: Http = async (request) => {
    asked.push(request);
    return { ...replyWith(401, { 'www-authenticate': realm }), reach: 'public' };
  };
  const repository = openRepository(optionsFor({ http }), { host: 'registry.example', repository: 'a/b' });
  await failureOf(repository.manifest('c', never));
  expect(asked.map(({ url, from }) => [new URL(url).host, from])).toEqual([
    ['registry.example', undefined],
    ['inside.example', 'public'],
  ]);
  const uploads: HttpRequest[] = [];
  const location = 'https://storage.example/up';
  const sending: Http = async (request) => {
    uploads.push(request);
    const status = request.method === 'POST' ? 202 : request.method === 'PUT' ? 201 : 404;
    return { ...replyWith(status, { location }), reach: 'private' };
  };
  const options = optionsFor({ http: sending });
  const target = openRepository(options, { host: 'registry.example', repository: 'a/b' }, 'pull,push');
  const bytes = Buffer.from('abc');
  const blob = { digest: digestOf(bytes), size: 3, open: () => Readable.from([bytes]) };
  await drive(uploadBlob(options, target, blob, never), () => {});
  expect(uploads.map(({ method, from }) => [method, from]).at(-1)).toEqual(['PUT', 'private']);
});

test('WWW-Authenticate is read whole or not at all', () => {
  const read = (header: string) =>
    parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);
  expect(read('Bearer realm="https://a/t",service="s, x",scope="repository:a:pull,push"')).toEqual([
    ['bearer', { realm: 'https://a/t', service: 's, x', scope: 'repository:a:pull,push' }],
  ]);
  expect(read('Basic realm="a\\"b", Bearer realm=x')).toEqual([
    ['basic', { realm: 'a"b' }],
    ['bearer', { realm: 'x' }],
  ]);
  for (const odd of [
    '',
    '=',
    'Bearer realm="open',
    'Bearer realm="a",realm="b"',
    'Bearer realm="a" service="b"',
    `Bearer realm="${'x'.repeat(9000)}"`,
    'Bearer realm="a"\r\nX: y',
  ])
    expect(read(odd)).toEqual([]);
});

test('logins: the environment for the one registry that it names, then the files of docker and podman', async () => {
  const auth = Buffer.from('bob:pw:with:colons').toString('base64');
  const files: Record<string, string> = {
    '/home/u/.docker/config.json': JSON.stringify({
      auths: { 'https://r.example': { auth } },
      credHelpers: { 'h.example': 'pass' },
    }),
  };
  const logins = (env: Record<string, string>) =>
    createRegistryLogins({ env, home: '/home/u', readText: async (path) => files[path] });
  expect(await logins({}).find('r.example')).toEqual({
    user: 'bob',
    password: 'pw:with:colons',
    from: '/home/u/.docker/config.json',
  });
  expect(await logins({}).find('other.example')).toBeUndefined();
  expect(await logins({}).helperFor('h.example')).toBe('docker-credential-pass');
  const env = {
    GEMMA_PROVISION_OCI_USERNAME: 'eve',
    GEMMA_PROVISION_OCI_PASSWORD: 'secret-1',
    GEMMA_PROVISION_OCI_REGISTRY: 'other.example',
  };
  expect(await logins(env).find('other.example')).toMatchObject({ user: 'eve' });
  expect(await logins(env).find('third.example')).toBeUndefined();
  const { GEMMA_PROVISION_OCI_REGISTRY: _, ...half } = env;
  expect(await failureOf(logins(half).find('third.example'))).toMatchObject({ code: 'bad-configuration', exitCode: 2 });
  files['/home/u/.docker/config.json'] = '{"auths": {"x": {"auth": "c2VjcmV0"';
  const failure = await failureOf(logins({}).find('r.example'));
  expect(failure).toMatchObject({ code: 'bad-configuration' });
  expect(failure.message).not.toContain('c2VjcmV0');
});

test('a blob is fetched from the storage that the registry sends us to, without the login', async () => {
  const registry = await registryWith({ auth: { kind: 'token', ...LOGIN }, storage: 'elsewhere' });
  pushModel(registry);
  const options = optionsFor({ logins: loginsOf(registry.host) });
  const found = await ociSource(options).resolve({ ref: `oci:${registry.host}/models/tiny:v1`, signal: never });
  if (found.kind !== 'remote') throw new Error('not remote');
  const path = join(await mkdtemp(join(tmpdir(), 'oci-')), 'model');
  await drive(openDownloader(options.http, realDisk).fetch(found, path, never), () => {});
  expect(hashOf(await readFile(path))).toBe(hashOf(MODEL));
  const atStorage = registry.requests.filter(({ host }) => host === 'storage');
  expect(atStorage.length).toBeGreaterThan(0);
  expect(atStorage.filter(({ authorization }) => authorization !== undefined)).toEqual([]);
});

async function push(options: OciOptions & UploadOptions, host: string, bytes: Uint8Array, digest = hashOf(bytes)) {
  const repository = openRepository(options, { host, repository: 'models/up' }, 'pull,push');
  const warnings: string[] = [];
  const blob = {
    digest,
    size: bytes.length,
    async *open() {
      for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000);
    },
  };
  const sent = await drive(uploadBlob(options, repository, blob, never), (event) => {
    if (event.type === 'warning') warnings.push(event.message);
  });
  return { sent, warnings, repository };
}

test('an upload goes up once; what is there is not sent again; a manifest names it', async () => {
  const registry = await registryWith({ auth: { kind: 'token', ...LOGIN } });
  const options = optionsFor({ logins: loginsOf(registry.host) });
  const first = await push(options, registry.host, MODEL);
  expect(first.sent).toBe(MODEL.length);
  expect(hashOf(registry.blobs.get(hashOf(MODEL)) ?? Buffer.of())).toBe(hashOf(MODEL));
  expect((await push(options, registry.host, MODEL)).sent).toBe(0);
  await putManifest(
    options,
    first.repository,
    { bytes: Buffer.from('{}'), mediaType: MANIFEST_TYPE, version: 'v1' },
    never,
  );
  expect(registry.manifests.get('models/up:v1')?.bytes.toString()).toBe('{}');
});

test('a token that runs out in the middle of a publish is replaced', async () => {
  const registry = await registryWith({ auth: { kind: 'token', ...LOGIN, validFor: 3 } });
  const options = optionsFor({ logins: loginsOf(registry.host) });
  const { repository } = await push(options, registry.host, MODEL);
  await putManifest(options, repository, { bytes: Buffer.from('{}'), mediaType: MANIFEST_TYPE, version: 'v1' }, never);
  expect(registry.manifests.get('models/up:v1')?.bytes.toString()).toBe('{}');
  expect(registry.requests.filter(({ line }) => line.startsWith('GET /token')).length).toBe(2);
});

test('a token that runs out in the middle of a download is replaced, and the download goes on where it was', async () => {
  let cuts = 0;
  const registry = await registryWith({
    auth: { kind: 'token', ...LOGIN, validFor: 2 },
    lie(line, response, { blobs }) {
      if (!line.startsWith('GET ') || !line.includes(`/blobs/${hashOf(MODEL)}`) || cuts > 0) return false;
      cuts += 1;
      response.writeHead(200, { 'content-length': MODEL.length, etag: `"${hashOf(MODEL)}"`, 'accept-ranges': 'bytes' });
      response.write(blobs.get(hashOf(MODEL))?.subarray(0, 2 * 1024 * 1024), () =>
        setTimeout(() => response.destroy(), 50),
      );
      return true;
    },
  });
  pushModel(registry);
  const options = optionsFor({ logins: loginsOf(registry.host) });
  const found = await ociSource(options).resolve({ ref: `oci:${registry.host}/models/tiny:v1`, signal: never });
  if (found.kind !== 'remote') throw new Error('not remote');
  const path = join(await mkdtemp(join(tmpdir(), 'oci-')), 'model');
  await drive(openDownloader(options.http, realDisk).fetch(found, path, never), () => {});
  expect(hashOf(await readFile(path))).toBe(hashOf(MODEL));
  expect(cuts).toBe(1);
  expect(registry.requests.filter(({ line }) => line.startsWith('GET /token')).length).toBeGreaterThan(1);
});

test('an upload that is cut is made again', async () => {
  const registry = await registryWith({ cutUploads: 2 });
  const { sent, warnings } = await push(optionsFor(), registry.host, MODEL);
  expect(warnings).toHaveLength(2);
  expect(sent).toBeGreaterThan(MODEL.length);
  expect(registry.blobs.has(hashOf(MODEL))).toBe(true);
});

test('an upload that is always cut ends with a network fault after four tries', async () => {
  const registry = await registryWith({ cutUploads: 100 });
  expect(await failureOf(push(optionsFor(), registry.host, MODEL))).toMatchObject({ code: 'network', exitCode: 10 });
  expect(registry.requests.filter(({ line }) => line.startsWith('PUT ')).length).toBe(4);
  expect(registry.blobs.size).toBe(0);
});

test('bytes that are not what was announced never become a blob', async () => {
  const registry = await registryWith();
  const failure = await failureOf(push(optionsFor(), registry.host, MODEL, hashOf(Buffer.from('other'))));
  expect(failure).toMatchObject({ code: 'digest-mismatch', exitCode: 11 });
  expect(registry.blobs.size).toBe(0);
});

test('row 13: an upload to another host goes without the login', async () => {
  const registry = await registryWith({ auth: { kind: 'token', ...LOGIN }, storage: 'elsewhere' });
  await push(optionsFor({ logins: loginsOf(registry.host) }), registry.host, MODEL);
  const there = registry.requests.filter(({ host }) => host === 'storage');
  expect(there.map(({ line }) => line.slice(0, 4))).toEqual(['PUT ']);
  expect(there[0]?.authorization).toBeUndefined();
  expect(registry.blobs.has(hashOf(MODEL))).toBe(true);
});

test.skipIf(!hasRegistry)(
  'row 5: docker-registry, which needs it on PATH: push with a login, pull, and a partial file as long as the whole or longer',
  async () => {
    const registry = await startDockerRegistry(LOGIN);
    opened.push({ close: () => registry.stop() });
    const options = optionsFor({ logins: loginsOf(registry.host) });
    const { repository, sent } = await push(options, registry.host, MODEL);
    expect(sent).toBe(MODEL.length);
    const config = Buffer.from('{}');
    await push(options, registry.host, config);
    const layer = { mediaType: WEIGHT, digest: hashOf(MODEL), size: MODEL.length };
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MANIFEST_TYPE,
        artifactType: 'application/vnd.cncf.model.manifest.v1+json',
        config: { mediaType: 'application/vnd.cncf.model.config.v1+json', digest: hashOf(config), size: 2 },
        layers: [layer],
      }),
    );
    await putManifest(options, repository, { bytes: manifest, mediaType: MANIFEST_TYPE, version: 'v1' }, never);
    const found = await ociSource(options).resolve({ ref: `oci:${registry.host}/models/up:v1`, signal: never });
    if (found.kind !== 'remote') throw new Error('not remote');
    const folder = await mkdtemp(join(tmpdir(), 'oci-'));
    const { writeFile } = await import('node:fs/promises');
    for (const [name, before] of [
      ['none', undefined],
      ['same', MODEL],
      ['longer', Buffer.concat([MODEL, MODEL])],
    ] as const) {
      const path = join(folder, name);
      if (before !== undefined) await writeFile(path, before);
      const { bytesMoved } = await drive(openDownloader(options.http, realDisk).fetch(found, path, never), () => {});
      expect(hashOf(await readFile(path)), name).toBe(hashOf(MODEL));
      expect(bytesMoved, name).toBe(name === 'same' ? 0 : MODEL.length);
    }
    expect(
      await failureOf(ociSource(optionsFor()).resolve({ ref: `oci:${registry.host}/models/up:v1`, signal: never })),
    ).toMatchObject({ code: 'unauthorised' });
  },
);
