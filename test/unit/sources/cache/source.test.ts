import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { digestOf } from '../../../../src/core/digest.ts';
import { ProvisionError } from '../../../../src/core/errors.ts';
import { createHttp } from '../../../../src/net/client.ts';
import type { Http } from '../../../../src/net/http.ts';
import { type BytesHere, cachedSource } from '../../../../src/sources/cache/source.ts';
import type { ResolvedSource } from '../../../../src/sources/contract.ts';
import { webSource } from '../../../../src/sources/https.ts';
import { hubSource } from '../../../../src/sources/huggingface/source.ts';
import { resolveSource } from '../../../../src/sources/index.ts';
import { librarySource } from '../../../../src/sources/ollama-library.ts';
import { never } from '../../../helpers/failure.ts';
import { type Hub, type HubRepo, startHub } from '../../../helpers/hub.ts';
import { temporaryFolder } from '../support.ts';
import { CONTENT, DIGEST, run, testCache } from './support.ts';

const COMMIT = 'a'.repeat(40);
const LATER = 'c'.repeat(40);
const FILE = { path: 'q4/gemma-Q4_K_M.gguf', content: CONTENT };
const NEWER = { path: FILE.path, content: Buffer.from('GGUF retrained') };
const REF = 'hf:org/gemma-GGUF/q4/gemma-Q4_K_M.gguf';

/** No name can be looked up any more. */
const DEAD: Http = () =>
  Promise.reject(Object.assign(new Error('getaddrinfo ENOTFOUND hub.example'), { code: 'ENOTFOUND' }));
const credentials = { hubToken: () => Promise.resolve(undefined) };

let folder: string;
let repo: HubRepo;
let hub: Hub;
const ends: (() => Promise<void>)[] = [];

beforeEach(async () => {
  folder = join(await temporaryFolder(), 'cache');
  repo = {
    id: 'org/gemma-GGUF',
    revisions: { main: COMMIT },
    commits: { [COMMIT]: [FILE], [LATER]: [NEWER] },
    cardData: { license: 'gemma' },
  };
  hub = await startHub({ repos: [repo] });
  ends.push(hub.close);
});
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

function open(how: 'online' | 'offline', more: Pick<BytesHere, 'findStored' | 'offline'> = {}) {
  const client = createHttp({ env: {} });
  ends.push(client.close);
  const http = how === 'online' ? client.http : DEAD;
  const origin = new Map([FILE, NEWER].map(({ content }) => [digestOf(content), content]));
  const { cache, fetched } = testCache({ folder, origin });
  const plain = [hubSource({ http, credentials, endpoint: hub.url }), webSource({ http }), librarySource];
  const sources = plain.map((source) => cachedSource(source, { cache, ...more }));
  const resolve = (ref: string, more: object = {}) => resolveSource(sources, { ref, ...more, signal: never });
  const install = async (ref: string, more: object = {}) => {
    const resolved = await resolve(ref, more);
    if (resolved.kind === 'remote') return (await run(cache.fetch(resolved, never))).result;
    return resolved;
  };
  return { cache, fetched, resolve, install };
}

function local(resolved: ResolvedSource) {
  if (resolved.kind !== 'file') throw new Error(`resolved to ${resolved.kind}`);
  return resolved;
}

describe('a reference of which the cache has the bytes', () => {
  test('is a file of this machine, with its name, commit and licence', async () => {
    const { install, resolve } = open('online');
    await install(REF);
    expect(await resolve(REF)).toEqual({
      kind: 'file',
      ref: REF,
      path: join(folder, 'blobs', DIGEST.replace(':', '-')),
      sizeBytes: CONTENT.length,
      digest: DIGEST,
      immutable: true,
      fileName: 'gemma-Q4_K_M.gguf',
      pinnedRef: `hf:org/gemma-GGUF@${COMMIT}/q4/gemma-Q4_K_M.gguf`,
      provenance: { licence: 'gemma' },
    });
  });

  test('with a branch is asked for in two requests, and moves nothing', async () => {
    const { install, fetched } = open('online');
    await install(REF);
    const before = hub.requests.length;
    const text = await readFile(join(folder, 'refs.json'), 'utf8');
    await install(REF);
    expect(hub.requests.length - before).toBe(2);
    expect(fetched).toHaveLength(1);
    expect(await readFile(join(folder, 'refs.json'), 'utf8')).toBe(text);
  });

  test('that came in another way has the name and the address that the reference says', async () => {
    const { cache, resolve } = open('offline');
    const incoming = {
      fileName: 'model.gguf',
      digest: DIGEST,
      sizeBytes: CONTENT.length,
      async *open() {
        yield CONTENT;
      },
      mismatch: (got: string) => new ProvisionError('digest-mismatch', got),
    };
    await run(cache.receive(incoming, never));
    const ref = 'https://models.example.org/gemma-Q4_K_M.gguf';
    expect(await resolve(ref, { expected: { digest: DIGEST } })).toMatchObject({
      kind: 'file',
      ref,
      fileName: 'gemma-Q4_K_M.gguf',
      pinnedRef: `${ref}#${DIGEST}`,
    });
  });

  test('a branch that moved on is fetched again, and the older file stays', async () => {
    const { install, fetched } = open('online');
    await install(REF);
    repo.revisions.main = LATER;
    expect(await install(REF)).toMatchObject({ digest: digestOf(NEWER.content) });
    expect(fetched).toHaveLength(2);
    expect(await readdir(join(folder, 'blobs'))).toHaveLength(2);
    expect(await open('offline').install(`hf:org/gemma-GGUF@${COMMIT}/${FILE.path}`)).toMatchObject({ digest: DIGEST });
  });

  test('access is asked for only when bytes are to be moved', async () => {
    await open('online').install(REF);
    hub.requests.splice(0);
    await open('online').install(REF);
    expect(hub.requests.map(({ line }) => line.split(' ')[0])).toEqual(['GET', 'POST']);
  });
});

describe('row 16: nothing can be reached, and everything is cached', () => {
  test('row 16: a commit, a digest and a web address need no network and no warning', async () => {
    await open('online').install(REF);
    const { resolve } = open('offline');
    const pinned = local(await resolve(`hf:org/gemma-GGUF@${COMMIT}/${FILE.path}`));
    expect(pinned).toMatchObject({ digest: DIGEST, provenance: { licence: 'gemma' } });
    expect(pinned).not.toHaveProperty('warnings');
    const demanded = local(await resolve(REF, { expected: { digest: DIGEST } }));
    expect(demanded).toMatchObject({ digest: DIGEST, ref: REF });
    expect(demanded).not.toHaveProperty('warnings');
    const web = local(
      await resolve('https://me:plantedSecret@models.example.org/a.gguf', { expected: { digest: DIGEST } }),
    );
    expect(web).toMatchObject({ digest: DIGEST, ref: 'https://models.example.org/a.gguf' });
    expect(JSON.stringify(web)).not.toContain('plantedSecret');
  });

  test('row 16: a branch means what it meant last, with a warning that says when', async () => {
    await open('online').install(REF);
    const found = local(await open('offline').resolve(REF));
    expect(found).toMatchObject({
      digest: DIGEST,
      pinnedRef: `hf:org/gemma-GGUF@${COMMIT}/${FILE.path}`,
      warnings: [expect.stringMatching(/ENOTFOUND.*using its state of 2026-05-06: hf:org\/gemma-GGUF@a{40}/s)],
    });
  });

  test('row 16: a repository and the quant’s file name', async () => {
    await open('online').install('hf:org/gemma-GGUF', { fileName: 'gemma-Q4_K_M.gguf' });
    const found = local(await open('offline').resolve('hf:org/gemma-GGUF', { fileName: 'gemma-Q4_K_M.gguf' }));
    expect(found.digest).toBe(DIGEST);
  });

  test('row 16: what is not cached fails as a network fault, at once', async () => {
    await open('online').install(REF);
    const { resolve } = open('offline');
    const fault = { code: 'network', exitCode: 10, message: expect.stringContaining('ENOTFOUND') };
    await expect(resolve('hf:org/gemma-GGUF/other.gguf')).rejects.toMatchObject(fault);
    await expect(resolve(`hf:org/gemma-GGUF@${LATER}/${FILE.path}`)).rejects.toMatchObject(fault);
    await expect(resolve(REF, { expected: { digest: digestOf('else') } })).rejects.toMatchObject(fault);
  });

  test('row 16: a remembered file that is gone or corrupt is not taken', async () => {
    const { path } = local({ kind: 'file', ...(await open('online').install(REF)) } as ResolvedSource);
    await chmod(path, 0o644);
    await writeFile(path, 'x');
    await expect(open('offline').resolve(REF)).rejects.toMatchObject({ code: 'network' });
    expect(await readdir(join(folder, 'blobs'))).toEqual([]);
  });

  test('row 16: a hub that fails today counts as out of reach; one that refuses does not', async () => {
    await open('online').install(REF);
    hub.failNext(1, 500);
    expect(local(await open('online').resolve(REF)).warnings).toHaveLength(1);
    hub.failNext(1, 404, { 'x-error-code': 'RepoNotFound' });
    await expect(open('online').resolve(REF)).rejects.toMatchObject({ code: 'source-not-found' });
  });
});

describe('the memory of references', () => {
  test.each(['', '{', 'null', '{"schemaVersion":2,"refs":[]}', '{"schemaVersion":1,"refs":[{"ref":1}]}'])(
    'a broken file %j counts as empty and is rewritten',
    async (text) => {
      await mkdir(folder);
      await writeFile(join(folder, 'refs.json'), text);
      await open('online').install(REF);
      expect(local(await open('offline').resolve(REF)).digest).toBe(DIGEST);
    },
  );

  test('other kinds of sources are left alone', async () => {
    const { resolve } = open('offline');
    expect(await resolve('ollama:gemma3n:e4b')).toEqual({
      kind: 'library',
      ref: 'ollama:gemma3n:e4b',
      name: 'gemma3n:e4b',
    });
  });
});

describe('bytes that another tool has on this machine', () => {
  const PATH = '/elsewhere/blobs/x';
  const stored: BytesHere['findStored'] = async function* ({ digest, sizeBytes }) {
    if (digest !== DIGEST) return undefined;
    yield { type: 'warning', message: 'a copy is corrupt' };
    return { digest, path: PATH, sizeBytes: sizeBytes ?? CONTENT.length, store: 'LM Studio' };
  };

  test('are used in place of a download, under the reference of the origin and its commit', async () => {
    const { resolve, fetched } = open('online', { findStored: stored });
    expect(await resolve(REF)).toEqual({
      kind: 'file',
      ref: REF,
      pinnedRef: `hf:org/gemma-GGUF@${COMMIT}/${FILE.path}`,
      fileName: 'gemma-Q4_K_M.gguf',
      path: PATH,
      digest: DIGEST,
      sizeBytes: CONTENT.length,
      servedBy: 'LM Studio',
      provenance: { licence: 'gemma' },
      warnings: ['a copy is corrupt'],
    });
    expect(fetched).toEqual([]);
    expect(hub.requests.filter(({ host }) => host === 'storage')).toEqual([]);
  });

  test('are never called immutable: another tool may write to them, so their bytes are verified when they are stored', async () => {
    expect(local(await open('online', { findStored: stored }).resolve(REF)).immutable).toBeUndefined();
  });

  test('come after those of our cache', async () => {
    const { install, resolve } = open('online');
    await install(REF);
    expect(local(await resolve(REF)).path.startsWith(folder)).toBe(true);
    const both = local(await open('online', { findStored: stored }).resolve(REF));
    expect(both).toMatchObject({ immutable: true, path: expect.stringContaining(folder) });
    expect(both.servedBy).toBeUndefined();
  });

  test('need no network where the digest is known', async () => {
    const { resolve } = open('offline', { findStored: stored });
    const found = local(await resolve(REF, { expected: { digest: DIGEST } }));
    expect(found).toMatchObject({ path: PATH, servedBy: 'LM Studio', ref: REF });
    expect(hub.requests).toEqual([]);
  });

  test('a reference that was met before needs none either, without a digest', async () => {
    await open('online', { findStored: stored }).resolve(`hf:org/gemma-GGUF@${COMMIT}/${FILE.path}`);
    const again = await open('offline', { findStored: stored }).resolve(`hf:org/gemma-GGUF@${COMMIT}/${FILE.path}`);
    expect(local(again)).toMatchObject({ path: PATH, digest: DIGEST });
  });
});

describe('--offline', () => {
  const offline = { offline: true };

  test('asks no source, and says what is missing and what would fetch it', async () => {
    const { resolve } = open('online', offline);
    const attempt = resolve(REF, { expected: { digest: DIGEST, sizeBytes: 4 * 1024 ** 3 } });
    await expect(attempt).rejects.toMatchObject({
      code: 'network',
      exitCode: 10,
      message: `${REF} (4.00 GiB, ${DIGEST}) is not on this machine, and nothing may be downloaded (--offline).`,
      suggestions: [
        `Fetch it while there is a network: gemma-provision pull ${REF}`,
        expect.stringContaining('--from'),
        expect.stringContaining('GEMMA_PROVISION_OFFLINE'),
      ],
    });
    expect(hub.requests).toEqual([]);
  });

  test('a password in an address is not repeated', async () => {
    const ref = `https://alice:s3cret-word@example.com/a.gguf#${DIGEST}`;
    await expect(open('online', offline).resolve(ref)).rejects.not.toMatchObject({
      message: expect.stringContaining('s3cret-word'),
    });
  });

  test('what is in the cache is used, and a branch means what it meant last', async () => {
    await open('online').install(REF);
    hub.requests.splice(0);
    const { resolve } = open('online', offline);
    expect(local(await resolve(REF)).warnings).toEqual([
      `${REF} is not asked (--offline); using its state of 2026-05-06: hf:org/gemma-GGUF@${COMMIT}/${FILE.path}`,
    ]);
    expect(local(await resolve(`hf:org/gemma-GGUF@${COMMIT}/${FILE.path}`)).warnings).toBeUndefined();
    expect(hub.requests).toEqual([]);
  });
});
