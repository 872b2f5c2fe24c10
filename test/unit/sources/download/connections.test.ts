import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { MIB } from '../../../../src/core/units.ts';
import { type Disk, realDisk } from '../../../../src/disk/disk.ts';
import type {} from '../../../../src/sources/download/index.ts';
import { fileWith } from '../../../helpers/disk.ts';
import { PATIENT, sha256, testBytes } from '../../../helpers/origin.ts';
import { downloader, FILE, fetchTo, folder, left, OPEN_HASH, origin, refusalOf, remoteOf } from './support.ts';

const EAGER = { minSplitBytes: 256 * 1024, measureMs: 200, maxConnections: 8 };

describe('connections', () => {
  test('are added while each brings more: a server that limits every one gets several', async () => {
    const server = await origin(() => ({ bytesPerSecond: MIB }));
    const into = await folder();
    const { path, bytesMoved } = await fetchTo(into, remoteOf(server), downloader(EAGER));
    expect(sha256(await fs.readFile(path))).toBe(sha256(FILE));
    expect(server.requests.length).toBeGreaterThanOrEqual(2);
    // What is under way when a connection is cut short for another one.
    expect(bytesMoved).toBeLessThan(FILE.length + MIB);
    expect(await left(into)).toEqual(['m.gguf']);
  });

  test('are asked for pieces that grow, one behind the other, on one connection', async () => {
    const server = await origin();
    const using = downloader({ leastPieceBytes: 100_000, mostPieceBytes: MIB });
    const { path, bytesMoved } = await fetchTo(await folder(), remoteOf(server), using);
    expect([sha256(await fs.readFile(path)), bytesMoved]).toEqual([sha256(FILE), FILE.length]);
    const sizes = server.requests.map(({ range }) => {
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
      return Number(last) - Number(first) + 1;
    });
    expect(sizes[0]).toBe(100_000);
    expect(Math.max(...sizes)).toBe(MIB);
    expect(new Set(server.requests.map(({ connection }) => connection)).size).toBeLessThan(3);
  });

  test('never more than allowed', async () => {
    let most = 0;
    const server = await origin(() => {
      most = Math.max(most, server.openConnections());
      return { bytesPerSecond: 700_000 };
    });
    await fetchTo(await folder(), remoteOf(server), downloader({ ...EAGER, maxConnections: 3 }));
    expect(most).toBeGreaterThan(1);
    // One that was cut short may still be open when the next one comes.
    expect(most).toBeLessThanOrEqual(4);
  });

  test('a server that refuses a second connection gets only one at a time', async () => {
    const server = await origin((n) => (n === 1 ? { status: 429 } : { bytesPerSecond: 1.5 * MIB }));
    const { path, bytesMoved } = await fetchTo(await folder(), remoteOf(server), downloader(EAGER));
    expect(sha256(await fs.readFile(path))).toBe(sha256(FILE));
    // The first, the one that was refused, and one for what that was to bring.
    expect(server.requests.map(({ status }) => status)).toEqual([206, 429, 206]);
    expect(bytesMoved).toBeLessThan(FILE.length + MIB);
  });

  test('that break, several at once, lose nothing that came', async () => {
    const server = await origin((n) => ({ bytesPerSecond: 2 * MIB, ...(n % 3 === 1 && { cutAfter: 500_000 }) }));
    const { path, bytesMoved } = await fetchTo(await folder(), remoteOf(server), downloader(EAGER));
    expect(sha256(await fs.readFile(path))).toBe(sha256(FILE));
    expect(bytesMoved).toBeLessThan(FILE.length + server.requests.length * MIB);
  });

  test('a file that is fetched in pieces is resumed in pieces', async () => {
    const server = await origin(() => ({ bytesPerSecond: MIB }));
    const into = await folder();
    const stop = new AbortController();
    const using = downloader(EAGER);
    const fetching = fetchTo(into, remoteOf(server), using, stop.signal);
    const settled = expect(fetching).rejects.toThrow('enough');
    await expect.poll(() => server.requests.length, PATIENT).toBeGreaterThanOrEqual(2);
    stop.abort(new Error('enough'));
    await settled;
    const before = server.sentBytes();
    const { path, bytesMoved } = await fetchTo(into, remoteOf(server), using);
    expect(sha256(await fs.readFile(path))).toBe(sha256(FILE));
    expect(bytesMoved).toBeLessThan(FILE.length);
    expect(before + bytesMoved).toBeLessThan(FILE.length + 8 * MIB);
  });
});

describe('hashing behind the writer', () => {
  test('an empty file, a whole one, a wrong one, and one that is cut while it is hashed', async () => {
    const path = join(await folder(), 'f');
    await fs.writeFile(path, 'abc');
    const none = OPEN_HASH(path);
    expect(await none.finish()).toBe(sha256(new Uint8Array(0)).slice(7));
    const whole = OPEN_HASH(path);
    for (const end of [1, 2, 2, 3]) whole.advance(end);
    expect(await whole.finish()).toBe(sha256(Buffer.from('abc')).slice(7));
    await whole.stop();
    const cut = OPEN_HASH(path);
    cut.advance(10);
    await expect(cut.finish()).rejects.toThrow('the file ends at 3 bytes');
    await cut.stop();
    const gone = OPEN_HASH(`${path}-gone`);
    gone.advance(1);
    await expect(gone.finish()).rejects.toThrow('ENOENT');
    const stopped = OPEN_HASH(path);
    await stopped.stop();
    stopped.advance(2);
    await expect(stopped.finish()).rejects.toThrow('the hashing was stopped');
  });
});

describe('row 18: a disk that fails', () => {
  test.each([
    ['ENOSPC', 'disk-full', 'the disk is full'],
    ['EDQUOT', 'disk-full', 'quota is used up'],
    ['EACCES', 'file-access', 'permission denied'],
    ['EIO', 'file-access', 'EIO'],
  ])('%s in the middle: what came is kept, and the next run goes on', async (errno, code, why) => {
    const server = await origin();
    const into = await folder();
    const error = await refusalOf(fetchTo(into, remoteOf(server), downloader({}, { disk: failing(errno, 2 * MIB) })));
    expect(error).toMatchObject({ code, exitCode: code === 'disk-full' ? 12 : 14 });
    expect(error.message).toContain(join(into, 'm.gguf'));
    expect(error.message).toContain(why);
    expect(await left(into)).toEqual(['m.gguf', 'm.gguf.state']);
    const { path, bytesMoved } = await fetchTo(into, remoteOf(server));
    expect([sha256(await fs.readFile(path)), bytesMoved]).toEqual([sha256(FILE), FILE.length - 2 * MIB]);
  });

  test('full from the start: no empty file is left', async () => {
    const [into, server] = [await folder(), await origin()];
    const error = await refusalOf(fetchTo(into, remoteOf(server), downloader({}, { disk: failing('ENOSPC', 0) })));
    expect(error.code).toBe('disk-full');
    expect(await left(into)).toEqual([]);
  });

  test('a folder that is not there', async () => {
    const server = await origin();
    const error = await refusalOf(fetchTo(join(await folder(), 'none'), remoteOf(server)));
    expect(error).toMatchObject({ code: 'file-access', exitCode: 14 });
    expect(server.requests).toHaveLength(0);
  });

  test('row 47: a link in place of the file is not followed', async () => {
    const [into, server] = [await folder(), await origin()];
    const outside = join(await folder(), 'precious');
    await fs.writeFile(outside, 'precious');
    await fs.symlink(outside, join(into, 'm.gguf'));
    const error = await refusalOf(fetchTo(into, remoteOf(server)));
    expect(error.code).toBe('file-access');
    expect(await fs.readFile(outside, 'utf8')).toBe('precious');
  });
});

/** Files that take no more data after so many bytes. */
function failing(errno: string, after: number): Disk {
  return {
    ...realDisk,
    async open(path, flags, mode) {
      const handle = await fs.open(path, flags, mode);
      if (path.includes('.state')) return handle;
      return fileWith(handle, {
        async write(buffer, offset, length, position) {
          const room = Math.max(0, after - (position ?? 0));
          if (room === 0) throw Object.assign(new Error(`${errno}: it fails`), { code: errno });
          return handle.write(buffer, offset, Math.min(length, room), position);
        },
      });
    },
  };
}

test('a killed process: what was written is not fetched again, at most a MiB of what came is', async () => {
  const { spawn } = await import('node:child_process');
  const content = testBytes(24 * MIB);
  const come = 9 * MIB + 123;
  const server = await origin((n) => (n === 0 ? { silent: come } : {}), content);
  const into = await folder();
  const path = join(into, 'm.gguf');
  const remote = remoteOf(server, { sizeBytes: content.length, digest: sha256(content) });
  const script = join(import.meta.dirname, 'killed-child.ts');
  const child = spawn(process.execPath, [script, JSON.stringify({ remote, path })]);
  const size = async () => (await fs.stat(path).catch(() => undefined))?.size ?? 0;
  await expect.poll(size, PATIENT).toBeGreaterThanOrEqual(come - MIB / 2);
  child.kill('SIGKILL');
  await new Promise((resolve) => child.on('close', resolve));
  expect(await left(into)).toEqual(['m.gguf', 'm.gguf.state']);
  const { bytesMoved } = await fetchTo(into, remote);
  expect(sha256(await fs.readFile(path))).toBe(sha256(content));
  expect(bytesMoved).toBeLessThanOrEqual(content.length - come + MIB);
});
