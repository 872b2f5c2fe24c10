/** The calls around a prompt, against everything that is not the answer of an Ollama server. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { drive } from '../../../../src/core/progress.ts';
import type { LimitChanges } from '../../../../src/net/limits.ts';
import { parseHost } from '../../../../src/runtimes/ollama/host.ts';
import { type OllamaRuntime, ollamaRuntime } from '../../../../src/runtimes/ollama/runtime.ts';
import { failureOf, never } from '../../../helpers/failure.ts';
import { serve, type TestServer } from '../../../helpers/http-server.ts';
import { collect, zeroFile } from '../../../helpers/runtime-fakes.ts';

const NAME = 'm:t';
const messages = [{ role: 'user', content: 'Hello!' }] as const;

let server: TestServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A good server of this version but for one route. */
async function serverWith(route: string, answer: Answer, limits: LimitChanges = {}): Promise<OllamaRuntime> {
  server = await serve((request, response, path) => {
    request.resume();
    if (path === route) answer(request, response);
    else if (path === 'GET /api/version') response.end('{"version":"0.24.0","commit":"x"}');
    else if (path === 'GET /api/ps') response.end(`{"models":[{"name":"${NAME}"}]}`);
    else response.writeHead(404).end('404 page not found');
  });
  return runtimeAt(server.url, limits);
}

function runtimeAt(url: string, limits: LimitChanges = {}): OllamaRuntime {
  return ollamaRuntime({
    host: parseHost(url),
    files: {
      open: zeroFile,
      // biome-ignore lint/correctness/useYield: nothing is hashed here
      async *hash() {
        throw new Error('nothing is hashed here');
      },
    },
    now: () => 0,
    limits,
  });
}

const CALLS = {
  render: ['POST /api/chat', (runtime) => runtime.render?.({ name: NAME, messages }, never)],
  countRaw: ['POST /api/generate', (runtime) => runtime.countRaw?.(NAME, 'a b', never)],
  loaded: ['GET /api/ps', (runtime) => runtime.loaded?.(NAME, never)],
  unload: ['POST /api/generate', (runtime) => runtime.unload?.(NAME, never)],
} as const satisfies Record<string, readonly [string, (runtime: OllamaRuntime) => Promise<unknown> | undefined]>;

const body =
  (status: number, type: string, text: string): Answer =>
  (_request, response) =>
    response.writeHead(status, { 'content-type': type }).end(text);
const page = '<!doctype html><html><body>Sign in \u001b[31m</body></html>';

describe.each(Object.entries(CALLS))('%s', (_call, [route, use]) => {
  test.each([
    ['a page of HTML', body(200, 'text/html', page), 'runtime-not-ollama'],
    ['half of its JSON', body(200, 'application/json', '{"models":[{"na'), 'runtime-not-ollama'],
    ['nothing', body(200, 'application/json', ''), 'runtime-not-ollama'],
    ['more than fits', body(200, 'application/json', `{"x":"${'x'.repeat(33 * 1024 * 1024)}"}`), 'runtime-not-ollama'],
    [
      'an error inside HTTP 200',
      body(200, 'application/json', '{"error":"unable to load model: x"}'),
      'runtime-refused',
    ],
    ['a status', body(500, 'application/json', '{"error":"llama runner process has terminated"}'), 'runtime-died'],
    ['a busy server', body(503, 'application/json', '{"error":"server busy"}'), 'runtime-refused'],
    ['a proxy that wants credentials', body(401, 'text/html', page), 'unauthorised'],
    ['a gateway', body(502, 'text/html', page), 'runtime-refused'],
    ['a broken connection', (request) => request.socket.destroy(), 'runtime-died'],
  ] as const satisfies readonly (readonly [string, Answer, string])[])('%s', async (_, answer, code) => {
    const runtime = await serverWith(route, answer);
    const error = await failureOf(use(runtime));
    expect(error.code).toBe(code);
    expect(error.message).not.toMatch(/\p{Cc}|<html/u);
    expect(error.message.length).toBeLessThan(700);
    expect(error.suggestions.length).toBeGreaterThan(0);
  });

  test('silence', async () => {
    const runtime = await serverWith(route, () => {}, { server: { answerMs: 100 }, chat: { answerMs: 100 } });
    const error = await failureOf(use(runtime));
    expect(error.code).toBe('runtime-timeout');
    expect(error.message).toContain('100 ms');
  });
});

const NAMED = {
  find: (runtime, name) => runtime.find(name, never),
  pull: (runtime, name) => drive(runtime.pull?.(name, never) ?? expect.fail(), () => {}),
  copy: (runtime, name) => runtime.copy(name, NAME, never),
  'copy to': (runtime, name) => runtime.copy(NAME, name, never),
  remove: (runtime, name) => runtime.remove(name, never),
  chat: (runtime, name) => collect(runtime.chat({ name, messages }, never)),
  render: (runtime, name) => runtime.render?.({ name, messages }, never),
  countRaw: (runtime, name) => runtime.countRaw?.(name, 'a', never),
  loaded: (runtime, name) => runtime.loaded?.(name, never),
  unload: (runtime, name) => runtime.unload?.(name, never),
} as const satisfies Record<string, (runtime: OllamaRuntime, name: string) => Promise<unknown> | undefined>;

describe.each(Object.entries(NAMED))('%s', (_call, use) => {
  test.each(['../x', '-rf', 'a'.repeat(300), ''])('sends nothing for the name %j', async (name) => {
    const runtime = await serverWith('', () => {});
    const error = await failureOf(use(runtime, name));
    expect(error.code).toBe('bad-name');
    expect(error.message).toMatch(/model name/);
    expect(server?.requests).toEqual([]);
  });
});

test('fields that nobody knows yet are passed over everywhere', async () => {
  const odd = { future: { a: [1] } };
  const json = (value: object) => `${JSON.stringify({ ...value, ...odd })}\n`;
  const done = { message: { role: 'assistant', content: 'Hi', ...odd }, done: true };
  server = await serve((request, response, path) => {
    request.resume();
    const entry = { name: NAME, digest: 'a'.repeat(64), size: 5, ...odd };
    if (path === 'GET /api/version') response.end(json({ version: '0.24.0' }));
    else if (path === 'GET /api/tags') response.end(json({ models: [entry] }));
    else if (path === 'POST /api/show') response.end(json({ template: 'T', details: { family: 'gemma3n', ...odd } }));
    else response.end(json(done));
  });
  const runtime = runtimeAt(server.url);
  expect((await runtime.identify(never)).version).toBe('0.24.0');
  expect(await runtime.find(NAME, never)).toEqual({
    name: NAME,
    entryDigest: `sha256:${'a'.repeat(64)}`,
    sizeBytes: 5,
    architecture: 'gemma3n',
    template: 'T',
    stop: [],
  });
  expect((await collect(runtime.chat({ name: NAME, messages }, never))).result.text).toBe('Hi');
});
