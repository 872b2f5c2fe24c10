/** Small questions to one server: one deadline for all questions, whatever the server does. */
import { afterEach, expect, test } from 'vitest';
import { type Asker, askWithin, type Server } from '../../../src/net/text.ts';
import { parseHost } from '../../../src/runtimes/ollama/host.ts';
import { plainHttp } from '../../helpers/http.ts';
import { serve, type TestServer } from '../../helpers/http-server.ts';

let server: TestServer | undefined;
const opened: Asker[] = [];
afterEach(async () => {
  for (const { close } of opened.splice(0)) close();
  await server?.close();
  server = undefined;
});

const GET = { method: 'GET', path: '/api/version' } as const;
function askerOf(server: Server, timeoutMs: number, signal: AbortSignal): Asker['ask'] {
  const made = askWithin(plainHttp, server, timeoutMs, signal);
  opened.push(made);
  return made.ask;
}

const never = () => new AbortController().signal;

async function serving(handler: Parameters<typeof serve>[0]): Promise<ReturnType<typeof parseHost>> {
  server = await serve(handler);
  return parseHost(server.url);
}

test('hands over status, type and text as they are', async () => {
  const host = await serving((_request, response) => {
    response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":"für 日本"}');
  });
  const reply = await askerOf(host, 5000, never())(GET);
  expect(reply).toMatchObject({ status: 400, contentType: 'application/json', text: '{"error":"für 日本"}' });
});

test('text that is cut inside a character comes out whole', async () => {
  const bytes = Buffer.from('日本');
  const host = await serving((_request, response) => {
    response.write(bytes.subarray(0, 4));
    setTimeout(() => response.end(bytes.subarray(4)), 20);
  });
  expect((await askerOf(host, 5000, never())(GET)).text).toBe('日本');
});

test('sends credentials, and a body with its length', async () => {
  let seen: unknown;
  const host = await serving((request, response) => {
    let body = '';
    request.on('data', (piece) => {
      body += piece;
    });
    request.on('end', () => {
      seen = { authorization: request.headers.authorization, length: request.headers['content-length'], body };
      response.end('{}');
    });
  });
  const withUser = parseHost(host.url.replace('http://', 'http://anna:secret@'));
  await askerOf(withUser, 5000, never())({ method: 'POST', path: '/api/create', body: { name: 'ü' } });
  expect(seen).toEqual({ authorization: 'Basic YW5uYTpzZWNyZXQ=', length: '13', body: '{"name":"ü"}' });
});

test.each([
  ['never answers', () => undefined],
  ['never ends its answer', (write: (text: string) => void) => void setInterval(() => write('.'), 50).unref()],
])('a server that %s is silence after the deadline', async (_what, behave) => {
  const host = await serving((_request, response) => behave((text) => response.write(text)));
  await expect(askerOf(host, 300, never())(GET)).rejects.toMatchObject({
    name: 'TimeoutError',
    missing: expect.stringMatching('byte|end'),
  });
});

test('a question after the deadline is not sent', async () => {
  const host = await serving(() => undefined);
  const ask = askerOf(host, 200, never());
  await expect(ask(GET)).rejects.toMatchObject({ name: 'TimeoutError' });
  await expect(ask(GET)).rejects.toMatchObject({ name: 'TimeoutError' });
  expect(server?.requests).toHaveLength(1);
});

test('an endless reply is given up', async () => {
  const host = await serving((_request, response) => {
    const megabyte = Buffer.alloc(1024 * 1024, 'x');
    const more = () => {
      while (!response.destroyed && response.write(megabyte));
    };
    response.on('drain', more);
    more();
  });
  await expect(askerOf(host, 20_000, never())(GET)).rejects.toMatchObject({ name: 'BodyTooLongError' });
});

test('a connection that is cut is an error, not an answer', async () => {
  const host = await serving((_request, response) => {
    response.writeHead(200, { 'content-length': '100' });
    response.write('{"version":', () => response.destroy());
  });
  await expect(askerOf(host, 5000, never())(GET)).rejects.toMatchObject({
    code: 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  });
});

test('stops at once when it is told to', async () => {
  const stop = new AbortController();
  const host = await serving(() => stop.abort(new DOMException('stopped', 'AbortError')));
  await expect(askerOf(host, 20_000, stop.signal)(GET)).rejects.toMatchObject({ name: 'AbortError' });
});

test('closing ends what is still under way', async () => {
  const host = await serving(() => undefined);
  const { ask, close } = askWithin(plainHttp, host, 20_000, never());
  const reply = ask(GET);
  await expect.poll(() => server?.requests.length).toBe(1);
  close();
  await expect(reply).rejects.toThrow('closed');
});
