/** The doctor as a process: with nothing there, with something else on the port, with a server. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Home, hasDefaultServer, makeHome, within } from '../../helpers/cli.ts';
import { type FakeOllama, fakeOllama, hang, refuse } from '../../helpers/fake-ollama.ts';
import { serve, type TestServer } from '../../helpers/http-server.ts';

/** Without a named host the default one is tried, so nothing may listen there. */
const IS_TAKEN = await hasDefaultServer();

let home: Home;
beforeAll(() => {
  home = makeHome();
});
afterAll(() => home.remove());

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function ollama(version?: string): Promise<FakeOllama> {
  const server = await fakeOllama(version);
  closers.push(() => server.close());
  return server;
}

async function page(status: number, body: string): Promise<TestServer> {
  const server = await serve((_request, response) =>
    response.writeHead(status, { 'content-type': 'text/html' }).end(body),
  );
  closers.push(() => server.close());
  return server;
}

interface Asked {
  readonly env?: Record<string, string>;
}

async function doctor(args: readonly string[], options: Asked = {}) {
  const { code, ok, data, error } = await home.json('doctor', args, options);
  const byId = new Map(data?.checks.map((check) => [check.id, check]));
  const status = Object.fromEntries(data?.checks.map((check) => [check.id, check.status]) ?? []);
  return { code, ok, data, error, status, of: (id: string) => byId.get(id) };
}

describe('with nothing on the port', () => {
  test.skipIf(IS_TAKEN)('auto falls back, so it is a warning; the embedded runtime is really tried', async () => {
    // Empty counts as unset: a host that is named would be an error.
    const { code, ok, status, of } = await doctor([], { env: { OLLAMA_HOST: '' } });
    expect([code, ok]).toEqual([0, true]);
    expect(status).toMatchObject({
      server: 'warning',
      embedded: 'ok',
      'server-version': 'skipped',
      exposure: 'skipped',
    });
    expect(of('embedded')?.detail).toContain('answers');
  });

  test.each([[['--runtime', 'ollama']], [['--host', '127.0.0.1:1']], [[]]])(
    '%j with OLLAMA_HOST asks for the server: exit 4',
    async (args) => {
      const { code, ok, of } = await doctor(args);
      expect([code, ok]).toEqual([4, false]);
      expect(of('server')).toMatchObject({ status: 'problem', remedy: expect.stringContaining('ollama serve') });
    },
  );

  test('--runtime embedded asks no server', async () => {
    const { code, status } = await doctor(['--runtime', 'embedded']);
    expect(code).toBe(0);
    expect(status).toMatchObject({ server: 'skipped', embedded: 'ok', 'disk-space': 'ok' });
  });

  test('a host that cannot be used is a problem, not a crash', async () => {
    const { code, of } = await doctor([], { env: { OLLAMA_HOST: 'ftp://x' } });
    expect(code).toBe(4);
    expect(of('server')).toMatchObject({
      status: 'problem',
      detail: expect.stringContaining('neither http nor https'),
    });
  });

  test('the table for people', async () => {
    const { code, stdout, stderr } = await home.run(['doctor', '--runtime', 'ollama', '--no-color']);
    expect([code, stderr]).toEqual([4, '']);
    expect(stdout).toMatch(/^✗ server {2,}No Ollama server answers at http:\/\/127\.0\.0\.1:1:/);
    expect(stdout).toMatch(/\n {10,}→ Start Ollama/);
    expect(stdout).toMatch(/\d+ ok, \d+ warnings?, 1 problem, \d+ skipped\n$/);
  });
});

describe('with something else on the port', () => {
  test.each([
    ['a page', 200, '<!doctype html><html><title>Router</title></html>'],
    ['an error page', 404, '<html><body>nginx</body></html>'],
    ['another API', 200, '{"hello": "world"}'],
    ['a long text', 200, 'x'.repeat(100_000)],
  ])('%s', async (_what, status, body) => {
    const server = await page(status, body);
    const found = await doctor(['--host', server.url]);
    expect(found.code).toBe(4);
    expect(found.of('server')).toMatchObject({
      status: 'problem',
      detail: expect.stringMatching(/not (an|answer like an) Ollama server/),
    });
    if (process.platform === 'linux') expect(found.of('server')?.detail).toContain(`(process ${process.pid})`);
  });

  test('a server that never answers ends in its limit', async () => {
    const server = await serve(() => undefined);
    closers.push(() => server.close());
    const { code, status } = await within(30_000, doctor(['--host', server.url]));
    expect(code).toBe(4);
    expect(status.server).toBe('problem');
  });
});

describe('with a server', () => {
  test('in order: exit 0, and no request that changes anything', async () => {
    const server = await ollama();
    const { code, ok, data, status } = await doctor(['gemma-3n-e4b:q5_k_m', '--host', server.host]);
    expect([code, ok, data?.model]).toEqual([0, true, 'gemma-3n-e4b:q5_k_m']);
    expect(status).toMatchObject({ server: 'ok', 'model-support': 'ok', staging: 'ok', clock: 'ok' });
    expect(server.requests.every((request) => request.startsWith('GET '))).toBe(true);
  });

  test('too old for the model: exit 4 with the remedy', async () => {
    const server = await ollama('0.6.5');
    const { code, of } = await doctor(['gemma-3n-e4b'], { env: { OLLAMA_HOST: server.host } });
    expect(code).toBe(4);
    expect(of('model-support')).toMatchObject({ status: 'problem', remedy: expect.stringContaining('0.9.3') });
  });

  test('lists that are nonsense, missing or never come cost their own checks', async () => {
    const server = await ollama();
    server.trick = async (response, path, body) =>
      (await refuse('GET /api/tags', 200, 'no list')(response, path, body)) ||
      refuse('GET /api/ps', 404, '404 page not found')(response, path, body);
    expect((await doctor(['--host', server.host])).status).toMatchObject({
      staging: 'warning',
      'loaded-models': 'warning',
    });
    server.trick = hang('GET /api/ps');
    const { code, status, of } = await doctor(['--host', server.host]);
    expect(code).toBe(0);
    expect(status).toMatchObject({ staging: 'ok', 'loaded-models': 'warning' });
    expect(of('loaded-models')?.detail).toMatch(/no (byte|data|answer)/);
    server.trick = refuse('GET /api/ps', 200, `{"models": ["${'x'.repeat(9 * 1024 ** 2)}"]}`);
    expect((await doctor(['--host', server.host])).of('loaded-models')?.detail).toContain('a reply of more than');
  });

  test('remains of a crashed run and models in memory are named', async () => {
    const server = await ollama();
    const staged = '{"models": [{"name": "gemma-provision-staging:x"}]}';
    server.trick = async (response, path, body) =>
      (await refuse('GET /api/tags', 200, staged)(response, path, body)) ||
      refuse('GET /api/ps', 200, '{"models": [{"name": "big:70b", "size": 1073741824}]}')(response, path, body);
    const { of } = await doctor(['--host', server.host]);
    expect(of('staging')).toMatchObject({ status: 'warning', detail: expect.stringContaining('staging:x') });
    expect(of('loaded-models')?.detail).toContain('big:70b with 1.00 GiB');
  });

  test('a proxy in front of loopback, without its password', async () => {
    const server = await ollama();
    const env = { HTTP_PROXY: 'http://anna:hunter2@proxy.example:3128', OLLAMA_HOST: server.host };
    const { stdout } = await home.run(['doctor', '--json'], { env });
    expect(stdout).toContain('HTTP_PROXY applies to the server');
    expect(stdout).not.toContain('hunter2');
  });
});

describe('settings', () => {
  test('which source won', async () => {
    const server = await ollama();
    const env = { GEMMA_PROVISION_HOST: server.host };
    const won = async (args: readonly string[]) =>
      (await doctor(args, { env })).data?.settings.find(({ id }) => id === 'host');
    expect(await won([])).toEqual({
      id: 'host',
      value: server.host,
      source: 'GEMMA_PROVISION_HOST',
      overruled: ['OLLAMA_HOST'],
    });
    expect(await won(['--host', server.host])).toMatchObject({
      source: '--host',
      overruled: ['GEMMA_PROVISION_HOST', 'OLLAMA_HOST'],
    });
  });

  test('a config.json that ends every other command is a finding here', async () => {
    const other = makeHome();
    try {
      mkdirSync(join(other.path, 'config'));
      writeFileSync(join(other.path, 'config/config.json'), '{"hots": "x"}');
      expect((await other.run(['recommend', 'tiny-gemma-3n'])).code).toBe(2);
      const { code, data } = await other.json('doctor', []);
      expect(code).toBe(4);
      expect(data?.checks.find(({ id }) => id === 'settings')).toMatchObject({
        status: 'problem',
        detail: expect.stringContaining('did you mean host'),
      });
    } finally {
      other.remove();
    }
  });

  test('a catalog file of the user that is wrong, a model that is not there', async () => {
    const file = join(home.path, 'wrong.json');
    writeFileSync(file, '{}');
    const { code, of } = await doctor(['gemma-3n-e4b', '--catalog', file]);
    expect(code).toBe(4);
    expect(of('catalog')).toMatchObject({ status: 'problem' });
    expect(await doctor(['gemma-3n-e4'])).toMatchObject({ code: 3, error: { code: 'model-not-found' } });
  });

  test('a file where our data should be', async () => {
    const other = makeHome();
    try {
      writeFileSync(join(other.path, 'data'), '');
      const { code, data } = await other.json('doctor', ['--runtime', 'embedded']);
      expect(code).toBe(4);
      expect(data?.checks.find(({ id }) => id === 'data-folder')).toMatchObject({ status: 'problem' });
    } finally {
      other.remove();
    }
  });
});
