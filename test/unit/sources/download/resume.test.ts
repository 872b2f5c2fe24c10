import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { MIB } from '../../../../src/core/units.ts';
import { stateFileOf } from '../../../../src/sources/download/index.ts';
import { PATIENT, sha256 } from '../../../helpers/origin.ts';
import { downloader, FILE, fetchTo, folder, left, origin, plant, refusalOf, remoteOf } from './support.ts';

const HEAD = `${JSON.stringify({ schemaVersion: 1, sizeBytes: FILE.length, digest: sha256(FILE) })}\n`;

describe('a good server', () => {
  test('gives the file with one request, its bytes as they are, and no state is left', async () => {
    const [into, server] = [await folder(), await origin()];
    const { path, bytesMoved, events } = await fetchTo(into, remoteOf(server));
    expect(sha256(await readFile(path))).toBe(sha256(FILE));
    expect(bytesMoved).toBe(FILE.length);
    expect(server.requests.map(({ range, headers }) => [range, headers['accept-encoding']])).toEqual([
      [`bytes=0-${FILE.length - 1}`, 'identity'],
    ]);
    expect(await left(into)).toEqual(['m.gguf']);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(events.at(0)).toEqual({ type: 'bytes', id: 'fetch', done: 0, total: FILE.length });
    expect(events.at(-1)).toEqual({ type: 'bytes', id: 'fetch', done: FILE.length, total: FILE.length });
  });

  test('an empty file needs no request', async () => {
    const [into, server] = [await folder(), await origin()];
    const remote = remoteOf(server, { sizeBytes: 0, digest: sha256(new Uint8Array(0)) });
    const { path, bytesMoved } = await fetchTo(into, remote);
    expect([(await stat(path)).size, bytesMoved, server.requests.length]).toEqual([0, 0, 0]);
  });
});

describe('a connection that is cut', () => {
  test('row 1: three times, is resumed with Range and If-Range, and no byte is fetched twice', async () => {
    const [into, server] = [await folder(), await origin((n) => (n < 3 ? { cutAfter: MIB } : {}))];
    const { path, bytesMoved } = await fetchTo(into, remoteOf(server));
    expect(sha256(await readFile(path))).toBe(sha256(FILE));
    expect(bytesMoved).toBeLessThanOrEqual(FILE.length + 3 * MIB);
    expect(server.sentBytes()).toBeLessThanOrEqual(FILE.length + 3 * MIB);
    expect(server.requests.map(({ status }) => status)).toEqual([206, 206, 206, 206]);
    expect(server.requests.slice(1).every(({ headers }) => headers['if-range'] === `"${sha256(FILE).slice(7)}"`)).toBe(
      true,
    );
  });

  test('row 2: that is always cut fails with the partial file kept, and the next run resumes', async () => {
    let broken = true;
    const server = await origin((n) => (broken ? (n === 0 ? { cutAfter: 2 * MIB } : { cutAfter: 10 }) : {}));
    const into = await folder();
    const error = await refusalOf(fetchTo(into, remoteOf(server)));
    expect(error).toMatchObject({ code: 'network', exitCode: 10 });
    expect(error.message).toContain(`${server.url}/m.gguf: `);
    expect(error.message).toMatch(/2\.0 MiB of 5\.0 MiB downloaded/);
    expect(error.suggestions[0]).toContain('Run the command again to resume');
    // The first brought something, four more brought next to nothing.
    expect(server.requests).toHaveLength(5);
    expect(await left(into)).toEqual(['m.gguf', 'm.gguf.state']);
    broken = false;
    const { path, bytesMoved } = await fetchTo(into, remoteOf(server));
    expect(sha256(await readFile(path))).toBe(sha256(FILE));
    expect(bytesMoved).toBeLessThanOrEqual(FILE.length - 2 * MIB);
  });

  test('progress makes it forget earlier cuts: twelve are no reason to give up', async () => {
    const server = await origin((n) => (n < 12 ? { cutAfter: 300_000 } : {}));
    const { bytesMoved } = await fetchTo(await folder(), remoteOf(server));
    expect(server.requests).toHaveLength(13);
    expect(bytesMoved).toBe(FILE.length);
  });

  test('waits between tries are random and double, up to a cap', async () => {
    const server = await origin(() => ({ cutAfter: 0 }));
    const using = downloader({ waitMs: 4000, waitCapMs: 15_000 }, { random: () => 0.75 });
    await refusalOf(fetchTo(await folder(), remoteOf(server), using));
    expect(using.waits).toEqual([3000, 6000, 11_250, 11_250]);
  });
});

describe('a server that knows no ranges', () => {
  test('row 3: what is here is not appended to, the file comes from its start', async () => {
    const [into, server] = [await folder(), await origin(() => ({ ranges: 'ignore' }))];
    await plant(into, FILE.subarray(0, MIB));
    const { path } = await fetchTo(into, remoteOf(server));
    expect(sha256(await readFile(path))).toBe(sha256(FILE));
    expect(server.requests.map(({ status }) => status)).toEqual([200, 200]);
  });

  test('and cuts, is read from the start again, and given up when that brings nothing more', async () => {
    const heals = await origin((n) => ({ ranges: 'ignore', ...(n < 2 && { cutAfter: MIB }) }));
    const { path } = await fetchTo(await folder(), remoteOf(heals));
    expect(sha256(await readFile(path))).toBe(sha256(FILE));
    const never = await origin(() => ({ ranges: 'ignore', cutAfter: MIB }));
    const into = await folder();
    const error = await refusalOf(fetchTo(into, remoteOf(never)));
    expect(error.code).toBe('network');
    expect(error.suggestions[0]).toBe('Run the command again.');
    expect(never.requests).toHaveLength(5);
    expect(await left(into)).toEqual([]);
  });
});

describe('a server that gives other parts', () => {
  test('row 4: another Content-Range than asked for, once: one clean restart', async () => {
    const into = await folder();
    await plant(into, FILE.subarray(0, MIB));
    const server = await origin((n) => (n === 0 ? { ranges: 'shifted' } : {}));
    const { path } = await fetchTo(into, remoteOf(server));
    expect(sha256(await readFile(path))).toBe(sha256(FILE));
    expect(server.requests.map(({ range }) => range)).toEqual([
      `bytes=${MIB}-${FILE.length - 1}`,
      `bytes=0-${FILE.length - 1}`,
    ]);
  });

  test('row 4: another Content-Range always: refused, and nothing is kept', async () => {
    const [into, server] = [await folder(), await origin(() => ({ ranges: 'shifted' }))];
    const error = await refusalOf(fetchTo(into, remoteOf(server)));
    expect(error).toMatchObject({ code: 'digest-mismatch', exitCode: 11 });
    expect(error.message).toContain('Content-Range');
    expect(server.requests).toHaveLength(2);
    expect(await left(into)).toEqual([]);
  });

  test('row 4: another ETag when it is resumed: from the start, in one go', async () => {
    // The server honours If-Range: it gives the whole.
    const honest = await origin((n) => (n === 0 ? { cutAfter: 2 * MIB } : { etag: '"new"' }));
    const first = await fetchTo(await folder(), remoteOf(honest));
    expect(sha256(await readFile(first.path))).toBe(sha256(FILE));
    expect(honest.requests.map(({ status }) => status)).toEqual([206, 200, 206]);
    // It ignores If-Range: parts of another file would be taken for parts of this one.
    const into = await folder();
    await plant(
      into,
      FILE.subarray(0, MIB),
      `${HEAD.replace('}\n', ',"validator":"Tue, 24 Nov 2026 10:00:00 GMT"}\n')}0 ${MIB}\n`,
    );
    const careless = await origin(() => ({ lastModified: 'Tue, 24 Nov 2026 10:00:00 GMT' }));
    const second = await fetchTo(into, remoteOf(careless));
    expect(sha256(await readFile(second.path))).toBe(sha256(FILE));
    expect(careless.requests.map(({ range }) => range)).toEqual([
      `bytes=${MIB}-${FILE.length - 1}`,
      `bytes=0-${FILE.length - 1}`,
    ]);
  });
});

describe('what an earlier run left', () => {
  test('row 5: a whole partial is hashed and needs no request', async () => {
    const [into, server] = [await folder(), await origin()];
    await plant(into, FILE);
    const { path, bytesMoved } = await fetchTo(into, remoteOf(server));
    expect([sha256(await readFile(path)), bytesMoved, server.requests.length]).toEqual([sha256(FILE), 0, 0]);
    expect(await left(into)).toEqual(['m.gguf']);
  });

  test('row 5: a larger partial is dropped, once', async () => {
    const [into, server] = [await folder(), await origin()];
    await plant(into, Buffer.concat([FILE, Buffer.of(1)]));
    const { path, bytesMoved } = await fetchTo(into, remoteOf(server));
    expect([sha256(await readFile(path)), bytesMoved]).toEqual([sha256(FILE), FILE.length]);
  });

  test('row 5: 416 with a body and a lying length: the body is not read, the file comes without Range', async () => {
    const server = await origin((_, { range }) => (range === undefined ? {} : { ranges: 'refuse' }));
    const into = await folder();
    await plant(into, FILE.subarray(0, 1000));
    const { path } = await fetchTo(into, remoteOf(server));
    expect(sha256(await readFile(path))).toBe(sha256(FILE));
    expect(server.requests.map(({ status, range }) => [status, range])).toEqual([
      [416, `bytes=1000-${FILE.length - 1}`],
      [416, `bytes=0-${FILE.length - 1}`],
      [200, undefined],
    ]);
  });

  test('row 6: a corrupt partial is found by its hash, and the file is fetched again', async () => {
    const [into, server] = [await folder(), await origin()];
    const corrupt = Uint8Array.from(FILE.subarray(0, 2 * MIB));
    corrupt[77] = (corrupt[77] ?? 0) ^ 4;
    await plant(into, corrupt, `${HEAD}0 ${2 * MIB}\n`);
    const { path, bytesMoved } = await fetchTo(into, remoteOf(server));
    expect(sha256(await readFile(path))).toBe(sha256(FILE));
    expect(bytesMoved).toBe(FILE.length - 2 * MIB + FILE.length);
  });

  test('only its missing stretches are fetched', async () => {
    const [into, server] = [await folder(), await origin()];
    const holes = Uint8Array.from(FILE);
    holes.fill(0, MIB, 2 * MIB);
    holes.fill(0, 3 * MIB, 3 * MIB + 10);
    await plant(into, holes, `${HEAD}${2 * MIB} ${3 * MIB}\n0 ${MIB}\n${3 * MIB + 10} ${FILE.length}\n`);
    const { path, bytesMoved } = await fetchTo(into, remoteOf(server));
    expect(sha256(await readFile(path))).toBe(sha256(FILE));
    expect(bytesMoved).toBe(MIB + 10);
    expect(server.requests.map(({ range }) => range)).toEqual([
      `bytes=${MIB}-${2 * MIB - 1}`,
      `bytes=${3 * MIB}-${3 * MIB + 9}`,
    ]);
  });

  test.each([
    ['a state of another file', HEAD.replace(/[0-9a-f]{64}/, '0'.repeat(64))],
    ['a state of another size', HEAD.replace(String(FILE.length), '77')],
    ['a state that is no text', '\u0000\u0001'],
    ['an empty state', ''],
  ])('%s: everything is fetched', async (_, state) => {
    const [into, server] = [await folder(), await origin()];
    await plant(into, FILE.subarray(0, MIB), state);
    const { path, bytesMoved } = await fetchTo(into, remoteOf(server));
    expect([sha256(await readFile(path)), bytesMoved]).toEqual([sha256(FILE), FILE.length]);
  });

  test('a state that promises more than the file has is believed as far as the file goes', async () => {
    const [into, server] = [await folder(), await origin()];
    await plant(into, FILE.subarray(0, MIB), `${HEAD}0 ${3 * MIB}\n${4 * MIB} ${FILE.length}\n0 99999999999\nx y\n5 6`);
    const { path, bytesMoved } = await fetchTo(into, remoteOf(server));
    expect([sha256(await readFile(path)), bytesMoved]).toEqual([sha256(FILE), FILE.length - MIB]);
  });
});

describe('an abort', () => {
  test('row 28: stops at once, keeps what came, and the next run goes on', async () => {
    const server = await origin((n) => (n === 0 ? { silent: 2 * MIB } : {}));
    const into = await folder();
    const stop = new AbortController();
    const reason = new Error('stopped by the user');
    const using = downloader({ silenceMs: 30_000 });
    const fetching = fetchTo(into, remoteOf(server), using, stop.signal);
    const settled = expect(fetching).rejects.toBe(reason);
    await expect
      .poll(async () => (await stat(join(into, 'm.gguf')).catch(() => undefined))?.size ?? 0, PATIENT)
      .toBeGreaterThan(MIB);
    const started = performance.now();
    stop.abort(reason);
    await settled;
    expect(performance.now() - started).toBeLessThan(2000);
    await expect.poll(() => server.openConnections(), PATIENT).toBe(0);
    expect(await left(into)).toEqual(['m.gguf', 'm.gguf.state']);
    const { path, bytesMoved } = await fetchTo(into, remoteOf(server));
    expect([sha256(await readFile(path)), bytesMoved]).toEqual([sha256(FILE), FILE.length - 2 * MIB]);
  });

  test('before the first byte leaves nothing', async () => {
    const server = await origin(() => ({ silent: 'no-headers' }));
    const into = await folder();
    const stop = new AbortController();
    const fetching = fetchTo(into, remoteOf(server), downloader({ answerMs: 30_000 }), stop.signal);
    const settled = expect(fetching).rejects.toThrow('enough');
    await expect.poll(() => server.requests.length, PATIENT).toBe(1);
    stop.abort(new Error('enough'));
    await settled;
    expect(await left(into)).toEqual([]);
  });

  test('a caller that stops reading progress ends the download as well', async () => {
    const server = await origin(() => ({ bytesPerSecond: MIB }));
    const path = join(await folder(), 'm.gguf');
    const work = downloader().fetch(remoteOf(server), path, new AbortController().signal);
    for (let events = 0; events < 3; events += 1) await work.next();
    await work.return({ bytesMoved: 0 });
    await expect.poll(() => server.openConnections(), PATIENT).toBe(0);
  });
});

test('a state file that cannot be read is reported', async () => {
  const [into, server] = [await folder(), await origin()];
  await writeFile(join(into, 'm.gguf'), 'x');
  const { mkdir } = await import('node:fs/promises');
  await mkdir(stateFileOf(join(into, 'm.gguf')));
  const error = await refusalOf(fetchTo(into, remoteOf(server)));
  expect(error).toMatchObject({ code: 'bad-path', exitCode: 2 });
  expect(server.requests).toHaveLength(0);
});
