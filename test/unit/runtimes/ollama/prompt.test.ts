import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from 'vitest';
import type { Message } from '../../../../src/runtimes/contract.ts';
import { parseHost } from '../../../../src/runtimes/ollama/host.ts';
import { messagesFor } from '../../../../src/runtimes/ollama/messages.ts';
import { type OllamaRuntime, ollamaRuntime } from '../../../../src/runtimes/ollama/runtime.ts';
import { never } from '../../../helpers/failure.ts';
import { serve, type TestServer } from '../../../helpers/http-server.ts';
import { collect, zeroFile } from '../../../helpers/runtime-fakes.ts';

const messages: Message[] = [{ role: 'user', content: 'Hello!' }];

let server: TestServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

type Replies = Readonly<Record<string, { readonly status?: number; readonly body: unknown }>>;

/** A server of this version that answers these routes and no others. */
async function serverOf(version: string, replies: Replies) {
  const bodies: unknown[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse, path: string) => {
    const sent = await text(request);
    if (path === 'GET /api/version') return response.end(JSON.stringify({ version }));
    const reply = replies[path];
    if (reply === undefined) return response.writeHead(404).end('404 page not found');
    bodies.push(JSON.parse(sent || 'null'));
    response.writeHead(reply.status ?? 200, { 'content-type': 'application/json' });
    return response.end(`${JSON.stringify(reply.body)}\n`);
  };
  server = await serve((request, response, path) => {
    void answer(request, response, path).catch(() => response.destroy());
  });
  const runtime = ollamaRuntime({
    host: parseHost(server.url),
    files: {
      open: zeroFile,
      // biome-ignore lint/correctness/useYield: nothing is hashed here
      async *hash() {
        throw new Error('nothing is hashed here');
      },
    },
    now: () => 0,
  });
  return { runtime, bodies, requests: server.requests };
}

const answered = { message: { role: 'assistant', content: 'Hi' }, done: true, done_reason: 'length' };
const render = (runtime: OllamaRuntime) => runtime.render?.({ name: 'm:t', messages }, never) ?? expect.fail();
const count = (runtime: OllamaRuntime) => runtime.countRaw?.('m:t', 'a b', never) ?? expect.fail();

describe('render', () => {
  test.each(['0.0.0', 'built here', '9.9.9', '0.11.5'])('asks a server of version %s', async (version) => {
    const reply = { ...answered, _debug_info: { rendered_template: '<bos>x', image_count: 0, other: 1 } };
    const { runtime, bodies } = await serverOf(version, { 'POST /api/chat': { body: reply } });
    expect(await render(runtime)).toEqual({ text: '<bos>x' });
    expect(bodies).toEqual([
      { model: 'm:t', messages, think: false, stream: false, _debug_render_only: true, options: { num_predict: 1 } },
    ]);
  });

  test.each(['0.0.0', '9.9.9', '0.24.0'])('does not take the answer of %s for a prompt', async (version) => {
    const { runtime, requests } = await serverOf(version, { 'POST /api/chat': { body: answered } });
    expect(await render(runtime)).toBeUndefined();
    expect(requests).toContain('POST /api/chat');
  });

  test.each(['0.1.34', '0.11.4', '0.5.13-custom'])('spares %s the question', async (version) => {
    const { runtime, requests } = await serverOf(version, { 'POST /api/chat': { body: answered } });
    expect(await render(runtime)).toBeUndefined();
    expect(requests).toEqual(['GET /api/version']);
  });

  test('an empty prompt is an answer', async () => {
    const reply = { _debug_info: { rendered_template: '' } };
    const { runtime } = await serverOf('0.24.0', { 'POST /api/chat': { body: reply } });
    expect(await render(runtime)).toEqual({ text: '' });
  });

  test.each([
    ['a prompt that is a number', { _debug_info: { rendered_template: 7 } }],
    ['debug information without a prompt', { _debug_info: {} }],
    ['a list', []],
  ])('%s is no answer of an Ollama server', async (_, body) => {
    const { runtime } = await serverOf('0.24.0', { 'POST /api/chat': { body } });
    await expect(render(runtime)).rejects.toMatchObject({ code: 'runtime-not-ollama' });
  });

  test('a template that fails is told with its words', async () => {
    const body = { error: 'template: :1:3: executing "" at <.Nothing>: nil data' };
    const { runtime } = await serverOf('0.24.0', { 'POST /api/chat': { status: 500, body } });
    await expect(render(runtime)).rejects.toMatchObject({
      code: 'runtime-refused',
      message: expect.stringContaining('nil data'),
    });
  });
});

describe('countRaw', () => {
  const reply = { response: 'x', done: true, prompt_eval_count: 12 };

  test.each(['0.2.0', '0.5.13', '0.24.0', '0.30.1', '0.33.0-rc2', '0.0.0'])('counts with %s', async (version) => {
    const { runtime, bodies } = await serverOf(version, { 'POST /api/generate': { body: reply } });
    expect(await count(runtime)).toBe(12);
    expect(bodies).toEqual([
      {
        model: 'm:t',
        prompt: 'a b',
        raw: true,
        stream: false,
        truncate: false,
        options: { num_predict: 1, temperature: 0 },
      },
    ]);
  });

  test.each(['0.1.34', '0.1.48', '0.30.0'])('does not believe %s, whose cache lowers the count', async (version) => {
    const { runtime, requests } = await serverOf(version, { 'POST /api/generate': { body: reply } });
    expect(await count(runtime)).toBeUndefined();
    expect(requests).toEqual(['GET /api/version']);
  });

  test.each([
    ['no count', { response: 'x', done: true }],
    ['a count of 0', { ...reply, prompt_eval_count: 0 }],
  ])('%s is none', async (_, body) => {
    const { runtime } = await serverOf('0.24.0', { 'POST /api/generate': { body } });
    expect(await count(runtime)).toBeUndefined();
  });

  test.each([-1, 1.5, '12'])('a count of %j is no answer of an Ollama server', async (wrong) => {
    const { runtime } = await serverOf('0.24.0', {
      'POST /api/generate': { body: { ...reply, prompt_eval_count: wrong } },
    });
    await expect(count(runtime)).rejects.toMatchObject({ code: 'runtime-not-ollama' });
  });
});

describe('a JSON schema', () => {
  const format = { type: 'object', properties: {} };

  test.each(['0.1.34', '0.4.7'])('is refused before %s is asked', async (version) => {
    const { runtime, requests } = await serverOf(version, { 'POST /api/chat': { body: answered } });
    await expect(collect(runtime.chat({ name: 'm:t', messages, format }, never))).rejects.toMatchObject({
      code: 'runtime-too-old',
      message: expect.stringContaining(version),
      suggestions: [expect.stringContaining('0.5.0')],
    });
    expect(requests).toEqual(['GET /api/version']);
  });

  test.each(['0.5.0', '0.0.0'])('is sent to %s', async (version) => {
    const { runtime, bodies } = await serverOf(version, { 'POST /api/chat': { body: answered } });
    await collect(runtime.chat({ name: 'm:t', messages, format }, never));
    expect(bodies).toEqual([{ model: 'm:t', messages, think: false, stream: true, format }]);
  });

  test('nobody is asked for a version when there is none to hold', async () => {
    const { runtime, requests } = await serverOf('0.1.34', { 'POST /api/chat': { body: answered } });
    await collect(runtime.chat({ name: 'm:t', messages }, never));
    expect(requests).toEqual(['POST /api/chat']);
  });
});

describe('pictures', () => {
  test('a picture whose base64 is the path of a file is not that file', async () => {
    const images = ['/bin/cat'];
    const { runtime, bodies } = await serverOf('0.24.0', { 'POST /api/chat': { body: answered } });
    await collect(runtime.chat({ name: 'm:t', messages: [{ role: 'user', content: 'What is it?', images }] }, never));
    expect(bodies).toMatchObject([{ messages: [{ images }] }]);
  });

  test('messages without any have no field for them', () => {
    const both = messagesFor([{ role: 'user', content: 'a', images: ['aQ=='], sounds: ['UklGRg=='] }]);
    expect(both).toEqual([{ role: 'user', content: 'a', images: ['aQ==', 'UklGRg=='] }]);
    expect(messagesFor([{ role: 'user', content: 'a', images: [] }])).toEqual([{ role: 'user', content: 'a' }]);
  });
});
