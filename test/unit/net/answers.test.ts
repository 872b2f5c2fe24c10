import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ProvisionError } from '../../../src/core/errors.ts';
import { MIB } from '../../../src/core/units.ts';
import { openRemoteFile } from '../../../src/gguf/http-source.ts';
import { readRemoteHeader } from '../../../src/provision/plan/header.ts';
import { failureOf } from '../../helpers/failure.ts';
import { buildGguf, modelSpec } from '../../helpers/gguf-builder.ts';
import { type FakeReply, fakeHttp, headerHttp, plainHttp, replyWith } from '../../helpers/http.ts';
import { e4bSpec } from '../gguf/e4b.ts';
import { PATIENCE, read, sendRange, start } from '../gguf/remote.ts';

const SMALL = buildGguf(modelSpec());

describe('answers that bring no model', () => {
  test.each([
    [404, 'source-not-found', 'there is no such file (HTTP 404)', 'file name'],
    [410, 'source-not-found', 'there is no such file', 'file name'],
    [401, 'unauthorised', 'wants to know who asks', 'access token'],
    [403, 'unauthorised', 'refuses access', 'Accept the terms'],
    [429, 'remote-fault', 'too many requests', 'after 120'],
    [500, 'remote-fault', 'the server failed (HTTP 500)', 'later'],
    [503, 'remote-fault', 'not available', 'after 120'],
    [204, 'remote-fault', 'gives no bytes (HTTP 204)', '.gguf'],
    [400, 'remote-fault', 'gives no bytes (HTTP 400)', '.gguf'],
  ])('HTTP %d', async (status, code, fragment, advice) => {
    const server = await start((_, response) => response.writeHead(status, { 'retry-after': '120' }).end());
    const error = await failureOf(read(`${server.url}/org/m.gguf?key=secret`));
    expect(error.code).toBe(code);
    expect(error.message).toContain(`${server.url}/org/m.gguf: `);
    expect(error.message).toContain(fragment);
    expect(error.message).not.toContain('secret');
    expect(error.suggestions.join(' ')).toContain(advice);
  });

  test('a web page is told by its type, and the address of the file is offered', async () => {
    const server = await start((_, response) =>
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<!doctype html>'),
    );
    const error = await failureOf(read(`${server.url}/org/repo/blob/main/m.gguf`));
    expect(error).toMatchObject({ code: 'remote-fault', message: expect.stringContaining('a web page, not the file') });
    expect(error.suggestions[0]).toBe(`Take the file itself: ${server.url}/org/repo/resolve/main/m.gguf`);
  });

  test('a web page without its type is told by its text', async () => {
    const server = await start((_, response) => response.end('<html>log in</html>'));
    expect((await failureOf(read(`${server.url}/m.gguf`))).message).toContain('this is an HTML page');
  });

  test.each<[string, number, Record<string, string>, string]>([
    ['another range', 206, { 'content-range': 'bytes 5-9/100' }, 'asked for bytes from 0 on, the answer starts at 5'],
    ['no range', 206, {}, 'no Content-Range'],
    ['a range backwards', 206, { 'content-range': 'bytes 9-5/100' }, 'makes no sense'],
    ['a range behind the end', 206, { 'content-range': 'bytes 0-100/100' }, 'makes no sense'],
    ['a range in another unit', 206, { 'content-range': 'lines 0-9/100' }, 'makes no sense'],
    ['a range that no number holds', 206, { 'content-range': 'bytes 0-9/99999999999999999999' }, 'makes no sense'],
    ['several ranges', 206, { 'content-type': 'multipart/byteranges; boundary=x' }, 'several ranges'],
    ['compressed bytes', 200, { 'content-encoding': 'zstd' }, 'compressed (zstd)'],
    ['a refusal of the start', 416, { 'content-range': 'bytes */100' }, 'refuses to give the bytes from 0 on'],
  ])('%s', async (_, status, headers, fragment) => {
    const server = await start((__, response) => response.writeHead(status, headers).end('0123456789'));
    const error = await failureOf(read(`${server.url}/m.gguf`));
    expect(error.code).toBe('remote-fault');
    expect(error.message).toContain(fragment);
  });

  test('a body that ends before its length is a fault of the network', async () => {
    const server = await start((_, response) => {
      response.writeHead(206, { 'content-range': `bytes 0-${SMALL.length - 1}/${SMALL.length}` });
      response.end(SMALL.subarray(0, 100));
    });
    const error = await failureOf(read(`${server.url}/m.gguf`));
    expect(error).toMatchObject({
      code: 'network',
      message: expect.stringContaining(`100 of ${SMALL.length} bytes arrived`),
    });
  });

  test('a connection that breaks in the body, too', async () => {
    const server = await start((_, response) => {
      response.writeHead(206, { 'content-range': 'bytes 0-999999/1000000', 'content-length': 1_000_000 });
      response.write(SMALL.subarray(0, 100), () => response.destroy());
    });
    expect((await failureOf(read(`${server.url}/m.gguf`))).code).toBe('network');
  });

  test('nobody there', async () => {
    const server = await start((_, response) => response.end());
    await server.close();
    const error = await failureOf(read(`${server.url}/m.gguf`));
    expect(error).toMatchObject({ code: 'network', message: expect.stringContaining('ECONNREFUSED') });
  });

  test.each(['before its answer', 'inside its answer'])('a server that falls silent %s', async (when) => {
    const server = await start((_, response) => {
      if (when === 'before its answer') return;
      response.writeHead(200, { 'content-length': 1000 });
      response.write(SMALL.subarray(0, 30));
    });
    const http = headerHttp({ answerMs: 300, silenceMs: 300, totalMs: 30_000 });
    const error = await failureOf(readRemoteHeader(`${server.url}/m.gguf`, { http }));
    expect(error).toMatchObject({ code: 'network', message: expect.stringContaining('fell silent') });
  });

  test('a server that drips', async () => {
    const server = await start((_, response) => {
      response.writeHead(200, { 'content-length': 1_000_000 });
      response.write('GGUF');
      const timer = setInterval(() => response.write('x'), 20);
      response.on('close', () => clearInterval(timer));
    });
    const http = headerHttp({ answerMs: 5000, silenceMs: 5000, totalMs: 200 });
    const error = await failureOf(readRemoteHeader(`${server.url}/m.gguf`, { http }));
    expect(error).toMatchObject({ code: 'network', message: expect.stringContaining('was not complete within') });
  });

  test('a file that changes while it is read', async () => {
    const content = buildGguf(e4bSpec());
    for (const change of ['size', 'etag']) {
      let count = 0;
      const server = await start((request, response) => {
        count += 1;
        const other = count > 1;
        const body = other && change === 'size' ? content.subarray(0, -5) : content;
        sendRange(body, request, response, { headers: { etag: other && change === 'etag' ? '"2"' : '"1"' } });
      });
      const remote = openRemoteFile(`${server.url}/m.gguf`, { http: headerHttp(PATIENCE) });
      const error = await failureOf(remote.then((file) => file.read(0, 2 * MIB)));
      expect(error.message).toContain('the file changed while it was read');
    }
  });

  test('more bytes than were asked for are not taken', async () => {
    const server = await start((_, response) => {
      response.writeHead(206, { 'content-range': `bytes 0-${20 * MIB - 1}/${20 * MIB}` });
      response.end(Buffer.alloc(20 * MIB));
    });
    const remote = await openRemoteFile(`${server.url}/m.gguf`, { http: headerHttp(PATIENCE) });
    expect((await remote.read(0, MIB)).length).toBe(MIB);
    expect(remote.receivedBytes).toBeLessThan(2 * MIB);
    await remote.close();
  });

  test.each(['model.gguf', 'ftp://example.com/m.gguf', 'hf:org/repo'])('%s is not a web address', async (address) => {
    expect((await failureOf(read(address))).code).toBe('bad-usage');
  });
});

describe('answers of any kind', () => {
  const number = fc.oneof(fc.nat(4000), fc.constantFrom('', '-1', '1e3', '99999999999999999999', '*'));
  const answer = fc.record({
    status: fc.constantFrom(200, 200, 206, 206, 206, 302, 404, 416, 500),
    headers: fc.record(
      {
        'content-range': fc.tuple(number, number, number).map(([a, b, total]) => `bytes ${a}-${b}/${total}`),
        'content-length': number.map(String),
        'content-type': fc.constantFrom('application/octet-stream', 'text/html', 'multipart/byteranges', ';'),
        'content-encoding': fc.constantFrom('identity', 'gzip', ''),
        location: fc.constantFrom('/x', '//', 'https://example.org/y', 'javascript:1', ''),
        etag: fc.constantFrom('"1"', '"2"', 'W/"1"'),
      },
      { requiredKeys: [] },
    ),
    pieces: fc.array(fc.tuple(fc.nat(SMALL.length), fc.nat(3000)), { maxLength: 4 }),
    breaks: fc.boolean(),
  });

  test('throw ProvisionError and nothing else, and every connection is closed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(answer, { minLength: 1, maxLength: 5 }), async (answers) => {
        const replies: FakeReply[] = [];
        const { http, requests } = fakeHttp((_, count) => {
          const { status, headers, pieces, breaks } = answers[count % answers.length] ?? answers[0] ?? fail();
          async function* body() {
            for (const [from, length] of pieces) yield SMALL.subarray(from, from + length);
            if (breaks) throw new TypeError('terminated');
          }
          const reply = replyWith(status, headers, body());
          replies.push(reply);
          return reply;
        });
        await readRemoteHeader('https://example.org/m.gguf', { http }).catch((thrown: unknown) => {
          expect(thrown).toBeInstanceOf(ProvisionError);
        });
        expect(replies.filter(({ closed }) => closed === 1)).toHaveLength(requests.length);
        expect(requests.length).toBeLessThanOrEqual(24 * 6);
      }),
      { numRuns: 500 },
    );
  });
});

function fail(): never {
  throw new TypeError('there is an answer');
}

describe('an abort', () => {
  test('ends the reading with its own reason', async () => {
    const server = await start((_, response) => {
      response.writeHead(200, { 'content-length': 1000 });
      response.write(SMALL.subarray(0, 30));
    });
    const stop = new AbortController();
    const reason = new Error('stopped by the user');
    const reading = readRemoteHeader(`${server.url}/m.gguf`, { http: plainHttp, signal: stop.signal });
    setTimeout(() => stop.abort(reason), 50);
    await expect(reading).rejects.toBe(reason);
    const early = readRemoteHeader(`${server.url}/m.gguf`, { http: plainHttp, signal: stop.signal });
    await expect(early).rejects.toBe(reason);
  });
});
