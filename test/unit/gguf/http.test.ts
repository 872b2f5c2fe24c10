import { describe, expect, test } from 'vitest';
import { MIB } from '../../../src/core/units.ts';
import { openRemoteFile } from '../../../src/gguf/http-source.ts';
import { readRemoteHeader } from '../../../src/provision/plan/header.ts';
import { failureOf } from '../../helpers/failure.ts';
import { buildGguf, modelSpec } from '../../helpers/gguf-builder.ts';
import { fakeHttp, headerHttp, plainHttp, replyWith } from '../../helpers/http.ts';
import { e4bSpec } from './e4b.ts';
import { PATIENCE, read, sendRange, start } from './remote.ts';

const SMALL = buildGguf(modelSpec());

describe('a server that knows ranges', () => {
  test('gives a small header and its size with one request, uncompressed', async () => {
    const asked: unknown[] = [];
    const server = await start((request, response) => {
      asked.push([request.headers.range, request.headers['accept-encoding']]);
      sendRange(SMALL, request, response);
    });
    const facts = await read(`${server.url}/model.gguf`);
    expect(facts).toMatchObject({ architecture: 'gemma3n', fileBytes: SMALL.length, requiredBytes: SMALL.length });
    expect(asked).toEqual([[`bytes=0-${MIB - 1}`, 'identity']]);
  });

  test('gives the header of a 13 GiB model with 262,144 tokens for two requests and less than 8 MiB', async () => {
    const header = buildGguf(e4bSpec());
    const size = 13_740_101_056;
    let sent = 0;
    const server = await start((request, response) => {
      const [, first = '', last = ''] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
      const piece = Buffer.alloc(Number(last) - Number(first) + 1);
      header.copy(piece, 0, Number(first), Number(last) + 1);
      sent += piece.length;
      response.writeHead(206, { 'content-range': `bytes ${first}-${last}/${size}` }).end(piece);
    });
    let traffic = { requests: 0, receivedBytes: 0 };
    const facts = await readRemoteHeader(`${server.url}/e4b.gguf`, {
      http: plainHttp,
      onTraffic: (told) => {
        traffic = { ...told };
      },
    });
    expect(facts).toMatchObject({
      fileBytes: size,
      tokenizer: { tokenCount: 262_144, bos: 'tok2', eos: 'tok1' },
      hyperparameters: { sharedKvLayers: 15, slidingPattern: 5, feedForwardLength: 16_384 },
      warnings: [],
    });
    expect(facts.tensors).toHaveLength(847);
    expect(facts.weights.blocks[0]).toBe(225_003_840);
    expect(server.requests).toHaveLength(2);
    expect(traffic.requests).toBe(2);
    expect(traffic.receivedBytes).toBeLessThanOrEqual(8 * MIB);
    expect(sent).toBeLessThanOrEqual(8 * MIB);
  });

  test('may answer with less than was asked for', async () => {
    const server = await start((request, response) => {
      const first = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1]);
      const last = Math.min(first + 49_999, SMALL.length - 1);
      response.writeHead(206, { 'content-range': `bytes ${first}-${last}/${SMALL.length}` });
      response.end(SMALL.subarray(first, last + 1));
    });
    expect((await read(`${server.url}/m.gguf`)).architecture).toBe('gemma3n');
    expect(server.requests).toHaveLength(Math.ceil(SMALL.length / 50_000));
  });

  test('is not asked for one byte after the other', async () => {
    const server = await start((request, response) => {
      const first = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1]);
      response.writeHead(206, { 'content-range': `bytes ${first}-${first}/${SMALL.length}` });
      response.end(SMALL.subarray(first, first + 1));
    });
    const error = await failureOf(read(`${server.url}/m.gguf`));
    expect(error).toMatchObject({
      code: 'remote-fault',
      message: expect.stringContaining('pieces that are too small'),
    });
    expect(server.requests).toHaveLength(24);
  });

  test('need not know the size of the file', async () => {
    const server = await start((request, response) =>
      sendRange(SMALL, request, response, { contentRange: `bytes 0-${SMALL.length - 1}/*` }),
    );
    const facts = await read(`${server.url}/m.gguf`);
    expect(facts.architecture).toBe('gemma3n');
    expect(facts.fileBytes).toBeUndefined();
  });

  test('tells of a file that is cut off behind its header', async () => {
    const server = await start((request, response) =>
      sendRange(SMALL.subarray(0, SMALL.length - 7), request, response),
    );
    const error = await failureOf(read(`${server.url}/m.gguf?token=secret`));
    expect(error.code).toBe('truncated-file');
    expect(error.message).toContain(`${server.url}/m.gguf: `);
    expect(error.message).toContain(': 7 are missing');
    expect(error.message).not.toContain('secret');
  });

  test('answers 416 for an empty file, which is told', async () => {
    const server = await start((request, response) => sendRange(new Uint8Array(0), request, response));
    expect((await failureOf(read(`${server.url}/m.gguf`))).message).toContain('the file is empty');
  });
});

describe('a server that knows no ranges', () => {
  test('is stopped when the header is read', async () => {
    let sent = 0;
    let hungUp: () => void = () => {};
    const end = new Promise<void>((resolve) => {
      hungUp = resolve;
    });
    const server = await start((_, response) => {
      response.writeHead(200, { 'content-length': 13_000_000_000 });
      response.write(SMALL);
      const more = (): void => {
        if (response.destroyed) return;
        sent += 65_536;
        if (response.write(Buffer.alloc(65_536))) setImmediate(more);
        else response.once('drain', more);
      };
      response.on('close', hungUp);
      more();
    });
    const facts = await read(`${server.url}/m.gguf`);
    await end;
    expect(facts).toMatchObject({ architecture: 'gemma3n', fileBytes: 13_000_000_000 });
    expect(server.requests).toHaveLength(1);
    // What fits into the buffers of two sockets is sent before anyone can stop it.
    expect(sent).toBeLessThan(64 * MIB);
  });

  test('need not tell the length', async () => {
    const server = await start((_, response) => {
      response.write(SMALL.subarray(0, 100));
      response.end(SMALL.subarray(100));
    });
    expect((await read(`${server.url}/m.gguf`)).architecture).toBe('gemma3n');
    const cut = await start((_, response) => response.end(SMALL.subarray(0, 100)));
    expect((await failureOf(read(`${cut.url}/m.gguf`))).code).toBe('truncated-file');
  });

  test('is asked again when earlier bytes are wanted', async () => {
    const content = Buffer.from(Array.from({ length: 3 * MIB }, (_, index) => index % 251));
    const server = await start((_, response) => {
      response.writeHead(200, { 'content-length': content.length });
      response.end(content);
    });
    const remote = await openRemoteFile(`${server.url}/x`, { http: headerHttp(PATIENCE) });
    expect(Buffer.from(await remote.read(2_000_000, 1000))).toEqual(content.subarray(2_000_000, 2_001_000));
    expect(Buffer.from(await remote.read(5, 10))).toEqual(content.subarray(5, 15));
    expect((await remote.read(content.length - 3, 10)).length).toBe(3);
    expect((await remote.read(content.length, 10)).length).toBe(0);
    expect(remote.requests).toBe(2);
    await remote.close();
  });
});

describe('redirects', () => {
  test('are followed, later requests go where they led, secrets stay at home', async () => {
    const seen: (string | undefined)[] = [];
    const content = buildGguf(e4bSpec());
    const storage = await start((request, response) => {
      seen.push(request.headers.authorization);
      sendRange(content, request, response);
    });
    const hub = await start((request, response) => {
      seen.push(request.headers.authorization);
      const to = request.url === '/a' ? '/b' : `${storage.url.replace('127.0.0.1', 'localhost')}/signed?key=1`;
      response.writeHead(302, { location: to }).end('moved');
    });
    const error = await failureOf(read(`${hub.url}/a`, { authorization: 'Bearer secret' }));
    // The header promises data that this server does not have.
    expect(error.code).toBe('truncated-file');
    expect(hub.requests).toEqual(['GET /a', 'GET /b']);
    expect(storage.requests).toEqual(['GET /signed?key=1', 'GET /signed?key=1']);
    expect(seen).toEqual(['Bearer secret', 'Bearer secret', undefined, undefined]);
  });

  test('that go in circles, nowhere or to another protocol are refused', async () => {
    const targets: Readonly<Record<string, Record<string, string>>> = {
      '/circle': { location: '/circle' },
      '/nowhere': {},
      '/file': { location: 'file:///etc/passwd' },
      '/nonsense': { location: 'http://[' },
    };
    const server = await start((request, response) => response.writeHead(307, targets[request.url ?? '']).end());
    const messages: string[] = [];
    for (const path of Object.keys(targets)) {
      const error = await failureOf(read(`${server.url}${path}`));
      expect(error.code).toBe('remote-fault');
      messages.push(error.message.slice(server.url.length));
    }
    expect(messages).toEqual([
      '/circle: more than 10 redirects',
      '/nowhere: a redirect to nowhere (HTTP 307)',
      '/file: a redirect to an address that is not a web address',
      '/nonsense: a redirect to an address that is not a web address',
    ]);
  });

  test('from https to http are refused', async () => {
    const { http } = fakeHttp(() => replyWith(302, { location: 'http://example.com/m.gguf' }));
    const error = await failureOf(readRemoteHeader('https://example.com/m.gguf', { http }));
    expect(error.message).toContain('a redirect from https to http');
  });

  test('user and password of an address become a header', async () => {
    const seen: unknown[] = [];
    const server = await start((request, response) => {
      seen.push(request.headers.authorization);
      sendRange(SMALL, request, response);
    });
    await read(`${server.url.replace('//', '//us%40er:pass@')}/m.gguf`);
    expect(seen).toEqual([`Basic ${Buffer.from('us@er:pass').toString('base64')}`]);
  });
});
