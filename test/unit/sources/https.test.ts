import { createHash } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import type { Digest } from '../../../src/core/digest.ts';
import { createHttp } from '../../../src/net/client.ts';
import { readRemoteHeader } from '../../../src/provision/plan/header.ts';
import type { ResolvedSource } from '../../../src/sources/contract.ts';
import { webSource } from '../../../src/sources/https.ts';
import { resolveSource } from '../../../src/sources/index.ts';
import { never } from '../../helpers/failure.ts';
import { serve } from '../../helpers/http-server.ts';
import { OTHER_DIGEST } from './support.ts';

type Handler = Parameters<typeof serve>[0];

const CONTENT = Buffer.from('GGUF content');
const DIGEST: Digest = `sha256:${createHash('sha256').update(CONTENT).digest('hex')}`;
const SECRET = 'plantedSecret123';

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** HEAD tells the length, GET gives bytes, with ranges. */
const plain: Handler = (request, response) => {
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  const size = CONTENT.length;
  if (range === null) {
    response.writeHead(200, { 'content-length': size }).end(request.method === 'HEAD' ? undefined : CONTENT);
    return;
  }
  const [start, end] = [Number(range[1]), Math.min(Number(range[2]), size - 1)];
  const head = { 'content-range': `bytes ${start}-${end}/${size}`, 'content-length': end - start + 1 };
  response.writeHead(206, head).end(CONTENT.subarray(start, end + 1));
};

async function open(handler: Handler = plain) {
  const server = await serve(handler);
  const client = createHttp({ env: {} });
  ends.push(server.close, client.close);
  const source = webSource({ http: client.http });
  const resolve = (ref: string, expected: { digest?: Digest; sizeBytes?: number } = { digest: DIGEST }) =>
    resolveSource([source], { ref, expected, signal: never });
  return { server, source, resolve, http: client.http };
}

function remote(resolved: ResolvedSource) {
  if (resolved.kind !== 'remote') throw new Error(`resolved to ${resolved.kind}`);
  return resolved;
}

describe('a file on a web server', () => {
  test('is pinned by its address and digest, its size reported by a HEAD', async () => {
    const { server, resolve } = await open();
    const ref = `${server.url}/models/gemma%20q4.gguf?download=true`;
    expect(await resolve(ref)).toEqual({
      kind: 'remote',
      ref,
      pinnedRef: `${ref}#${DIGEST}`,
      fileName: 'gemma q4.gguf',
      sizeBytes: CONTENT.length,
      digest: DIGEST,
      access: { url: ref, headers: {} },
    });
    expect(server.requests).toEqual(['HEAD /models/gemma%20q4.gguf?download=true']);
  });

  test('what it is pinned to resolves without --digest', async () => {
    const { server, resolve } = await open();
    const first = remote(await resolve(`${server.url}/a.gguf`));
    expect(await resolve(first.pinnedRef, {})).toMatchObject({ pinnedRef: first.pinnedRef, digest: DIGEST });
    await expect(resolve(first.pinnedRef, { digest: OTHER_DIGEST })).rejects.toMatchObject({
      code: 'bad-usage',
      message: expect.stringContaining(OTHER_DIGEST),
    });
  });

  test.each<[string, Handler]>([
    [
      '405',
      (request, response, path) =>
        request.method === 'HEAD' ? void response.writeHead(405).end() : plain(request, response, path),
    ],
    [
      '403, as presigned addresses do',
      (request, response, path) =>
        request.method === 'HEAD' ? void response.writeHead(403).end() : plain(request, response, path),
    ],
    [
      'no length',
      (request, response, path) =>
        request.method === 'HEAD' ? void response.writeHead(200).end() : plain(request, response, path),
    ],
  ])('a HEAD answered with %s: the first byte is asked for', async (_, handler) => {
    const { server, resolve } = await open(handler);
    expect(remote(await resolve(`${server.url}/a.gguf`)).sizeBytes).toBe(CONTENT.length);
    expect(server.requests).toEqual(['HEAD /a.gguf', 'GET /a.gguf']);
  });

  test('user and password go into a header, to that server alone, and are shown nowhere', async () => {
    const seen: (string | undefined)[] = [];
    const other = await open((request, response, path) => {
      seen.push(request.headers.authorization);
      plain(request, response, path);
    });
    const { server, resolve } = await open((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(302, { location: `${other.server.url}/real.gguf` }).end();
    });
    const found = remote(await resolve(`${server.url.replace('//', `//me:${SECRET}%21@`)}/a.gguf`));
    const basic = `Basic ${Buffer.from(`me:${SECRET}!`).toString('base64')}`;
    expect(seen).toEqual([basic, undefined]);
    const { access, ...shown } = found;
    expect(access).toEqual({ url: `${server.url}/a.gguf`, headers: { authorization: basic } });
    expect(shown.ref).toBe(`${server.url}/a.gguf`);
    expect(JSON.stringify(shown)).not.toContain(SECRET);
  });

  test('a signature in the address is used, and neither recorded nor shown', async () => {
    const { server, resolve } = await open();
    const ref = `${server.url}/a.gguf?X-Amz-Signature=${SECRET}&versionId=7`;
    const { access, ...shown } = remote(await resolve(ref));
    expect(access.url).toBe(ref);
    expect(server.requests[0]).toContain(SECRET);
    expect(JSON.stringify(shown)).not.toContain(SECRET);
    expect(shown.ref).toContain('versionId=7');
  });

  test('a header is read with the same access', async () => {
    const { server, resolve, http } = await open((request, response, path) => {
      if (request.headers.authorization === undefined) response.writeHead(401).end();
      else plain(request, response, path);
    });
    const { access } = remote(await resolve(`${server.url.replace('//', '//me:word@')}/a.gguf`));
    const options = { headers: access.headers, http };
    // It was reached: what is wrong is the content.
    await expect(readRemoteHeader(access.url, options)).rejects.toMatchObject({ code: 'truncated-file' });
    await expect(readRemoteHeader(access.url, { http })).rejects.toMatchObject({
      code: 'unauthorised',
    });
  });
});

describe('what cannot be taken', () => {
  test('without a digest, saying where to get one', async () => {
    const { server, resolve } = await open();
    await expect(resolve(`${server.url}/a.gguf`, {})).rejects.toMatchObject({
      code: 'bad-usage',
      exitCode: 2,
      suggestions: [expect.stringContaining('--digest sha256:')],
    });
    await expect(
      resolve('https://huggingface.co/org/repo/resolve/main/q4/a.gguf?download=true', {}),
    ).rejects.toMatchObject({
      code: 'bad-usage',
      suggestions: [expect.stringContaining('hf:org/repo@main/q4/a.gguf'), expect.stringContaining('--digest')],
    });
    expect(server.requests).toEqual([]);
  });

  test.each(['https://', 'https:///a.gguf', 'http://exa mple/a.gguf', 'https://example.org/', 'https://example.org'])(
    '%s is no address of a file',
    async (ref) => {
      const { resolve } = await open();
      await expect(resolve(ref)).rejects.toMatchObject({ code: 'bad-usage' });
    },
  );

  test.each<[string, Handler, string]>([
    ['404', (_, response) => void response.writeHead(404).end(), 'source-not-found'],
    ['401', (_, response) => void response.writeHead(401).end(), 'unauthorised'],
    ['500', (_, response) => void response.writeHead(500).end(), 'remote-fault'],
    ['no length at all', (_, response) => void response.writeHead(200).end('x'), 'remote-fault'],
    ['no bytes', (_, response) => void response.writeHead(200, { 'content-length': 0 }).end(), 'remote-fault'],
    [
      'a web page',
      (_, response) => void response.writeHead(200, { 'content-type': 'text/html', 'content-length': 3 }).end('<p>'),
      'remote-fault',
    ],
    [
      'redirects for ever',
      (_, response) => void response.writeHead(302, { location: '/again.gguf' }).end(),
      'remote-fault',
    ],
  ])('%s', async (_, handler, code) => {
    const { server, resolve } = await open(handler);
    await expect(resolve(`${server.url}/a.gguf`)).rejects.toMatchObject({ code });
    expect(server.requests.length).toBeLessThanOrEqual(22);
  });

  test('another size than expected', async () => {
    const { server, resolve } = await open();
    const expected = { digest: DIGEST, sizeBytes: 5 };
    await expect(resolve(`${server.url}/a.gguf`, expected)).rejects.toMatchObject({
      code: 'digest-mismatch',
      message: expect.stringContaining('expected 5'),
    });
  });

  test('plain http to a host that is not private causes a warning', async () => {
    const { source } = await open();
    const dead = webSource({
      http: () =>
        Promise.resolve({
          status: 200,
          header: (name) => (name === 'content-length' ? '5' : undefined),
          body: none(),
          close: () => Promise.resolve(),
        }),
    });
    const request = { expected: { digest: DIGEST }, signal: never };
    expect(await dead.resolve({ ref: 'http://models.example.org/a.gguf', ...request })).toMatchObject({
      warnings: [expect.stringContaining('models.example.org does not use https')],
    });
    for (const host of ['127.0.0.1', 'localhost', '192.168.1.2', '[::1]'])
      expect(await dead.resolve({ ref: `http://${host}/a.gguf`, ...request })).not.toHaveProperty('warnings');
    expect(source.matches('ftp://x')).toBe(false);
  });
});

async function* none(): AsyncGenerator<Uint8Array, void, undefined> {}
