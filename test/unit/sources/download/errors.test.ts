import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { MIB } from '../../../../src/core/units.ts';
import { PATIENT, sha256 } from '../../../helpers/origin.ts';
import { downloader, FILE, fetchTo, folder, left, origin, plant, refusalOf, remoteOf } from './support.ts';

describe('bytes that are not the file', () => {
  test('row 7: the right size and wrong bytes, twice: deleted, with what was wanted and what came', async () => {
    const [into, server] = [await folder(), await origin(() => ({ flip: [MIB] }))];
    const error = await refusalOf(fetchTo(into, remoteOf(server)));
    const wrong = Uint8Array.from(FILE);
    wrong[MIB] = (wrong[MIB] ?? 0) ^ 1;
    expect(error).toMatchObject({ code: 'digest-mismatch', exitCode: 11 });
    expect(error.message).toContain('m.gguf from http://127.0.0.1');
    expect(error.message).toContain(`wanted ${sha256(FILE)}`);
    expect(error.message).toContain(`got    ${sha256(wrong)}`);
    expect(server.requests).toHaveLength(2);
    expect(await left(into)).toEqual([]);
  });

  test('row 7: wrong once, right when it is fetched again', async () => {
    const [into, server] = [await folder(), await origin((n) => (n === 0 ? { flip: [3] } : {}))];
    const { path, bytesMoved } = await fetchTo(into, remoteOf(server));
    expect([sha256(await readFile(path)), bytesMoved]).toEqual([sha256(FILE), 2 * FILE.length]);
  });

  test.each([
    ['a body without a length that has one byte more', FILE.length + 1, { ranges: 'ignore', length: false } as const],
    ['a body that never ends', FILE.length, { ranges: 'ignore', endless: true } as const],
  ])('row 8: %s is stopped', async (_, size, behaviour) => {
    const content = Buffer.concat([FILE, Buffer.alloc(size - FILE.length)]);
    const [into, server] = [await folder(), await origin(() => behaviour, content)];
    const error = await refusalOf(fetchTo(into, remoteOf(server)));
    expect(error).toMatchObject({ code: 'digest-mismatch', exitCode: 11 });
    expect(error.message).toContain(`more than the ${FILE.length} bytes of the file arrived`);
    expect(server.requests).toHaveLength(2);
    expect(await left(into)).toEqual([]);
    // What is in the buffers of two sockets is sent before anyone can stop it.
    expect(server.sentBytes()).toBeLessThan(2 * (FILE.length + 16 * MIB));
  });

  test.each([
    ['with ranges', {}],
    ['without ranges', { ranges: 'ignore' } as const],
  ])('row 8: a file of another size, %s, is refused by its head', async (_, behaviour) => {
    const content = Buffer.concat([FILE, Buffer.alloc(30 * MIB)]);
    const [into, server] = [await folder(), await origin(() => behaviour, content)];
    const error = await refusalOf(fetchTo(into, remoteOf(server)));
    expect(error).toMatchObject({ code: 'digest-mismatch', exitCode: 11 });
    expect(error.message).toContain(`the file there has ${content.length} bytes, not ${FILE.length}`);
    expect(await left(into)).toEqual([]);
  });

  test('row 8: a length that promises more than comes is a cut, not an end', async () => {
    const server = await origin((n) => (n === 0 ? { length: FILE.length, cutAfter: FILE.length - 1 } : {}));
    const { bytesMoved } = await fetchTo(await folder(), remoteOf(server));
    expect(bytesMoved).toBe(FILE.length);
    expect(server.requests.at(-1)?.range).toBe(`bytes=${FILE.length - 1}-${FILE.length - 1}`);
  });

  test.each(['gzip', 'br'] as const)('row 9: an answer in %s is refused unread', async (encoding) => {
    const [into, server] = [await folder(), await origin(() => ({ encoding }))];
    const error = await refusalOf(fetchTo(into, remoteOf(server)));
    expect(error).toMatchObject({ code: 'digest-mismatch', exitCode: 11 });
    expect(error.message).toContain(`compressed (${encoding})`);
    expect(server.requests.map(({ headers }) => headers['accept-encoding'])).toEqual(['identity']);
    expect(await left(into)).toEqual([]);
  });

  test('a web page in place of the file is reported as one', async () => {
    const server = await origin(() => ({ headers: { 'content-type': 'text/html; charset=utf-8' } }));
    const error = await refusalOf(fetchTo(await folder(), remoteOf(server)));
    expect(error).toMatchObject({ code: 'remote-fault', exitCode: 10 });
    expect(error.message).toContain('a web page');
    expect(server.requests).toHaveLength(1);
  });
});

describe('row 10: a server that stops sending', () => {
  test.each([
    ['before its answer', { silent: 'no-headers' } as const, 0],
    ['after the head of its answer', { silent: 'after-headers' } as const, 0],
    ['in the middle', { silent: 700_000 } as const, 700_000],
  ])('%s is asked again, then given up', async (_, behaviour, come) => {
    let slept = 0;
    const server = await origin(() => {
      slept += 1;
      return slept === 1 || come === 0 ? behaviour : { silent: 'no-headers' };
    });
    const into = await folder();
    const error = await refusalOf(fetchTo(into, remoteOf(server), downloader({ answerMs: 150, silenceMs: 150 })));
    expect(error).toMatchObject({ code: 'network', exitCode: 10 });
    expect(error.message).toContain('the server fell silent');
    expect(server.requests).toHaveLength(5);
    expect(await left(into)).toEqual(come === 0 ? [] : ['m.gguf', 'm.gguf.state']);
    await expect.poll(() => server.openConnections(), PATIENT).toBe(0);
  });

  test('dripping is as good as silent: too little in too long a time', async () => {
    const server = await origin(() => ({ drip: { bytes: 1, everyMs: 20 } }));
    const using = downloader({ slowMs: 200, slowBytes: 1000, tries: 3 });
    const error = await refusalOf(fetchTo(await folder(), remoteOf(server), using));
    expect(error).toMatchObject({ code: 'network', exitCode: 10 });
    expect(error.message).toContain('less than 1000 B arrived within 200 ms');
    expect(server.requests).toHaveLength(3);
  });

  test('dripping just above that limit ends as well', async () => {
    const server = await origin(() => ({ drip: { bytes: 10, everyMs: 20 } }));
    const using = downloader({ slowMs: 100, slowBytes: 10, stallMs: 400 });
    const error = await refusalOf(fetchTo(await folder(), remoteOf(server), using));
    expect(error.message).toContain('less than 64.0 KiB arrived within 400 ms');
    expect(error.suggestions[0]).toContain('Run the command again to resume');
  });
});

describe('row 11: a server that is busy', () => {
  test.each([
    ['seconds', '2', 2000],
    ['a date', 'Tue, 24 Nov 2026 12:00:20 GMT', 20_000],
    ['a date that has passed', 'Tue, 24 Nov 2026 11:00:00 GMT', undefined],
    ['nothing that can be read', 'soon', undefined],
  ])('and says how long, in %s, is left alone for that time', async (_, retryAfter, waitMs) => {
    const server = await origin((n) => (n < 2 ? { status: 429 + 74 * n, headers: { 'retry-after': retryAfter } } : {}));
    const using = downloader({}, { now: () => new Date('2026-11-24T12:00:00Z') });
    const { bytesMoved } = await fetchTo(await folder(), remoteOf(server), using);
    expect(bytesMoved).toBe(FILE.length);
    expect(server.requests.map(({ status }) => status)).toEqual([429, 503, 206]);
    expect(using.waits.map((each) => Math.floor(each / 1000) * 1000)).toEqual(
      waitMs === undefined ? [] : [waitMs, waitMs],
    );
  });

  test.each([
    ['61', '2026-11-24T12:01:01.000Z'],
    ['Wed, 25 Nov 2026 12:00:00 GMT', '2026-11-25T12:00:00.000Z'],
    ['1000000000000000000000', 'in many years'],
  ])('for longer than we wait (%s): fails at once and says when', async (retryAfter, when) => {
    const server = await origin(() => ({ status: 429, headers: { 'retry-after': retryAfter } }));
    const using = downloader({}, { now: () => new Date('2026-11-24T12:00:00Z') });
    const error = await refusalOf(fetchTo(await folder(), remoteOf(server), using));
    expect(error).toMatchObject({ code: 'remote-fault', exitCode: 10 });
    expect(error.message).toContain(when);
    expect([server.requests.length, using.waits]).toEqual([1, []]);
  });

  test.each([500, 502, 503, 504, 408, 429])('HTTP %i every time: five tries', async (status) => {
    const server = await origin(() => ({ status }));
    const error = await refusalOf(fetchTo(await folder(), remoteOf(server)));
    expect(error).toMatchObject({ code: 'remote-fault', exitCode: 10 });
    expect(error.message).toContain(`HTTP ${status}`);
    expect(server.requests).toHaveLength(5);
  });
});

describe('row 12: a server that refuses', () => {
  test.each([
    [401, 'unauthorised', 14],
    [403, 'unauthorised', 14],
    [404, 'source-not-found', 3],
    [410, 'source-not-found', 3],
    [400, 'remote-fault', 10],
  ])('HTTP %i is not asked again', async (status, code, exitCode) => {
    const [into, server] = [await folder(), await origin(() => ({ status }))];
    const error = await refusalOf(fetchTo(into, remoteOf(server)));
    expect(error).toMatchObject({ code, exitCode });
    expect(error.message).toContain(`${server.url}/m.gguf: `);
    expect(server.requests).toHaveLength(1);
    expect(await left(into)).toEqual([]);
  });

  test('what is here already is kept', async () => {
    const [into, server] = [await folder(), await origin(() => ({ status: 401 }))];
    await plant(into, FILE.subarray(0, MIB));
    await refusalOf(fetchTo(into, remoteOf(server)));
    expect(await left(into)).toEqual(['m.gguf', 'm.gguf.state']);
    expect(await readFile(join(into, 'm.gguf'))).toEqual(Buffer.from(FILE.subarray(0, MIB)));
  });
});

test('connection refused', async () => {
  const server = await origin();
  await server.close();
  const error = await refusalOf(fetchTo(await folder(), remoteOf(server)));
  expect(error).toMatchObject({ code: 'network', exitCode: 10 });
  expect(error.message).toContain('ECONNREFUSED');
});
