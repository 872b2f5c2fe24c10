import { createHash } from 'node:crypto';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import nock from 'nock';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { digestOf } from '../../../../src/core/digest.ts';
import { drive, type ProgressEvent } from '../../../../src/core/progress.ts';
import type { OpenForReading } from '../../../../src/disk/port.ts';
import type { LimitChanges } from '../../../../src/net/limits.ts';
import { hasBlob, uploadBlob } from '../../../../src/runtimes/ollama/blobs.ts';
import { parseHost } from '../../../../src/runtimes/ollama/host.ts';
import { failureOf, never } from '../../../helpers/failure.ts';
import { plainHttp } from '../../../helpers/http.ts';
import { serve, type TestServer } from '../../../helpers/http-server.ts';
import { freePort } from '../../../helpers/ollama-server.ts';
import { zeroFile } from '../../../helpers/runtime-fakes.ts';

const digest = digestOf('any');
const MIB = 1024 ** 2;
let folder: string;
let server: TestServer | undefined;

beforeAll(async () => {
  // nock says that a piece is written while it still holds it; only the real socket shows when memory may be used again.
  nock.restore();
  folder = await mkdtemp(join(tmpdir(), 'blobs-'));
});
afterAll(async () => {
  nock.activate();
  await rm(folder, { recursive: true });
});
afterEach(async () => {
  await server?.close();
  server = undefined;
});

function connectionTo(url: string, limits: LimitChanges = {}) {
  return { host: parseHost(url), http: plainHttp, limits, reconnectMs: 10_000 };
}

type Handler = (request: IncomingMessage, response: ServerResponse, path: string) => void;

async function upload(
  handler: Handler,
  file: { path: string; sizeBytes: number },
  openFile: OpenForReading = (path) => open(path),
) {
  server = await serve(handler);
  const events: ProgressEvent[] = [];
  const work = uploadBlob(connectionTo(server.url), openFile, { file: { ref: 'f', ...file }, digest }, never);
  const bytes = await drive(work, (event) => events.push(event));
  return { bytes, events };
}

/** Takes the whole body, then answers. */
function taking(status: number, text = '', seen?: (hash: string, bytes: number) => void): Handler {
  return (request, response) => {
    const hash = createHash('sha256');
    let bytes = 0;
    request.on('data', (piece: Buffer) => {
      hash.update(piece);
      bytes += piece.length;
    });
    request.on('end', () => {
      seen?.(hash.digest('hex'), bytes);
      response.writeHead(status, { 'content-type': 'application/json' }).end(text);
    });
  };
}

describe('hasBlob', () => {
  test.each([
    [200, true],
    [404, false],
  ])('%i is %s', async (status, has) => {
    server = await serve((_request, response) => response.writeHead(status).end());
    expect(await hasBlob(connectionTo(server.url), digest, never)).toBe(has);
    expect(server.requests).toEqual([`HEAD /api/blobs/${digest}`]);
  });

  test('anything else is an error', async () => {
    server = await serve((_request, response) => response.writeHead(500).end());
    expect((await failureOf(hasBlob(connectionTo(server.url), digest, never))).code).toBe('runtime-refused');
  });
});

describe('uploadBlob', () => {
  test.each([0, 1, MIB - 1, MIB, MIB + 1, 9 * MIB + 7])('sends %i bytes exactly', async (size) => {
    const path = join(folder, `${size}.gguf`);
    const content = Buffer.alloc(size, 'many different bytes and not only zeros ');
    await writeFile(path, content);
    let arrived: unknown;
    const { bytes, events } = await upload(
      taking(201, '', (hash, count) => {
        arrived = { hash: `sha256:${hash}`, count };
      }),
      { path, sizeBytes: size },
    );
    expect(bytes).toBe(size);
    expect(arrived).toEqual({ hash: digestOf(content), count: size });
    expect(events.at(-1)).toEqual({ type: 'bytes', id: 'upload', done: size, total: size });
  });

  test('counts up and never past the size', async () => {
    const { events } = await upload(taking(201), { path: 'zeros', sizeBytes: 64 * MIB }, zeroFile);
    const done = events.map((event) => (event.type === 'bytes' ? event.done : -1));
    expect(done.toSorted((a, b) => a - b)).toEqual(done);
    expect(done.at(0)).toBe(0);
    expect(done.at(-1)).toBe(64 * MIB);
  });

  test('asks for no more memory than its ring while the server is slow', async () => {
    const buffers = new Set<ArrayBufferLike>();
    const counting: OpenForReading = async (path) => {
      const file = await zeroFile(path);
      return {
        ...file,
        read: (buffer, offset, length, position) => {
          buffers.add(buffer.buffer);
          return file.read(buffer, offset, length, position);
        },
      };
    };
    await upload(taking(201), { path: 'zeros', sizeBytes: 40 * MIB }, counting);
    expect(buffers.size).toBe(4);
  });

  test('row 31: a server that has it already answers at once: that is success', async () => {
    const { bytes } = await upload(
      (request, response) => {
        if (request.method === 'HEAD') response.end();
        else response.writeHead(200, { connection: 'close' }).end();
      },
      { path: 'zeros', sizeBytes: 200 * MIB },
      zeroFile,
    );
    expect(bytes).toBeLessThan(200 * MIB);
  });

  test('row 31: a broken connection is success when the server has the blob', async () => {
    const { bytes } = await upload(
      (request, response) => {
        if (request.method === 'HEAD') response.end();
        else request.once('data', () => request.socket.resetAndDestroy());
      },
      { path: 'zeros', sizeBytes: 200 * MIB },
      zeroFile,
    );
    expect(bytes).toBe(0);
  });

  test('a broken connection is a failure when it has not', async () => {
    const work = upload(
      (request, response) => {
        if (request.method === 'HEAD') response.writeHead(404).end();
        else request.once('data', () => request.socket.resetAndDestroy());
      },
      { path: 'zeros', sizeBytes: 200 * MIB },
      zeroFile,
    );
    const error = await failureOf(work);
    expect(error.code).toBe('runtime-died');
    expect(error.message).toContain('uploading zeros');
  });

  test.each([
    [
      `digest mismatch, expected \\"sha256:00\\", got \\"sha256:${'ab'.repeat(32)}\\"`,
      400,
      'digest-mismatch',
      'ab'.repeat(32),
    ],
    ['digest does not match body', 400, 'digest-mismatch', 'other bytes'],
    ['write /models: no space left on device', 500, 'disk-full', 'no space left'],
    ['invalid digest format', 400, 'runtime-refused', 'invalid digest'],
  ])('%s', async (text, status, code, words) => {
    const work = upload(taking(status, `{"error":"${text}"}`), { path: 'zeros', sizeBytes: 3 * MIB }, zeroFile);
    const error = await failureOf(work);
    expect(error.code).toBe(code);
    expect(error.message).toContain(words);
  });

  test('row 20: an error in the middle of a long upload is read, not drowned', async () => {
    const work = upload(
      (request, response) => {
        if (request.method === 'HEAD') response.writeHead(404).end();
        else response.writeHead(500, { 'content-type': 'application/json' }).end('{"error":"no space left on device"}');
      },
      { path: 'zeros', sizeBytes: 200 * MIB },
      zeroFile,
    );
    expect((await failureOf(work)).code).toBe('disk-full');
  });

  test('a file that became shorter is not sent to its end', async () => {
    const path = join(folder, 'short.gguf');
    await writeFile(path, Buffer.alloc(MIB + 5));
    const error = await failureOf(upload(taking(201), { path, sizeBytes: 2 * MIB }));
    expect(error.code).toBe('truncated-file');
  });

  test('a file that is not there, or not to be read', async () => {
    const absent = await failureOf(upload(taking(201), { path: join(folder, 'absent'), sizeBytes: 5 }));
    expect(absent.code).toBe('file-not-found');
    await server?.close();
    const denied: OpenForReading = async () => {
      throw Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' });
    };
    expect((await failureOf(upload(taking(201), { path: 'f', sizeBytes: 5 }, denied))).code).toBe('file-access');
  });

  test('leaves no file open when nothing listens, or when the server hangs up', async () => {
    let open = 0;
    const counting: OpenForReading = async (path) => {
      open += 1;
      return {
        ...(await zeroFile(path)),
        async close() {
          open -= 1;
        },
      };
    };
    const connection = connectionTo(`http://127.0.0.1:${await freePort()}`);
    const file = { ref: 'f', path: 'f', sizeBytes: 50 * MIB };
    const error = await failureOf(drive(uploadBlob(connection, counting, { file, digest }, never), () => {}));
    expect(error.code).toBe('runtime-unreachable');
    expect(open).toBe(0);
    server = await serve((request) => void setTimeout(() => request.socket.destroy(), 50));
    const cut = await failureOf(
      drive(uploadBlob(connectionTo(server.url), counting, { file, digest }, never), () => {}),
    );
    expect(cut.code).toBe('runtime-died');
    await expect.poll(() => open).toBe(0);
  });

  test('a server that stops reading is given up', async () => {
    server = await serve((request) => request.pause());
    const file = { ref: 'f', path: 'f', sizeBytes: 200 * MIB };
    const connection = connectionTo(server.url, { upload: { answerMs: 200, silenceMs: 200 } });
    const error = await failureOf(drive(uploadBlob(connection, zeroFile, { file, digest }, never), () => {}));
    expect(error.code).toBe('runtime-timeout');
  });

  test('an abort stops it and closes the file', async () => {
    let closed = 0;
    const counting: OpenForReading = async (path) => ({
      ...(await zeroFile(path)),
      async close() {
        closed += 1;
      },
    });
    const controller = new AbortController();
    server = await serve((request) => {
      request.once('data', () => controller.abort());
    });
    const file = { ref: 'f', path: 'f', sizeBytes: 500 * MIB };
    const work = uploadBlob(connectionTo(server.url), counting, { file, digest }, controller.signal);
    expect((await failureOf(drive(work, () => {}))).code).toBe('interrupted');
    await expect.poll(() => closed).toBe(1);
  });

  test('a consumer that gives up stops it', async () => {
    let began: () => void = () => {};
    const beginning = new Promise<void>((resolve) => {
      began = resolve;
    });
    let received = 0;
    let gone: () => void = () => {};
    const cut = new Promise<void>((resolve) => {
      gone = resolve;
    });
    server = await serve((request) => {
      request.on('close', () => gone());
      request.on('data', (piece: Buffer) => {
        received += piece.length;
        began();
      });
    });
    const file = { ref: 'f', path: 'f', sizeBytes: 100_000 * MIB };
    const work = uploadBlob(connectionTo(server.url), zeroFile, { file, digest }, never);
    await work.next();
    await beginning;
    await work.return(undefined as never);
    await cut;
    expect(received).toBeLessThan(file.sizeBytes);
  });
});
