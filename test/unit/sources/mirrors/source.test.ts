import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { digestOf } from '../../../../src/core/digest.ts';
import { drive } from '../../../../src/core/progress.ts';
import { realDisk } from '../../../../src/disk/disk.ts';
import { createHttp } from '../../../../src/net/client.ts';
import type { Http } from '../../../../src/net/http.ts';
import { cachedSource } from '../../../../src/sources/cache/source.ts';
import type { ResolvedSource } from '../../../../src/sources/contract.ts';
import { openDownloader } from '../../../../src/sources/download/index.ts';
import { hubSource } from '../../../../src/sources/huggingface/source.ts';
import { resolveSource } from '../../../../src/sources/index.ts';
import type { Mirrors } from '../../../../src/sources/mirrors/mapping.ts';
import { mirroredSource } from '../../../../src/sources/mirrors/source.ts';
import { ociSource } from '../../../../src/sources/oci/source.ts';
import { never } from '../../../helpers/failure.ts';
import { type Hub, startHub } from '../../../helpers/hub.ts';
import { startOciRegistry } from '../../../helpers/oci-registry.ts';
import { type Behaviour, startOrigin } from '../../../helpers/origin.ts';
import { testCache } from '../cache/support.ts';
import { OTHER_DIGEST, temporaryFolder } from '../support.ts';

const COMMIT = 'a'.repeat(40);
const CONTENT = Buffer.from('GGUF of a publisher');
const DIGEST = digestOf(CONTENT);
const NAME = 'gemma-Q4_K_M.gguf';
const PINNED = `hf:org/gemma-GGUF@${COMMIT}/${NAME}`;
const BRANCH = `hf:org/gemma-GGUF/${NAME}`;
const SECRET = 'hf_plantedSecretToken123';
const KNOWN = { expected: { digest: DIGEST, sizeBytes: CONTENT.length } };
const PATH = `/gguf/org/gemma-GGUF/${NAME}`;

let hub: Hub;
const ends: (() => Promise<void>)[] = [];
beforeEach(async () => {
  hub = await startHub({
    repos: [
      { id: 'org/gemma-GGUF', revisions: { main: COMMIT }, commits: { [COMMIT]: [{ path: NAME, content: CONTENT }] } },
    ],
    tokens: { [SECRET]: [] },
  });
  ends.push(hub.close);
});
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function mirror(files: Record<string, Buffer>, behave: () => Behaviour = () => ({})) {
  const origin = await startOrigin({ files, behave });
  ends.push(origin.close);
  return origin;
}

function open(mirrors: Mirrors, logins?: { user: string; password: string }) {
  const client = createHttp({ env: {} });
  ends.push(client.close);
  const asked: { url: string; authorization: string | undefined }[] = [];
  const http: Http = (request) => {
    asked.push({ url: request.url, authorization: request.headers?.authorization });
    return client.http(request);
  };
  const login = logins && { ...logins, kind: 'password' as const, from: 'config.json' };
  const oci = {
    http,
    logins: { find: async () => login, helperFor: async () => undefined },
    plainHttp: ['127.0.0.1'],
  };
  const token = { value: SECRET, from: 'HF_TOKEN', origin: hub.url };
  const origin = hubSource({ http, credentials: { hubToken: async () => token }, endpoint: hub.url });
  const sources = [origin, ociSource(oci)].map((source) => mirroredSource(source, { mirrors, http, oci }));
  const resolve = (ref: string, more: object = {}) => resolveSource(sources, { ref, ...more, signal: never });
  return { http, sources, resolve, asked };
}

function remote(resolved: ResolvedSource) {
  if (resolved.kind !== 'remote') throw new Error(`resolved to ${resolved.kind}`);
  return resolved;
}

async function download(http: Http, file: ReturnType<typeof remote>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  const downloader = openDownloader(http, realDisk);
  for await (const piece of downloader.stream(file, never)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

describe('a folder on a web server', () => {
  test('gives the bytes of a commit whose digest is known; the origin is asked nothing, and stays the reference', async () => {
    const { url } = await mirror({ [PATH]: CONTENT });
    const { resolve, http, asked } = open({ 'hf:': `${url}/gguf/` });
    const file = remote(await resolve(PINNED, KNOWN));
    expect(file).toEqual({
      kind: 'remote',
      ref: PINNED,
      pinnedRef: PINNED,
      fileName: NAME,
      sizeBytes: CONTENT.length,
      digest: DIGEST,
      access: { url: `${url}${PATH}`, headers: {} },
      servedBy: `${url}${PATH}`,
    });
    expect(await download(http, file)).toEqual(CONTENT);
    expect(hub.requests).toEqual([]);
    expect(asked.length).toBeGreaterThan(0);
  });

  test('a branch: the origin says what it means now, the mirror gives the bytes, and no token with them', async () => {
    const { url } = await mirror({ [PATH]: CONTENT });
    const { resolve, http, asked } = open({ 'hf:': `${url}/gguf/` });
    const file = remote(await resolve(BRANCH));
    expect(file).toMatchObject({ ref: BRANCH, pinnedRef: PINNED, digest: DIGEST, servedBy: `${url}${PATH}` });
    await download(http, file);
    const sent = (to: string) => asked.filter((each) => each.url.startsWith(to)).map((each) => each.authorization);
    expect(new Set(sent(hub.url))).toEqual(new Set([`Bearer ${SECRET}`]));
    expect(new Set(sent(url))).toEqual(new Set([undefined]));
    expect(hub.requests.filter(({ host }) => host === 'storage')).toEqual([]);
  });

  test('the check of access that a source has is the origin’s: a mirror gets no token by it', async () => {
    const { url } = await mirror({ [PATH]: CONTENT });
    const { sources, asked } = open({ 'hf:': `${url}/gguf/` });
    const folder = join(await temporaryFolder(), 'cache');
    const { cache } = testCache({ folder });
    const cached = sources.map((source) => cachedSource(source, { cache }));
    await resolveSource(cached, { ref: PINNED, ...KNOWN, signal: never });
    expect(asked.filter(({ authorization }) => authorization !== undefined)).toEqual([]);
  });

  test('without a digest and without the origin it is refused, with the reason', async () => {
    const { url } = await mirror({ [PATH]: CONTENT });
    const { resolve, asked } = open({ 'hf:': `${url}/gguf/` });
    await hub.close();
    await expect(resolve(BRANCH)).rejects.toMatchObject({
      code: 'network',
      exitCode: 10,
      message: expect.stringMatching(
        /is not used: a mirror is not trusted without a digest, and the origin.* not reachable/,
      ),
      suggestions: [expect.stringContaining('--digest'), expect.stringContaining('lock file')],
    });
    expect(asked.filter((each) => each.url.startsWith(url))).toEqual([]);
  });

  test('another size is refused before a byte is moved, and other bytes at their end: exit 11, the mirror is named', async () => {
    const other = Buffer.from(CONTENT);
    other[5] = 0;
    const { url, requests } = await mirror({
      [PATH]: Buffer.from('short'),
      '/same/org/gemma-GGUF/gemma-Q4_K_M.gguf': other,
    });
    await expect(open({ 'hf:': `${url}/gguf/` }).resolve(PINNED, KNOWN)).rejects.toMatchObject({
      code: 'digest-mismatch',
      exitCode: 11,
      message: expect.stringContaining(`${url}${PATH}`),
    });
    expect(requests.every(({ method }) => method === 'HEAD')).toBe(true);
    const { resolve, http } = open({ 'hf:': `${url}/same/` });
    const file = remote(await resolve(PINNED, KNOWN));
    const { cache } = testCache({
      folder: join(await temporaryFolder(), 'cache'),
      downloader: openDownloader(http, realDisk),
    });
    await expect(drive(cache.fetch(file, never), () => {})).rejects.toMatchObject({
      code: 'digest-mismatch',
      exitCode: 11,
      message: expect.stringMatching(new RegExp(`${url}[^]*wanted ${DIGEST}`)),
    });
    expect(hub.requests).toEqual([]);
  });

  test('a mirror without the file: the same bytes come from the origin, and that is said', async () => {
    const { url } = await mirror({});
    const { resolve } = open({ 'hf:': `${url}/gguf/` });
    for (const [ref, more] of [
      [PINNED, KNOWN],
      [BRANCH, {}],
    ] as const) {
      const file = remote(await resolve(ref, more));
      expect(file.access.url.startsWith(hub.url)).toBe(true);
      expect(file.servedBy).toBeUndefined();
      expect(file.warnings).toEqual([
        expect.stringMatching(
          /^The mirror .* is not used \(.*there is no such file.*the same bytes come from the origin\.$/,
        ),
      ]);
    }
  });

  test('an origin with other bytes than the digest is no way out', async () => {
    const { url } = await mirror({});
    const { resolve } = open({ 'hf:': `${url}/gguf/` });
    await expect(resolve(PINNED, { expected: { digest: OTHER_DIGEST } })).rejects.toMatchObject({ exitCode: 11 });
  });

  test('where both fail, both are reported', async () => {
    const { url } = await mirror({});
    await hub.close();
    await expect(open({ 'hf:': `${url}/gguf/` }).resolve(PINNED, KNOWN)).rejects.toMatchObject({
      code: 'source-not-found',
      message: expect.stringMatching(/^The mirror failed \(.*no such file.*\), and so did the origin: /),
    });
  });

  test('references of other prefixes are not touched', async () => {
    const { url, requests } = await mirror({});
    const file = remote(await open({ 'hf:else/': `${url}/` }).resolve(PINNED, KNOWN));
    expect(file.servedBy).toBeUndefined();
    expect(requests).toEqual([]);
  });
});

describe('a registry', () => {
  const LOGIN = { user: 'robot', password: 'plantedPassw0rd' };

  test('gives the blob of that digest, with its own login and no token of the origin', async () => {
    const registry = await startOciRegistry({ auth: { kind: 'basic', ...LOGIN } });
    ends.push(registry.close);
    registry.putBlob(CONTENT);
    const { resolve, http, asked } = open({ 'hf:': `oci:${registry.host}/hf/` }, LOGIN);
    const file = remote(await resolve(PINNED, KNOWN));
    expect(file).toMatchObject({
      ref: PINNED,
      pinnedRef: PINNED,
      sizeBytes: CONTENT.length,
      servedBy: `oci:${registry.host}/hf/org/gemma-gguf`,
    });
    expect(await download(http, file)).toEqual(CONTENT);
    expect(registry.requests.some(({ line }) => line.includes(`/v2/hf/org/gemma-gguf/blobs/${DIGEST}`))).toBe(true);
    expect(asked.filter(({ authorization }) => authorization?.includes(SECRET))).toEqual([]);
  });

  test('one without the blob is passed over', async () => {
    const registry = await startOciRegistry({});
    ends.push(registry.close);
    const file = remote(await open({ 'hf:': `oci:${registry.host}/hf/` }).resolve(PINNED, KNOWN));
    expect(file.warnings).toEqual([expect.stringContaining(`does not have ${DIGEST}`)]);
  });
});
