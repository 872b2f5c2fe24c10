import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from 'vitest';
import { parseHost } from '../../../../src/runtimes/ollama/host.ts';
import { loadedModel, unloadModel } from '../../../../src/runtimes/ollama/memory.ts';
import { never } from '../../../helpers/failure.ts';
import { plainHttp } from '../../../helpers/http.ts';
import { serve, type TestServer } from '../../../helpers/http-server.ts';

const ABSENT = { status: 404, body: '{"error":"model \'m:t\' not found"}' };

let server: TestServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

interface Answers {
  /** Replies of `/api/ps`, the last one for ever; undefined for a server without that route. */
  readonly ps: readonly unknown[] | undefined;
  readonly generate?: { readonly status: number; readonly body: string };
}

async function connectionTo({ ps, generate = { status: 200, body: '{"done":true,"done_reason":"unload"}' } }: Answers) {
  let asked = 0;
  const answer = async (request: IncomingMessage, response: ServerResponse, path: string) => {
    await text(request);
    if (path === 'POST /api/generate') return response.writeHead(generate.status).end(generate.body);
    if (path !== 'GET /api/ps' || ps === undefined) return response.writeHead(404).end('404 page not found');
    const reply = ps[Math.min(asked, ps.length - 1)];
    asked += 1;
    return response.end(JSON.stringify(reply));
  };
  server = await serve((request, response, path) => {
    void answer(request, response, path).catch(() => response.destroy());
  });
  return { host: parseHost(server.url), http: plainHttp, reconnectMs: 10_000 };
}

const entry = { name: 'M:T', size: 100, size_vram: 40, context_length: 512 };
const some = { models: [{ name: 'other:t', size: 1 }, entry] };
const none = { models: [] };

describe('loadedModel', () => {
  test.each([
    ['all of it', some, { contextLength: 512, sizeBytes: 100, gpuBytes: 40 }],
    ['a server before 0.10.0', { models: [{ name: 'm:t', size: 5, size_vram: 0 }] }, { sizeBytes: 5, gpuBytes: 0 }],
    ['a server before 0.2', { models: [{ name: 'm:t', size: 5 }] }, { sizeBytes: 5 }],
    ['a context of 0', { models: [{ name: 'm:t', context_length: 0 }] }, {}],
    [
      'fields that nobody knows yet',
      { models: [{ ...entry, devices: ['x'] }], more: 1 },
      { contextLength: 512, sizeBytes: 100, gpuBytes: 40 },
    ],
    ['another model only', { models: [{ name: 'm:u' }] }, undefined],
    ['nothing', none, undefined],
    ['null', { models: null }, undefined],
    ['no list', {}, undefined],
  ])('%s', async (_, reply, expected) => {
    expect(await loadedModel(await connectionTo({ ps: [reply] }), 'm:t', never)).toEqual(expected);
  });

  test('a server before 0.1.38 cannot tell', async () => {
    expect(await loadedModel(await connectionTo({ ps: undefined }), 'm:t', never)).toBeUndefined();
  });

  test.each([
    ['a size that is text', { models: [{ name: 'm:t', size: 'big' }] }],
    ['a negative context', { models: [{ name: 'm:t', context_length: -1 }] }],
    ['an entry without a name', { models: [{ size: 1 }] }],
    ['a list', []],
  ])('%s is no answer of an Ollama server', async (_, reply) => {
    const connection = await connectionTo({ ps: [reply] });
    await expect(loadedModel(connection, 'm:t', never)).rejects.toMatchObject({ code: 'runtime-not-ollama' });
  });
});

describe('unloadModel', () => {
  test('waits until the server has let go of the memory', async () => {
    await unloadModel(await connectionTo({ ps: [some, some, some, none] }), 'm:t', never);
    expect(server?.requests).toEqual([
      'GET /api/ps',
      'POST /api/generate',
      'GET /api/ps',
      'GET /api/ps',
      'GET /api/ps',
    ]);
  });

  test('a model that is not loaded is left alone', async () => {
    await unloadModel(await connectionTo({ ps: [none] }), 'm:t', never);
    expect(server?.requests).toEqual(['GET /api/ps']);
  });

  test('a server that cannot tell what is loaded does not load it in order to unload it', async () => {
    await unloadModel(await connectionTo({ ps: undefined }), 'm:t', never);
    expect(server?.requests).toEqual(['GET /api/ps']);
  });

  test('a model that is gone meanwhile is no error', async () => {
    await unloadModel(await connectionTo({ ps: [some], generate: ABSENT }), 'm:t', never);
    expect(server?.requests).toEqual(['GET /api/ps', 'POST /api/generate']);
  });

  test('a server that refuses is one', async () => {
    const connection = await connectionTo({ ps: [some], generate: { status: 500, body: '{"error":"EOF"}' } });
    await expect(unloadModel(connection, 'm:t', never)).rejects.toMatchObject({ code: 'runtime-refused' });
  });

  test('an abort ends the waiting', async () => {
    const stop = new AbortController();
    const connection = await connectionTo({ ps: [some] });
    const work = unloadModel(connection, 'm:t', stop.signal);
    await expect.poll(() => server?.requests.length).toBeGreaterThan(2);
    stop.abort();
    await expect(work).rejects.toMatchObject({ code: 'interrupted' });
  });
});
