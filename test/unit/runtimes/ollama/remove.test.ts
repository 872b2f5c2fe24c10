import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from 'vitest';
import { digestOf } from '../../../../src/core/digest.ts';
import { ProvisionError } from '../../../../src/core/errors.ts';
import { drive } from '../../../../src/core/progress.ts';
import { parseHost } from '../../../../src/runtimes/ollama/host.ts';
import { ollamaRuntime } from '../../../../src/runtimes/ollama/runtime.ts';
import { never } from '../../../helpers/failure.ts';
import { serve, type TestServer } from '../../../helpers/http-server.ts';
import { specOf, zeroFile } from '../../../helpers/runtime-fakes.ts';

const mismatch = new ProvisionError('digest-mismatch', 'other bytes');

let server: TestServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

/** A server that has these models in memory; undefined for one without `/api/ps`. */
async function serverWith(loaded: readonly string[] | undefined, unloadStatus = 200) {
  const bodies: unknown[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse, path: string) => {
    const body = await text(request);
    if (path === 'POST /api/generate') {
      bodies.push(JSON.parse(body));
      response.writeHead(unloadStatus).end('{"done":true,"response":"","done_reason":"unload"}');
    } else if (path === 'GET /api/ps' && loaded !== undefined) {
      response.end(JSON.stringify({ models: loaded.map((name) => ({ name })) }));
    } else if (path === 'GET /api/version') response.end('{"version":"0.24.0"}');
    else if (path === 'DELETE /api/delete' || path.startsWith('HEAD')) response.end();
    else response.writeHead(404).end('404 page not found');
  };
  server = await serve((request, response, path) => {
    void answer(request, response, path).catch(() => response.destroy());
  });
  const runtime = ollamaRuntime({
    host: parseHost(server.url),
    files: {
      open: zeroFile,
      // biome-ignore lint/correctness/useYield: a hash that fails before it has anything to tell
      async *hash() {
        throw mismatch;
      },
    },
    now: () => 0,
  });
  return { runtime, bodies, requests: server.requests };
}

describe('remove', () => {
  test('unloads a model that is in memory before it deletes it', async () => {
    const { runtime, bodies, requests } = await serverWith(['other:t', 'M:latest']);
    await runtime.remove('m', never);
    expect(requests).toEqual(['GET /api/ps', 'POST /api/generate', 'DELETE /api/delete']);
    expect(bodies).toEqual([{ model: 'm:latest', prompt: '', keep_alive: 0, stream: false }]);
  });

  test.each([
    ['only others are in memory', ['other:t', 'm:u'], 200],
    ['nothing is in memory', [], 200],
    ['the server cannot tell', undefined, 200],
    ['the unloading fails', ['m:t'], 500],
  ])('deletes all the same when %s', async (_, loaded, status) => {
    const { runtime, requests } = await serverWith(loaded, status);
    await runtime.remove('m:t', never);
    expect(requests.at(-1)).toBe('DELETE /api/delete');
    expect(requests.includes('POST /api/generate')).toBe(loaded?.includes('m:t') ?? false);
  });

  test('deletes nothing once it is aborted', async () => {
    const { runtime, requests } = await serverWith([]);
    await expect(runtime.remove('m:t', AbortSignal.abort())).rejects.toMatchObject({ code: 'interrupted' });
    expect(requests).not.toContain('DELETE /api/delete');
  });
});

test('a file that is not what its digest says is refused although the server has a blob of that digest', async () => {
  const { runtime, requests } = await serverWith([]);
  const file = { ref: 'f', path: '/f.gguf', sizeBytes: 10, digest: digestOf('another') };
  const spec = specOf({ template: '{{ .Prompt }}', parameters: {} });
  const work = drive(runtime.store({ name: 'm:t', file, architecture: 'gemma3n', spec }, never), () => {});
  await expect(work).rejects.toBe(mismatch);
  expect(requests).not.toContain('POST /api/create');
});
