import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MIB } from '../../../../src/core/units.ts';
import type { RemoteFile } from '../../../../src/sources/contract.ts';
import { ConcurrencyController } from '../../../../src/sources/download/concurrency.ts';
import { headLine, parseState, rangeLine } from '../../../../src/sources/download/part-file.ts';
import { Ranges } from '../../../../src/sources/download/ranges.ts';
import { PATIENT, sha256 } from '../../../helpers/origin.ts';
import { downloader, FILE, origin, refusalOf, remoteOf } from './support.ts';

/** All bytes of a stream. */
async function taken(remote: RemoteFile, using = downloader(), signal = new AbortController().signal): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of using.stream(remote, signal)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe('a stream', () => {
  test('brings the bytes in order with one request', async () => {
    const server = await origin();
    expect(sha256(await taken(remoteOf(server)))).toBe(sha256(FILE));
    expect(server.requests).toHaveLength(1);
  });

  test('row 1: goes on where it was cut', async () => {
    const server = await origin((n) => (n < 3 ? { cutAfter: MIB } : {}));
    expect(sha256(await taken(remoteOf(server)))).toBe(sha256(FILE));
    expect(server.sentBytes()).toBeLessThan(FILE.length + 3 * MIB);
    expect(server.requests.slice(1).every(({ headers }) => headers['if-range'] !== undefined)).toBe(true);
  });

  test('row 3: passes over what it gave out already where the server knows no ranges', async () => {
    const server = await origin((n) => ({ ranges: 'ignore', ...(n === 0 && { cutAfter: 2 * MIB }) }));
    expect(sha256(await taken(remoteOf(server)))).toBe(sha256(FILE));
  });

  test('row 7: wrong bytes are not given out to their end', async () => {
    const server = await origin(() => ({ flip: [0] }));
    let given = 0;
    const reading = (async () => {
      for await (const chunk of downloader().stream(remoteOf(server), new AbortController().signal))
        given += chunk.length;
    })();
    expect(await refusalOf(reading)).toMatchObject({ code: 'digest-mismatch', exitCode: 11 });
    expect(given).toBeLessThan(FILE.length);
    expect(given).toBeGreaterThan(0);
  });

  test('row 8: and never more than the file has', async () => {
    const server = await origin(() => ({ ranges: 'ignore', endless: true }));
    expect(await refusalOf(taken(remoteOf(server)))).toMatchObject({ code: 'digest-mismatch', exitCode: 11 });
  });

  test('rows 2 and 10: fails when nothing comes any more', async () => {
    const cuts = await origin(() => ({ cutAfter: 100 }));
    expect(await refusalOf(taken(remoteOf(cuts)))).toMatchObject({ code: 'network', exitCode: 10 });
    const drips = await origin(() => ({ drip: { bytes: 1, everyMs: 10 } }));
    const using = downloader({ slowMs: 60, slowBytes: 1000, tries: 2 });
    const error = await refusalOf(taken(remoteOf(drips), using));
    expect(error.message).toContain('less than 1000 B arrived within 60 ms');
  });

  test('row 28: an abort and a reader that stops end the connection', async () => {
    const server = await origin(() => ({ silent: MIB }));
    const stop = new AbortController();
    const reason = new Error('enough');
    setTimeout(() => stop.abort(reason), 100);
    await expect(taken(remoteOf(server), downloader({ silenceMs: 30_000 }), stop.signal)).rejects.toBe(reason);
    for await (const chunk of downloader().stream(remoteOf(server), new AbortController().signal)) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    await expect.poll(() => server.openConnections(), PATIENT).toBe(0);
  });
});

describe('stretches of a file', () => {
  const stretch = fc.tuple(fc.nat(60), fc.nat(20)).map(([start, length]) => ({ start, end: start + length }));

  test('are what a set of bytes would say', () => {
    fc.assert(
      fc.property(fc.array(stretch), fc.nat(90), (stretches, size) => {
        const ranges = new Ranges();
        const bytes = new Set<number>();
        for (const { start, end } of stretches) {
          ranges.add(start, end);
          for (let at = start; at < end; at += 1) bytes.add(at);
        }
        expect(ranges.total).toBe(bytes.size);
        const missing = ranges
          .missing(size)
          .flatMap(({ start, end }) => Array.from({ length: end - start }, (_, at) => start + at));
        expect(missing).toEqual(Array.from({ length: size }, (_, at) => at).filter((at) => !bytes.has(at)));
        let prefix = 0;
        while (bytes.has(prefix)) prefix += 1;
        expect(ranges.prefixEnd).toBe(prefix);
        const list = ranges.list;
        expect(list.every(({ start, end }, at) => start < end && start > (list[at - 1]?.end ?? -1))).toBe(true);
      }),
    );
  });

  test('of a state file are never more than were written, wherever it was cut off', () => {
    const digest = sha256(FILE);
    fc.assert(
      fc.property(fc.array(stretch), fc.nat(2000), (stretches, cut) => {
        const head = headLine({ schemaVersion: 1, sizeBytes: 80, digest });
        const text = head + stretches.map(({ start, end }) => rangeLine(start, end)).join('');
        const state = parseState(text.slice(0, cut));
        expect(state === undefined).toBe(cut < head.length);
        const whole = new Ranges();
        for (const { start, end } of stretches) whole.add(start, end);
        for (const { start, end } of state?.ranges.list ?? []) {
          expect(whole.list.some((range) => range.start <= start && end <= range.end)).toBe(true);
        }
      }),
    );
  });
});

describe('the number of connections', () => {
  const limits = { measureMs: 100, maxConnections: 8 };
  /** Looks every 100 ms at a server that gives so much in all and so much to each connection, in bytes a ms. */
  function targets(each: number, all: number, left = 1e9, ramp = new ConcurrencyController(limits)): number[] {
    let bytes = 0;
    return Array.from({ length: 12 }, (_, step) => {
      ramp.measure(step * 100, bytes, left * Math.max(1, each / 1000) - bytes, true);
      bytes += 100 * Math.min(all, each * ramp.target);
      return ramp.target;
    });
  }

  test.each([
    ['a server that limits every connection', 1000, 1e9, 8],
    ['a line that one connection fills', 1000, 1000, 1],
    ['a line on which one connection has plenty', 200_000, 1e9, 1],
    ['a line that four connections fill', 1000, 4000, 8],
    ['a line that a second connection fills', 1000, 1500, 2],
    ['a server in trouble', 10, 1e9, 1],
  ])('for %s', (_, each, all, wanted) => {
    expect(targets(each, all).at(-1)).toBe(wanted);
  });

  test('is tried again after a time: a line may have been busy', () => {
    const ramp = new ConcurrencyController(limits);
    expect(targets(1000, 1000, 1e9, ramp).at(-1)).toBe(1);
    let bytes = 0;
    const later = Array.from({ length: 40 }, (_, step) => {
      ramp.measure(1200 + step * 100, bytes, 1e9, true);
      bytes += 100_000 * ramp.target;
      return ramp.target;
    });
    expect(later.at(-1)).toBe(8);
  });

  test('that a server refuses is not tried again', () => {
    const ramp = new ConcurrencyController(limits);
    ramp.limitTo(2);
    expect(new Set(targets(1000, 1e9, 1e9, ramp))).toEqual(new Set([2]));
  });

  test('for what is nearly done stays', () => {
    expect(new Set(targets(1000, 1e9, 1_200_000))).toEqual(new Set([1]));
  });
});
