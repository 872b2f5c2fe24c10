import { afterEach, describe, expect, test } from 'vitest';
import { createHttp, type HttpClient } from '../../../src/net/client.ts';
import type { ResolvedSource } from '../../../src/sources/contract.ts';
import type { AccessToken } from '../../../src/sources/credentials.ts';
import { hubSource } from '../../../src/sources/huggingface/source.ts';
import { resolveSource } from '../../../src/sources/index.ts';
import { never } from '../../helpers/failure.ts';
import { type Hub, type HubOptions, type HubRepo, sha256, startHub } from '../../helpers/hub.ts';
import { OTHER_DIGEST } from './support.ts';

const COMMIT = 'a'.repeat(40);
const OLDER = 'b'.repeat(40);
const Q4 = { path: 'gemma-Q4_K_M.gguf', content: Buffer.from('GGUF four') };
const Q8 = { path: 'gemma-Q8_0.gguf', content: Buffer.from('GGUF eight') };
const README = { path: 'README.md', content: Buffer.from('# read me'), lfs: false };
const SECRET = 'hf_plantedSecretToken123';

const OPEN: HubRepo = {
  id: 'org/gemma-GGUF',
  revisions: { main: COMMIT, v1: OLDER, 'refs/pr/7': OLDER },
  commits: { [COMMIT]: [README, Q4, Q8], [OLDER]: [Q8] },
  cardData: { license: 'other', license_name: 'gemma', base_model: ['google/gemma'], quantized_by: 'org', tags: 1 },
};
const GATED: HubRepo = { ...OPEN, id: 'google/gated', gated: 'manual', cardData: { license: ['gemma'] } };
const PRIVATE: HubRepo = { ...OPEN, id: 'me/private', private: true };

let hub: Hub;
let client: HttpClient;
const ends: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** A token of the stand-in's own, unless it says that it is for another hub. */
type TestToken = Omit<AccessToken, 'origin'> & Partial<AccessToken>;

async function open(options: Partial<HubOptions> = {}, token?: TestToken, endpointOf = (url: string) => url) {
  hub = await startHub({ repos: [OPEN, GATED, PRIVATE], ...options });
  client = createHttp({ env: {} });
  ends.push(hub.close, client.close);
  const credentials = { hubToken: () => Promise.resolve(token && { origin: hub.url, ...token }) };
  const source = hubSource({ http: client.http, credentials, endpoint: endpointOf(hub.url) });
  const resolve = (
    ref: string,
    more: { fileName?: string; expected?: { digest?: `sha256:${string}`; sizeBytes?: number } } = {},
  ) => resolveSource([source], { ref, ...more, signal: never });
  return { source, resolve };
}

function remote(resolved: ResolvedSource) {
  if (resolved.kind !== 'remote') throw new Error(`resolved to ${resolved.kind}`);
  return resolved;
}

describe('a file of the hub', () => {
  test('is pinned to the commit of its branch, with the digest of large-file storage', async () => {
    const { resolve } = await open();
    expect(await resolve('hf:org/gemma-GGUF/gemma-Q4_K_M.gguf')).toEqual({
      kind: 'remote',
      ref: 'hf:org/gemma-GGUF/gemma-Q4_K_M.gguf',
      pinnedRef: `hf:org/gemma-GGUF@${COMMIT}/gemma-Q4_K_M.gguf`,
      fileName: 'gemma-Q4_K_M.gguf',
      sizeBytes: Q4.content.length,
      digest: `sha256:${sha256(Q4.content)}`,
      access: { url: `${hub.url}/org/gemma-GGUF/resolve/${COMMIT}/gemma-Q4_K_M.gguf`, headers: {} },
      provenance: { licence: 'gemma', baseModel: 'google/gemma', quantiser: 'org' },
    });
    expect(hub.requests.map(({ line }) => line.replace(/\?.*/, ''))).toEqual([
      'GET /api/models/org/gemma-GGUF/revision/main',
      `POST /api/models/org/gemma-GGUF/paths-info/${COMMIT}`,
    ]);
  });

  test.each([
    ['hf:org/gemma-GGUF@v1/gemma-Q8_0.gguf', OLDER],
    ['hf:org/gemma-GGUF@refs/pr/7/gemma-Q8_0.gguf', OLDER],
    ['hf:org/gemma-GGUF@refs%2Fpr%2F7/gemma-Q8_0.gguf', OLDER],
    [`hf:org/gemma-GGUF@${OLDER}/gemma-Q8_0.gguf`, OLDER],
    ['hf://org/gemma-GGUF/gemma-Q8_0.gguf', COMMIT],
  ])('%s is the commit that its revision means', async (ref, commit) => {
    const { resolve } = await open();
    expect(remote(await resolve(ref)).pinnedRef).toBe(`hf:org/gemma-GGUF@${commit}/gemma-Q8_0.gguf`);
  });

  test('what it is pinned to resolves to the same again, after the branch moved on', async () => {
    const moving = { ...OPEN, revisions: { ...OPEN.revisions } };
    const { resolve } = await open({ repos: [moving] });
    const first = remote(await resolve('hf:org/gemma-GGUF/gemma-Q4_K_M.gguf'));
    moving.revisions.main = OLDER;
    await expect(resolve('hf:org/gemma-GGUF/gemma-Q4_K_M.gguf')).rejects.toMatchObject({ code: 'source-not-found' });
    const again = remote(await resolve(first.pinnedRef));
    expect(again).toMatchObject({ pinnedRef: first.pinnedRef, digest: first.digest, access: first.access });
  });

  test('the quant’s file is found in a repository, whatever the case of its name', async () => {
    const { resolve } = await open();
    const found = remote(await resolve('hf:org/gemma-GGUF', { fileName: 'Gemma-q8_0.gguf' }));
    expect(found.pinnedRef).toBe(`hf:org/gemma-GGUF@${COMMIT}/gemma-Q8_0.gguf`);
  });

  test('a repository that moved is followed, and asked under its own name', async () => {
    const { resolve } = await open({ moved: { 'old/name': 'org/gemma-GGUF' } });
    const found = remote(await resolve('hf:old/name/gemma-Q4_K_M.gguf'));
    expect(found.digest).toBe(`sha256:${sha256(Q4.content)}`);
  });

  test('a mirror below a path is used for everything', async () => {
    const { resolve } = await open({}, undefined, (url) => `${url}/`);
    expect(remote(await resolve('hf:org/gemma-GGUF/gemma-Q4_K_M.gguf')).access.url).toBe(
      `${hub.url}/org/gemma-GGUF/resolve/${COMMIT}/gemma-Q4_K_M.gguf`,
    );
  });
});

describe('what cannot be taken', () => {
  test('a file that is not there names the nearest', async () => {
    const { resolve } = await open();
    await expect(resolve('hf:org/gemma-GGUF/gemma-Q4_K_S.gguf')).rejects.toMatchObject({
      code: 'source-not-found',
      message: expect.stringContaining('gemma-Q4_K_S.gguf'),
      suggestions: ['Did you mean gemma-Q4_K_M.gguf?', 'It contains: gemma-Q4_K_M.gguf, gemma-Q8_0.gguf.'],
    });
  });

  test('a repository without a file name names what it holds', async () => {
    const { resolve } = await open();
    await expect(resolve('hf:org/gemma-GGUF')).rejects.toMatchObject({
      code: 'bad-usage',
      suggestions: [
        'Name one: hf:org/gemma-GGUF@main/gemma-Q4_K_M.gguf',
        'It contains: gemma-Q4_K_M.gguf, gemma-Q8_0.gguf.',
      ],
    });
  });

  test('a file without a SHA-256 is refused, unless the user says what it must be', async () => {
    const { resolve } = await open();
    await expect(resolve('hf:org/gemma-GGUF/README.md')).rejects.toMatchObject({
      code: 'bad-usage',
      message: expect.stringContaining('no SHA-256 for README.md'),
    });
    const digest = `sha256:${sha256(README.content)}` as const;
    expect(remote(await resolve('hf:org/gemma-GGUF/README.md', { expected: { digest } })).digest).toBe(digest);
  });

  test('another digest or size than expected is refused before a byte is moved', async () => {
    const { resolve } = await open();
    const ref = 'hf:org/gemma-GGUF/gemma-Q4_K_M.gguf';
    await expect(resolve(ref, { expected: { digest: OTHER_DIGEST } })).rejects.toMatchObject({
      code: 'digest-mismatch',
      message: expect.stringMatching(new RegExp(`wanted ${OTHER_DIGEST}[^]*got +sha256:${sha256(Q4.content)}`)),
    });
    await expect(resolve(ref, { expected: { sizeBytes: 5 } })).rejects.toMatchObject({ code: 'digest-mismatch' });
    expect(hub.requests.filter(({ host }) => host === 'storage')).toEqual([]);
  });

  test('a missing revision', async () => {
    const { resolve } = await open();
    await expect(resolve('hf:org/gemma-GGUF@v9/gemma-Q4_K_M.gguf')).rejects.toMatchObject({
      code: 'source-not-found',
      message: expect.stringContaining('org/gemma-GGUF has no revision v9'),
    });
  });

  test.each([
    'hf:',
    'hf:gpt2',
    'hf:org/repo@/a.gguf',
    'hf:org/repo/../a.gguf',
    'hf:org/repo//a.gguf',
    'hf:org/repo/a\u0000.gguf',
    'hf:org/repo@a..b/x.gguf',
    'hf:org/repo@%zz/x.gguf',
    'hf:-org/repo/x.gguf',
    'hf:org/repo:Q4_K_M',
    'hf:org/re po/x.gguf',
  ])('%j is no reference', async (ref) => {
    const { resolve } = await open();
    await expect(resolve(ref)).rejects.toMatchObject({
      code: 'bad-usage',
      suggestions: [
        expect.stringContaining('hf:OWNER/REPO'),
        ...(ref.includes(':Q4') ? [expect.stringContaining('--quant')] : []),
      ],
    });
    expect(hub.requests).toEqual([]);
  });

  test.each(['ftp://hub', 'https://user:pass@hub', 'nonsense'])('HF_ENDPOINT=%s', async (endpoint) => {
    const { resolve } = await open({}, undefined, () => endpoint);
    const attempt = resolve('hf:org/gemma-GGUF/gemma-Q4_K_M.gguf');
    await expect(attempt).rejects.toMatchObject({ code: 'bad-configuration' });
    await expect(attempt).rejects.not.toMatchObject({ message: expect.stringContaining('pass') });
  });

  test('a server that is not a hub', async () => {
    const { resolve } = await open({
      repos: [{ ...OPEN, revisions: { main: 'not a commit' }, commits: { 'not a commit': [] } }],
    });
    await expect(resolve('hf:org/gemma-GGUF/gemma-Q4_K_M.gguf')).rejects.toMatchObject({
      code: 'remote-fault',
      suggestions: [expect.stringContaining('HF_ENDPOINT'), expect.stringContaining('captive portal')],
    });
  });

  test('a web page in place of an answer: a login, a captive portal, a wrong address', async () => {
    const { resolve } = await open();
    hub.answerPage(1);
    await expect(resolve('hf:org/gemma-GGUF/gemma-Q4_K_M.gguf')).rejects.toMatchObject({
      code: 'remote-fault',
      exitCode: 10,
      message: `${hub.url} did not return a valid answer about org/gemma-GGUF, but a web page`,
      suggestions: [
        expect.stringContaining('Check HF_ENDPOINT'),
        expect.stringContaining('a login page, a captive portal or a proxy'),
      ],
    });
  });

  test('a web page with a refusal is not taken for the hub’s own word', async () => {
    const { resolve } = await open();
    hub.failNext(1, 404, { 'content-type': 'text/html' });
    await expect(resolve('hf:org/gemma-GGUF/gemma-Q4_K_M.gguf')).rejects.toMatchObject({
      code: 'remote-fault',
      message: expect.stringContaining('but a web page (HTTP 404)'),
    });
  });

  test('a repository that vanished, at a commit that is known', async () => {
    const { resolve } = await open({ repos: [] });
    await expect(resolve(`hf:org/gemma-GGUF@${COMMIT}/gemma-Q4_K_M.gguf`)).rejects.toMatchObject({
      code: 'source-not-found',
      exitCode: 3,
      message: expect.stringContaining('there is no repository org/gemma-GGUF, or it is private'),
      suggestions: [expect.stringContaining('Check the spelling'), expect.stringContaining('If it is private')],
    });
  });

  test('a commit without the file names what it has', async () => {
    const { resolve } = await open();
    await expect(resolve(`hf:org/gemma-GGUF@${OLDER}/gemma-Q4_K_M.gguf`)).rejects.toMatchObject({
      code: 'source-not-found',
      exitCode: 3,
      message: `hf:org/gemma-GGUF@${OLDER} has no file gemma-Q4_K_M.gguf.`,
      suggestions: expect.arrayContaining(['It contains: gemma-Q8_0.gguf.']),
    });
  });

  test('a size that differs from the catalog’s, with both sizes', async () => {
    const { resolve } = await open();
    const attempt = resolve('hf:org/gemma-GGUF/gemma-Q4_K_M.gguf', { expected: { sizeBytes: 5 } });
    await expect(attempt).rejects.toMatchObject({
      code: 'digest-mismatch',
      exitCode: 11,
      message: expect.stringMatching(/does not have the expected size: it has 9 bytes .*, expected 5/),
      suggestions: ['Check that the reference names the quant that you chose.'],
    });
  });
});

describe('the hub’s answers about a file before its download', () => {
  const lines = () => hub.requests.filter(({ line }) => line.startsWith('HEAD')).map(({ status }) => status);

  test('a renamed repository answers without a digest, its new name with one: both are read, storage is not asked', async () => {
    const { resolve, source } = await open({ moved: { 'old/name': 'org/gemma-GGUF' } });
    await source.requireAccess?.(remote(await resolve('hf:old/name/gemma-Q4_K_M.gguf')), never);
    expect(lines()).toEqual([307, 302]);
    expect(hub.requests.filter(({ host }) => host === 'storage')).toEqual([]);
  });

  test('a gated repository under an old name is refused as under its own', async () => {
    const { resolve, source } = await open({ moved: { 'old/gated': 'google/gated' } });
    const file = remote(await resolve('hf:old/gated/gemma-Q4_K_M.gguf'));
    await expect(source.requireAccess?.(file, never)).rejects.toMatchObject({ code: 'unauthorised' });
  });

  test.each(['digest', 'size'])(
    'another %s than the list of files said is refused before a byte is moved',
    async (what) => {
      const { resolve, source } = await open({ moved: { 'old/name': 'org/gemma-GGUF' } });
      const file = remote(await resolve('hf:old/name/gemma-Q4_K_M.gguf'));
      const changed = what === 'digest' ? { digest: OTHER_DIGEST } : { sizeBytes: 5 };
      await expect(source.requireAccess?.({ ...file, ...changed }, never)).rejects.toMatchObject({
        code: 'digest-mismatch',
        exitCode: 11,
        message: expect.stringContaining(file.ref),
      });
      expect(hub.requests.filter(({ host }) => host === 'storage')).toEqual([]);
    },
  );

  test('a rate limit on files says when to come back', async () => {
    const { resolve, source } = await open();
    const file = remote(await resolve('hf:org/gemma-GGUF/gemma-Q4_K_M.gguf'));
    hub.failNext(1, 429, { ratelimit: '"resolvers";r=0;t=120' });
    await expect(source.requireAccess?.(file, never)).rejects.toMatchObject({
      code: 'remote-fault',
      suggestions: ['Try again in 2 m 0 s.', expect.any(String)],
    });
  });
});

describe('the hub that a token was given for', () => {
  const token = { value: SECRET, from: 'HF_TOKEN', origin: 'https://huggingface.co' };

  test('no other hub and no mirror gets it, and a refusal there says why and how to change it', async () => {
    const { resolve, source } = await open({}, token);
    const file = remote(await resolve('hf:google/gated/gemma-Q4_K_M.gguf'));
    expect(file.access.headers).toEqual({});
    await expect(source.requireAccess?.(file, never)).rejects.toMatchObject({
      code: 'unauthorised',
      suggestions: [
        expect.stringContaining('Accept the licence'),
        `The access token from HF_TOKEN was not sent: it is for https://huggingface.co. If it was given for this hub, set GEMMA_PROVISION_HF_LOGIN_ENDPOINT=${hub.url}`,
      ],
    });
    expect(hub.requests.map(({ authorization }) => authorization)).toEqual(hub.requests.map(() => undefined));
  });

  test('another port of the same host is another origin', async () => {
    const { resolve } = await open({}, { ...token, origin: 'http://127.0.0.1:1' });
    expect(remote(await resolve('hf:org/gemma-GGUF/gemma-Q4_K_M.gguf')).access.headers).toEqual({});
  });
});

describe('row 12: a user without access sees the reason immediately', () => {
  const token = (value: string): TestToken => ({ value, from: 'HF_TOKEN' });

  test('row 12: a gated repository without a token', async () => {
    const { resolve, source } = await open();
    const file = remote(await resolve('hf:google/gated/gemma-Q4_K_M.gguf'));
    const before = hub.requests.length;
    await expect(source.requireAccess?.(file, never)).rejects.toMatchObject({
      code: 'unauthorised',
      exitCode: 14,
      message: expect.stringContaining('google/gated is gated, and no access token was sent'),
      suggestions: [
        `Accept the licence with your account at ${hub.url}/google/gated.`,
        expect.stringContaining('HF_TOKEN'),
      ],
    });
    expect(hub.requests).toHaveLength(before + 1);
  });

  test('row 12: a licence that was not accepted', async () => {
    const { resolve, source } = await open({ tokens: { [SECRET]: [] } }, token(SECRET));
    const file = remote(await resolve('hf:google/gated/gemma-Q4_K_M.gguf'));
    const attempt = source.requireAccess?.(file, never);
    await expect(attempt).rejects.toMatchObject({
      code: 'unauthorised',
      message: expect.stringContaining('the account of the token from HF_TOKEN has no access'),
      suggestions: [expect.stringContaining(`${hub.url}/google/gated`), expect.stringContaining('fine-grained')],
    });
  });

  test('row 12: an accepted licence lets in; the token goes to the hub and never to the storage host', async () => {
    const { resolve, source } = await open({ tokens: { [SECRET]: ['google/gated'] } }, token(SECRET));
    const file = remote(await resolve('hf:google/gated/gemma-Q4_K_M.gguf'));
    await source.requireAccess?.(file, never);
    expect(file.access.headers).toEqual({ authorization: `Bearer ${SECRET}` });
    expect(hub.requests.every(({ host, authorization }) => (authorization !== undefined) === (host === 'hub'))).toBe(
      true,
    );
    expect(hub.requests.map(({ status }) => status)).toEqual([200, 200, 302]);
  });

  test('row 12: an expired and an invalid token', async () => {
    for (const options of [{ expired: [SECRET] }, {}]) {
      const { resolve } = await open({ tokens: {}, ...options }, token(SECRET));
      const error = await resolve('hf:org/gemma-GGUF/gemma-Q4_K_M.gguf').catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        code: 'unauthorised',
        exitCode: 14,
        message: expect.stringContaining('the access token from HF_TOKEN is not valid, or has expired'),
        suggestions: [
          expect.stringContaining('https://huggingface.co/settings/tokens'),
          expect.stringContaining('unset'),
        ],
      });
      expect(JSON.stringify([error, String(error), error instanceof Error ? error.stack : ''])).not.toContain(SECRET);
      expect(hub.requests).toHaveLength(1);
    }
  });

  test('row 12: a token that the server repeats is not shown', async () => {
    const { resolve } = await open({}, token(SECRET));
    hub.failNext(1, 401, { 'x-error-message': `bad token  ${SECRET}` });
    const error = await resolve('hf:org/gemma-GGUF/a.gguf').catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'unauthorised', message: expect.stringContaining('bad token ***') });
    expect(String(error)).not.toContain(SECRET);
  });

  test('a private or missing repository', async () => {
    const without = await open();
    await expect(without.resolve('hf:me/private/gemma-Q4_K_M.gguf')).rejects.toMatchObject({
      code: 'source-not-found',
      message: expect.stringContaining('no access token was sent'),
      suggestions: [expect.stringContaining('spelling'), expect.stringContaining('HF_TOKEN')],
    });
    const member = await open({ tokens: { [SECRET]: ['me/private'] } }, token(SECRET));
    expect(remote(await member.resolve('hf:me/private/gemma-Q4_K_M.gguf')).sizeBytes).toBe(Q4.content.length);
    await expect(member.resolve('hf:org/nothing/x.gguf')).rejects.toMatchObject({ code: 'source-not-found' });
  });

  test('row 11: a rate limit says when to come back, and is not asked again', async () => {
    const { resolve } = await open();
    hub.failNext(1, 429, { ratelimit: '"api";r=0;t=55' });
    await expect(resolve('hf:org/gemma-GGUF/gemma-Q4_K_M.gguf')).rejects.toMatchObject({
      code: 'remote-fault',
      exitCode: 10,
      message: expect.stringContaining('too many requests'),
      suggestions: ['Try again in 55.0 s.', expect.stringContaining('HF_TOKEN')],
    });
    expect(hub.requests).toHaveLength(1);
  });

  test('a hub that fails', async () => {
    const { resolve } = await open();
    hub.failNext(1, 500);
    await expect(resolve('hf:org/gemma-GGUF/gemma-Q4_K_M.gguf')).rejects.toMatchObject({ code: 'remote-fault' });
    await hub.close();
    await expect(resolve('hf:org/gemma-GGUF/gemma-Q4_K_M.gguf')).rejects.toMatchObject({
      code: 'network',
      exitCode: 10,
    });
  });
});
