import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { digestOf } from '../../../../src/core/digest.ts';
import { ProvisionError } from '../../../../src/core/errors.ts';
import { drive, type ProgressEvent } from '../../../../src/core/progress.ts';
import type { LimitChanges } from '../../../../src/net/limits.ts';
import { parseHost } from '../../../../src/runtimes/ollama/host.ts';
import { type OllamaRuntime, ollamaRuntime } from '../../../../src/runtimes/ollama/runtime.ts';
import { failureOf, never } from '../../../helpers/failure.ts';
import { serve, type TestServer } from '../../../helpers/http-server.ts';
import { freePort } from '../../../helpers/ollama-server.ts';
import { collect, specOf, zeroFile } from '../../../helpers/runtime-fakes.ts';

const digest = digestOf('any');
const SPEC = specOf({ template: '{{ .Prompt }}', parameters: { temperature: 0 } });
const REQUEST = {
  name: 'm:t',
  file: { ref: 'f', path: '/f.gguf', sizeBytes: 10, digest },
  architecture: 'gemma3n',
  spec: SPEC,
};

let server: TestServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
  vi.restoreAllMocks();
});

function runtimeAt(url: string, limits: LimitChanges = {}): OllamaRuntime {
  return ollamaRuntime({
    host: parseHost(url),
    files: {
      open: zeroFile,
      async *hash() {
        yield { type: 'bytes', id: 'hash', done: 10, total: 10 };
        return digest;
      },
    },
    now: () => performance.now(),
    limits,
  });
}

type Handler = (request: IncomingMessage, response: ServerResponse, path: string) => void;

async function at(handler: Handler, limits: LimitChanges = {}): Promise<OllamaRuntime> {
  server = await serve(handler);
  return runtimeAt(server.url, limits);
}

/** A good server but for what `special` answers; `special` returns false to leave a request alone. */
function otherwiseGood(special: Handler2): Handler {
  return (request, response, path) => {
    if (special(request, response, path)) return;
    request.resume();
    const json = (value: unknown) => response.setHeader('content-type', 'application/json').end(JSON.stringify(value));
    if (path === 'GET /api/version') json({ version: '0.24.0' });
    else if (path === 'GET /api/tags') json({ models: [] });
    else if (path === 'POST /api/show') json({ template: SPEC.template, parameters: 'temperature 0' });
    else if (path.startsWith('HEAD')) response.end();
    else response.writeHead(404).end('404 page not found');
  };
}
type Handler2 = (request: IncomingMessage, response: ServerResponse, path: string) => boolean;

/** Answers one route with these pieces, then ends, or stays silent with `end: false`, or breaks the connection. */
function streaming(route: string, pieces: readonly string[], end: 'end' | 'silence' | 'reset' = 'end'): Handler {
  return otherwiseGood((request, response, path) => {
    if (path !== route) return false;
    request.resume();
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    response.flushHeaders();
    for (const piece of pieces) response.write(piece);
    if (end === 'end') response.end();
    if (end === 'reset') setTimeout(() => response.socket?.destroy(), 20);
    return true;
  });
}

const store = (runtime: OllamaRuntime) => drive(runtime.store(REQUEST, never), () => {});
const chat = (runtime: OllamaRuntime) =>
  collect(runtime.chat({ name: 'm:t', messages: [{ role: 'user', content: 'hi' }] }, never));

describe('who answers', () => {
  test('nobody', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const error = await failureOf(runtimeAt(url).identify(never));
    expect(error.code).toBe('runtime-unreachable');
    expect(error.message).toContain(url);
    expect(error.suggestions.join(' ')).toContain('ollama serve');
    expect(error.exitCode).toBe(13);
  });

  test('a name that does not resolve', async () => {
    const error = await failureOf(runtimeAt('http://no-such-host.invalid').identify(never));
    expect(error.code).toBe('runtime-unreachable');
  });

  const page =
    '<!doctype html><html><head><title>Sign in</title><script>x()</script></head><body>Proxy \u001b[31m</body>';
  test.each([
    ['a page of HTML', 200, 'text/html', page],
    ['HTML that says it is JSON', 200, 'application/json', page],
    ['JSON without a version', 200, 'application/json', '{"name":"other"}'],
    ['a version that is a number', 200, 'application/json', '{"version":1}'],
    ['an empty version', 200, 'application/json', '{"version":""}'],
    ['a JSON text', 200, 'application/json', '"0.24.0"'],
    ['nothing', 200, 'application/json', ''],
    ['half of its JSON', 200, 'application/json', '{"version":"0.2'],
    ['404 in text', 404, 'text/plain', '404 page not found'],
    ['404 in HTML', 404, 'text/html', page],
    ['500 that talks of disks', 500, 'text/plain', 'no space left on device'],
    ['a redirect', 302, 'text/html', ''],
    ['too much', 200, 'application/json', `{"version":"${'9'.repeat(34 * 1024 * 1024)}"}`],
  ])('something else: %s', async (_, status, type, body) => {
    const stdout = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    const log = vi.spyOn(console, 'log');
    const runtime = await at((_request, response) => response.writeHead(status, { 'content-type': type }).end(body));
    const error = await failureOf(runtime.identify(never));
    expect(error.code).toBe('runtime-not-ollama');
    expect(error.message).not.toMatch(/\p{Cc}|<html|x\(\)/u);
    expect(error.message.length).toBeLessThan(700);
    expect(log).not.toHaveBeenCalled();
    expect(stdout).not.toHaveBeenCalled();
  });

  test('a proxy that wants credentials, and never prints ours', async () => {
    server = await serve((request, response) => {
      const right = request.headers.authorization === `Basic ${Buffer.from('me:s3cret').toString('base64')}`;
      if (right) response.setHeader('content-type', 'application/json').end('{"version":"0.24.0"}');
      else response.writeHead(401).end('who are you?');
    });
    const port = new URL(server.url).port;
    const error = await failureOf(runtimeAt(`http://me:wr0ng@127.0.0.1:${port}`).identify(never));
    expect(error.code).toBe('unauthorised');
    expect(`${error.message} ${error.suggestions.join(' ')} ${String(error.cause)}`).not.toContain('wr0ng');
    const runtime = runtimeAt(`http://me:s3cret@127.0.0.1:${port}`);
    expect(runtime.endpoint).toBe(`http://127.0.0.1:${port}`);
    expect((await runtime.identify(never)).version).toBe('0.24.0');
  });

  test('a server behind a path', async () => {
    server = await serve((_request, response, path) => {
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ version: path }));
    });
    expect((await runtimeAt(`${server.url}/ollama/`).identify(never)).version).toBe('GET /ollama/api/version');
  });

  test('something that speaks another protocol', async () => {
    const other = createServer((socket) => socket.resume().end('SSH-2.0-OpenSSH_9.2\r\n'));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const address = other.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const error = await failureOf(runtimeAt(`http://127.0.0.1:${port}`).identify(never));
    await new Promise((resolve) => other.close(resolve));
    expect(error.code).toBe('runtime-not-ollama');
  });

  test('something that hangs up', async () => {
    const runtime = await at((request) => request.socket.destroy());
    expect((await failureOf(runtime.identify(never))).code).toBe('runtime-not-ollama');
  });

  test('something that never answers', async () => {
    const runtime = await at(() => {}, { server: { answerMs: 100 } });
    const error = await failureOf(runtime.identify(never));
    expect(error.code).toBe('runtime-timeout');
    expect(error.message).toContain('100 ms');
  });

  test('a user who does not want to wait', async () => {
    const stop = new AbortController();
    const runtime = await at(() => stop.abort());
    expect((await failureOf(runtime.identify(stop.signal))).code).toBe('interrupted');
  });

  test('a user who said why', async () => {
    const stop = new AbortController();
    const why = new ProvisionError('terminated', 'SIGTERM');
    const runtime = await at(() => stop.abort(why));
    expect(await failureOf(runtime.identify(stop.signal))).toBe(why);
  });
});

describe('create', () => {
  const route = 'POST /api/create';
  const line = (value: unknown) => `${JSON.stringify(value)}\n`;
  const success = line({ status: 'success' });

  test('a good stream, cut at odd places and with blank lines', async () => {
    const runtime = await at(streaming(route, ['\n{"stat', 'us":"parsing GGUF"}\r\n\n', success]));
    const events: ProgressEvent[] = [];
    await drive(runtime.store(REQUEST, never), (event) => events.push(event));
    expect(events.filter(({ type }) => type === 'phase').map((event) => 'detail' in event && event.detail)).toEqual([
      'the server has these bytes',
      'parsing GGUF',
      'success',
    ]);
  });

  test('success without a line end', async () => {
    await store(await at(streaming(route, ['{"status":"success"}'])));
  });

  test('row 33: a line of 1 MB', async () => {
    await store(await at(streaming(route, [line({ status: 'x'.repeat(1_000_000) }), success])));
  });

  test.each([
    ['an error after HTTP 200', [line({ status: 'a' }), line({ error: 'no space left on device' })], 'disk-full'],
    ['an error, then success', [line({ error: 'digest mismatch' }), success], 'digest-mismatch'],
    ['an error that is no text', [line({ error: { message: 'odd' } })], 'runtime-refused'],
    ['an error with a status', [line({ error: 'invalid model name', status: 400 })], 'bad-name'],
    ['a stream that ends before success', [line({ status: 'writing manifest' })], 'runtime-died'],
    ['an empty stream', [], 'runtime-died'],
    ['half a line', [line({ status: 'a' }), '{"status":"succ'], 'runtime-not-ollama'],
    ['a line that is not an object', ['42\n', success], 'runtime-not-ollama'],
    ['HTML', ['<html>\n<body>hello</body></html>'], 'runtime-not-ollama'],
    ['a line without an end', ['"', 'x'.repeat(17 * 1024 * 1024)], 'runtime-not-ollama'],
  ])('row 33: %s', async (_, pieces, code) => {
    const warn = vi.spyOn(console, 'warn');
    const error = await failureOf(store(await at(streaming(route, pieces))));
    expect(error.code).toBe(code);
    expect(warn).not.toHaveBeenCalled();
  });

  test('a connection that breaks in the stream', async () => {
    const error = await failureOf(store(await at(streaming(route, [line({ status: 'a' })], 'reset'))));
    expect(error.code).toBe('runtime-died');
    expect(error.message).toContain('creating m:t');
  });

  test('a connection that breaks before the answer', async () => {
    const runtime = await at(
      otherwiseGood((request, _response, path) => {
        if (path !== route) return false;
        request.socket.destroy();
        return true;
      }),
    );
    expect((await failureOf(store(runtime))).code).toBe('runtime-died');
  });

  test('a stream that falls silent', async () => {
    const runtime = await at(streaming(route, [line({ status: 'a' })], 'silence'), {
      creation: { answerMs: 100, silenceMs: 100 },
    });
    expect((await failureOf(store(runtime))).code).toBe('runtime-timeout');
  });

  test('the connection ends with the call, although the server goes on', async () => {
    let gone: () => void = () => {};
    const closed = new Promise<void>((resolve) => {
      gone = resolve;
    });
    const runtime = await at(
      otherwiseGood((request, response, path) => {
        if (path !== route) return false;
        request.resume();
        response.on('close', () => gone());
        response.write(success);
        return true;
      }),
    );
    await store(runtime);
    await closed;
  });

  test('a consumer that gives up aborts the call', async () => {
    let gone: () => void = () => {};
    const closed = new Promise<void>((resolve) => {
      gone = resolve;
    });
    const runtime = await at(
      otherwiseGood((request, response, path) => {
        if (path !== route) return false;
        request.resume();
        response.on('close', () => gone());
        response.write(line({ status: 'parsing GGUF' }));
        return true;
      }),
    );
    const work = runtime.store(REQUEST, never);
    for (let step = await work.next(); !step.done; step = await work.next()) {
      if (step.value.type === 'phase' && step.value.id === 'create') break;
    }
    await work.return(undefined as never);
    await closed;
  });

  test('a success that is not there afterwards', async () => {
    const runtime = await at(
      otherwiseGood((request, response, path) => {
        request.resume();
        if (path === route) response.end(success);
        else if (path === 'POST /api/show')
          response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"model \'m:t\' not found"}');
        else return false;
        return true;
      }),
    );
    const error = await failureOf(store(runtime));
    expect(error.code).toBe('runtime-refused');
    expect(error.message).toContain('does not have it');
  });
});

describe('show and tags', () => {
  test.each([
    ['show with a number as template', 'POST /api/show', '{"template":7}'],
    ['show that is a list', 'POST /api/show', '[]'],
    ['tags without models', 'GET /api/tags', '{}'],
    ['tags with a text as size', 'GET /api/tags', '{"models":[{"name":"m:t","digest":"x","size":"big"}]}'],
  ])('%s', async (_, route, body) => {
    const runtime = await at(
      otherwiseGood((request, response, path) => {
        if (path !== route) return false;
        request.resume();
        response.setHeader('content-type', 'application/json').end(body);
        return true;
      }),
    );
    const error = await failureOf(runtime.find('m:t', never));
    expect(error.code).toBe('runtime-not-ollama');
  });

  test('a route that is not there is not a model that is not there', async () => {
    const runtime = await at((_request, response) => response.writeHead(404).end('404 page not found'));
    expect((await failureOf(runtime.find('m:t', never))).code).toBe('runtime-too-old');
  });

  test('row 21: a broken manifest is an error, not an absent model', async () => {
    const runtime = await at((_request, response) =>
      response.writeHead(500, { 'content-type': 'application/json' }).end('{"error":"EOF"}'),
    );
    const error = await failureOf(runtime.find('m:t', never));
    expect(error.code).toBe('needs-repair');
    expect(error.exitCode).toBe(18);
    expect(error.message).toContain('m:t');
  });

  test('a model that the list does not know has no digest', async () => {
    const found = await (await at(otherwiseGood(() => false))).find('m:t', never);
    expect(found).toEqual({ name: 'm:t', template: SPEC.template, parameters: 'temperature 0', stop: [] });
  });
});

describe('chat', () => {
  const route = 'POST /api/chat';
  const piece = (content: string, more = {}) =>
    `${JSON.stringify({ message: { role: 'assistant', content }, done: false, ...more })}\n`;

  test('an answer that hit the limit, from a server that tells little', async () => {
    const runtime = await at(streaming(route, [piece('Pa'), piece('ris', { done: true, done_reason: 'length' })]));
    const { result } = await chat(runtime);
    expect(result).toMatchObject({ text: 'Paris', endedBy: 'length', answerTokens: 0, loadMs: 0 });
    expect(result.tokensPerSecond).toBeUndefined();
  });

  test.each([
    ['a stream without an end', [piece('Pa')], 'runtime-died'],
    [
      'no memory',
      [`{"error":"model requires more system memory (9.1 GiB) than is available (2.0 GiB)"}\n`],
      'memory-short',
    ],
    [
      'a busy server',
      [`{"error":"server busy, please try again.  maximum pending requests exceeded"}\n`],
      'runtime-refused',
    ],
    ['content that is a number', ['{"message":{"content":7}}\n'], 'runtime-not-ollama'],
  ])('%s', async (_, pieces, code) => {
    expect((await failureOf(chat(await at(streaming(route, pieces))))).code).toBe(code);
  });

  test('row 10: a text without end is not collected without end', async () => {
    let sent = 0;
    const runtime = await at((_request, response) => {
      const flood = () => {
        while (!response.destroyed && response.write(piece('x'.repeat(64_000)))) sent += 64_000;
        sent += 64_000;
      };
      response.on('drain', flood);
      flood();
    });
    const error = await failureOf(chat(runtime));
    expect(error.code).toBe('runtime-not-ollama');
    expect(error.message).toContain('a longer text than the');
    // What the sockets hold comes on top.
    expect(sent).toBeLessThan(64 * 2 ** 20);
  });

  test('a server that dies in the answer', async () => {
    const error = await failureOf(chat(await at(streaming(route, [piece('Pa')], 'reset'))));
    expect(error.code).toBe('runtime-died');
  });

  test('a server that never streams', async () => {
    const runtime = await at(streaming(route, [], 'silence'), { chat: { answerMs: 100, silenceMs: 100 } });
    expect((await failureOf(chat(runtime))).code).toBe('runtime-timeout');
  });

  test('503 while it starts', async () => {
    const runtime = await at((_request, response) => response.writeHead(503).end());
    const error = await failureOf(chat(runtime));
    expect(error.code).toBe('runtime-refused');
    expect(error.suggestions.join(' ')).toContain('again');
  });
});

test('row 10: a list without end is refused before it is made', async () => {
  const runtime = await at(
    otherwiseGood((_request, response, path) => {
      if (path !== 'POST /api/show') return false;
      response.end(`{"capabilities":[${'{},'.repeat(1_000_000)}{}]}`);
      return true;
    }),
  );
  const error = await failureOf(runtime.find('m:t', never));
  expect(error.code).toBe('runtime-not-ollama');
  expect(error.message).toContain('a reply of more than 200000 values');
});

test('https on a port for http is told without the words of OpenSSL', async () => {
  await at((_request, response) => response.end());
  const url = server?.url.replace('http:', 'https:') ?? '';
  const error = await failureOf(runtimeAt(url).identify(never));
  expect(error).toMatchObject({ code: 'runtime-not-ollama', exitCode: 13 });
  expect(error.message).toBe(
    `${url} is not an Ollama server: what answers there does not speak TLS, which https needs.`,
  );
});

describe('pull', () => {
  const route = 'POST /api/pull';
  const line = (value: object) => `${JSON.stringify(value)}\n`;
  const layer = (index: number, completed: number) =>
    line({ status: 'pulling', digest: `sha256:${index}`, total: 10, completed });
  const pull = (runtime: OllamaRuntime, events: ProgressEvent[] = []) =>
    drive(pullModel(runtime), (event) => events.push(event));
  const pullModel = ({ pull: start }: OllamaRuntime) => {
    if (start === undefined) throw new Error('this runtime cannot pull');
    return start('m:t', never);
  };

  test('row 10: a model of layers without end is not collected without end', async () => {
    const layers = Array.from({ length: 10_100 }, (_, index) => layer(index, 0)).join('');
    const error = await failureOf(pull(await at(streaming(route, [layers], 'silence'))));
    expect(error.code).toBe('runtime-not-ollama');
    expect(error.message).toContain('a model of more than 10000 layers');
  });

  test('progress is the sum of all layers', async () => {
    const lines = [layer(1, 0), layer(2, 4), layer(1, 7), layer(1, 10), line({ error: 'enough' })];
    const events: ProgressEvent[] = [];
    await failureOf(pull(await at(streaming(route, lines)), events));
    const bytes = events.filter((event) => event.type === 'bytes');
    expect(bytes.map(({ done, total }) => [done, total])).toEqual([
      [0, 10],
      [4, 20],
      [11, 20],
      [14, 20],
    ]);
  });
});
