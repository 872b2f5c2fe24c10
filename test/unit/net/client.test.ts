import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import nock from 'nock';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ProvisionError } from '../../../src/core/errors.ts';
import { createHttp, type HttpClient, type HttpOptions } from '../../../src/net/client.ts';
import { networkFault } from '../../../src/net/errors.ts';
import type { HttpRequest } from '../../../src/net/http.ts';
import { createAuthority, type ServerOptions } from '../../helpers/certificates.ts';
import { never } from '../../helpers/failure.ts';
import { type OriginOptions, PATIENT, startOrigin, testBytes } from '../../helpers/origin.ts';
import { type ProxyOptions, startProxy } from '../../helpers/proxy.ts';

const BYTES = testBytes(200_000);
const open: { close(): Promise<void> }[] = [];

// Its interceptors would look into tunnels and refuse the names in them, which lead to loopback all the same.
beforeAll(() => nock.restore());

afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

function client(options: Partial<HttpOptions> = {}): HttpClient {
  const made = createHttp({ env: {}, ...options });
  open.push(made);
  return made;
}

async function origin(options: Omit<OriginOptions, 'files'> = {}) {
  const started = await startOrigin({ files: { '/m': BYTES }, ...options });
  open.push(started);
  return started;
}

async function proxy(options: ProxyOptions = {}) {
  const started = await startProxy(options);
  open.push(started);
  return started;
}

/** Status and body. */
async function get(using: HttpClient, url: string, over: Partial<HttpRequest> = {}) {
  const reply = await using.http({ method: 'GET', url, signal: never, ...over });
  const chunks: Uint8Array[] = [];
  for await (const chunk of reply.body) chunks.push(chunk);
  return { status: reply.status, body: Buffer.concat(chunks), header: reply.header };
}

describe('requests', () => {
  test('bring bytes as they are, follow nothing, and use their connection again', async () => {
    const server = await origin({ behave: (n) => (n === 2 ? { redirect: '/m' } : {}) });
    const using = client();
    for (let round = 0; round < 2; round += 1) {
      const { status, body, header } = await get(using, `${server.url}/m`);
      expect([status, body.equals(BYTES), header('content-length')]).toEqual([200, true, '200000']);
    }
    expect((await get(using, `${server.url}/m`)).status).toBe(302);
    expect(server.requests.map(({ headers }) => headers['accept-encoding'])).toEqual(Array(3).fill('identity'));
    expect(new Set(server.requests.map(({ connection }) => connection)).size).toBeLessThan(3);
  });

  test.each([
    ['a text', 'hello', 5],
    ['bytes', Buffer.from('hello'), 5],
    ['a stream', chunksOf('hel', 'lo'), 5],
  ])('carry %s', async (_, body, length) => {
    const received: string[] = [];
    const { createServer } = await import('node:http');
    const server = createServer(async (request, response) => {
      let text = '';
      for await (const chunk of request) text += String(chunk);
      received.push(`${request.method} ${request.headers['content-length']} ${text}`);
      response.writeHead(201, { location: '/x', 'x-many': ['a', 'b'] }).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    open.push({ close: () => new Promise((resolve) => server.close(() => resolve())) });
    const address = server.address();
    const using = client();
    const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/`;
    const reply = await using.http({
      method: 'POST',
      url,
      body,
      headers: { 'content-length': String(length) },
      signal: never,
    });
    expect([reply.status, reply.header('location'), reply.header('x-many'), reply.header('none')]).toEqual([
      201,
      '/x',
      'a, b',
      undefined,
    ]);
    await reply.close();
    await using.close();
    expect(received).toEqual(['POST 5 hello']);
  });

  test('keep the words of the system', async () => {
    const server = await origin();
    await server.close();
    await expect(get(client(), `${server.url}/m`)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test.each(['metadata', 'server'] as const)(
    'https on a port for http is told in plain words, kind %s',
    async (kind) => {
      const server = await origin();
      const url = server.url.replace('http:', 'https:');
      const thrown = await get(client(), `${url}/m`, { kind }).catch((reason: unknown) => reason);
      const fault = networkFault(new URL(url), thrown);
      expect(fault.message).toBe(`${url}/: what answers there does not speak TLS, which https needs`);
      expect(fault.suggestions).toEqual(['Check the port, and whether the server expects http:// or https://.']);
    },
  );

  test('fail with the limit that ran out', async () => {
    const server = await origin({ behave: (n) => ({ silent: n === 0 ? 'no-headers' : 100_000 }) });
    const using = client();
    await expect(get(using, `${server.url}/m`, { limits: { answerMs: 100 } })).rejects.toMatchObject({
      name: 'TimeoutError',
    });
    await expect(get(using, `${server.url}/m`, { limits: { silenceMs: 100 } })).rejects.toMatchObject({
      name: 'TimeoutError',
    });
    await expect.poll(() => server.openConnections(), PATIENT).toBe(0);
  });

  test('a reader that takes its time is not the server’s silence', async () => {
    const server = await origin();
    const reply = await client().http({
      method: 'GET',
      url: `${server.url}/m`,
      limits: { silenceMs: 80 },
      signal: never,
    });
    let length = 0;
    for await (const chunk of reply.body) {
      if (length === 0) await new Promise((resolve) => setTimeout(resolve, 250));
      length += chunk.length;
    }
    expect(length).toBe(BYTES.length);
  });

  test('end with the reason of an abort, before, while and after the head of the answer', async () => {
    const server = await origin({ behave: (n) => ({ silent: n === 0 ? 'no-headers' : 1000 }) });
    const using = client();
    const reason = new Error('enough');
    await expect(get(using, `${server.url}/m`, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(server.requests).toHaveLength(0);
    for (let round = 0; round < 2; round += 1) {
      const stop = new AbortController();
      setTimeout(() => stop.abort(reason), 50);
      await expect(get(using, `${server.url}/m`, { signal: stop.signal })).rejects.toBe(reason);
    }
    await expect.poll(() => server.openConnections(), PATIENT).toBe(0);
  });

  test('a reply that is closed ends its connection', async () => {
    const server = await origin({ behave: () => ({ silent: 10_000 }) });
    const reply = await client().http({ method: 'GET', url: `${server.url}/m`, signal: never });
    await reply.close();
    await reply.close();
    await expect.poll(() => server.openConnections(), PATIENT).toBe(0);
  });
});

describe('row 14: certificates', () => {
  const authority = createAuthority();
  const secure = (options?: ServerOptions) => origin({ tls: authority.issue(options) });

  test('of an authority that nobody knows are refused, and the error says how to name it', async () => {
    const server = await secure();
    const error = await faultOf(get(client(), `${server.url}/m`));
    expect(error).toMatchObject({ code: 'network', exitCode: 10 });
    expect(error.message).toContain('signed by an authority that this machine does not trust');
    expect(error.suggestions.join()).toMatch(/--ca FILE.*GEMMA_PROVISION_CA.*NODE_EXTRA_CA_CERTS/);
    expect(server.requests).toHaveLength(0);
  });

  test('of an authority that is named are accepted', async () => {
    const server = await secure();
    expect((await get(client({ ca: authority.cert }), `${server.url}/m`)).body.equals(BYTES)).toBe(true);
  });

  test('for another name are refused', async () => {
    const server = await secure({ names: ['other.example'], addresses: [] });
    const error = await faultOf(get(client({ ca: authority.cert }), `${server.url}/m`));
    expect(error).toMatchObject({ code: 'network', message: expect.stringContaining('is for another name') });
  });

  test.each([
    ['that have expired', { notAfter: new Date(Date.now() - 3_600_000) }, 'has expired'],
    ['that are not valid yet', { notBefore: new Date(Date.now() + 3_600_000) }, 'is not valid yet'],
  ])('%s are refused, and the error names the clock', async (_, dates, why) => {
    const server = await secure(dates);
    const error = await faultOf(get(client({ ca: authority.cert }), `${server.url}/m`));
    expect(error).toMatchObject({ code: 'network', exitCode: 10 });
    expect(error.message).toContain(why);
    expect(error.message).toContain('clock');
  });

  test('NODE_EXTRA_CA_CERTS works by itself', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'http-'));
    const file = join(folder, 'ca.pem');
    await writeFile(file, authority.cert);
    const server = await secure();
    const module = join(import.meta.dirname, '../../../src/net/client.ts');
    const script = `import { createHttp } from ${JSON.stringify(module)};
      const { http, close } = createHttp({ env: {} });
      const { status } = await http({ method: 'GET', url: ${JSON.stringify(`${server.url}/m`)}, signal: new AbortController().signal });
      console.log(status); await close();`;
    try {
      expect(await run(['--input-type=module', '-e', script], { NODE_EXTRA_CA_CERTS: file })).toContain('200');
      expect(await run(['--input-type=module', '-e', script], {})).toContain('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe('row 15: proxies', () => {
  const authority = createAuthority();

  test.each(['HTTPS_PROXY', 'https_proxy'])('%s tunnels to the server', async (name) => {
    const server = await origin({ tls: authority.issue({ names: ['hub.example'] }) });
    const via = await proxy({ target: { host: '127.0.0.1', port: server.port } });
    const using = client({ env: { [name]: via.url }, ca: authority.cert });
    expect((await get(using, 'https://hub.example/m')).body.equals(BYTES)).toBe(true);
    expect(via.requests).toEqual(['CONNECT hub.example:443']);
  });

  test('HTTP_PROXY takes plain requests', async () => {
    const server = await origin();
    const via = await proxy({ target: { host: '127.0.0.1', port: server.port } });
    const using = client({ env: { HTTP_PROXY: via.url } });
    expect((await get(using, 'http://hub.example/m')).body.equals(BYTES)).toBe(true);
    expect(via.requests).toHaveLength(1);
  });

  test('NO_PROXY and loopback are reached without', async () => {
    const server = await origin();
    const via = await proxy();
    const env = { HTTP_PROXY: via.url, NO_PROXY: '.internal.invalid' };
    expect((await get(client({ env }), `${server.url}/m`)).status).toBe(200);
    await expect(get(client({ env }), 'http://x.internal.invalid/m')).rejects.toMatchObject({ syscall: 'getaddrinfo' });
    expect(via.requests).toEqual([]);
  });

  test.each(['http', 'https'])('a proxy that wants a password (%s): 407 is told without it', async (scheme) => {
    const via = await proxy({ credentials: { user: 'me', password: 'right' } });
    const wrong = via.url.replace('//', '//me:plantedSecret@');
    const using = client({ env: { HTTP_PROXY: wrong, HTTPS_PROXY: wrong } });
    const error = await faultOf(get(using, `${scheme}://hub.example/m`));
    expect(error).toMatchObject({ code: 'unauthorised', exitCode: 14 });
    expect(error.message).toContain(`me:…@127.0.0.1:${via.port}`);
    expect(JSON.stringify([error.message, error.suggestions, error.stack, String(error.cause)])).not.toContain(
      'plantedSecret',
    );
  });

  test('a proxy with the right password is used', async () => {
    const server = await origin({ tls: authority.issue({ names: ['hub.example'] }) });
    const credentials = { user: 'me', password: 'r:ght' };
    const via = await proxy({ credentials, target: { host: '127.0.0.1', port: server.port } });
    const env = { HTTPS_PROXY: via.url.replace('//', '//me:r%3Aght@') };
    expect((await get(client({ env, ca: authority.cert }), 'https://hub.example/m')).status).toBe(200);
  });

  test('a proxy that is no address is told', async () => {
    const error = await faultOf(get(client({ env: { HTTP_PROXY: 'http://[' } }), 'http://hub.example/m'));
    expect(error).toMatchObject({ code: 'bad-configuration', exitCode: 2 });
  });
});

async function* chunksOf(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

/** As rooms tell of it. */
async function faultOf(task: Promise<unknown>): Promise<ProvisionError> {
  const outcome = await task.catch((error: unknown) => error);
  if (!(outcome instanceof Error)) throw new Error('nothing failed');
  return networkFault(new URL('https://hub.example/m'), outcome);
}

function run(args: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [...args], { env });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += String(chunk)));
    child.on('close', () => resolve(text));
  });
}
