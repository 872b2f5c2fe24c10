import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { digestOf } from '../../../../src/core/digest.ts';
import { serve } from '../../../helpers/http-server.ts';
import { temporaryFolder } from '../support.ts';

const CHILD = join(import.meta.dirname, 'fetch-child.ts');
const CONTENT = Buffer.alloc(64 * 1024, 'GGUF');
const DIGEST = digestOf(CONTENT);

const children: ChildProcess[] = [];
const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const end of ends.splice(0)) await end();
});

/** An origin that holds every answer back until `release`, so that whoever comes meanwhile must wait. */
async function origin() {
  const held: ServerResponse[] = [];
  let arrived: () => void = () => undefined;
  const first = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  let open = false;
  const server = await serve((request, response) => {
    const [, from = '0'] = /^bytes=(\d+)-/.exec(request.headers.range ?? '') ?? [];
    const start = Number(from);
    const range = { 'content-range': `bytes ${start}-${CONTENT.length - 1}/${CONTENT.length}` };
    const head = { etag: '"1"', 'content-length': CONTENT.length - start };
    response.writeHead(request.headers.range === undefined ? 200 : 206, {
      ...head,
      ...(request.headers.range && range),
    });
    response.write(CONTENT.subarray(start, start + 1000));
    const rest = CONTENT.subarray(start + 1000);
    if (open) response.end(rest);
    else held.push(response);
    arrived();
  });
  ends.push(server.close);
  return {
    server,
    first,
    release() {
      open = true;
      for (const response of held.splice(0)) response.end(CONTENT.subarray(1000));
    },
  };
}

const Told = z.object({ path: z.string(), bytesMoved: z.number() });

function start(folder: string, url: string) {
  const child = fork(CHILD, [folder, `${url}/a.gguf`, DIGEST, String(CONTENT.length)], {
    execArgv: [],
    stdio: 'inherit',
  });
  children.push(child);
  const told = new Promise<z.infer<typeof Told>>((resolve, reject) => {
    child.on('message', (message) => {
      if (message !== 'started') resolve(Told.parse(message));
    });
    child.once('exit', (code) => reject(new Error(`a child ended with ${code} and told nothing`)));
  });
  told.catch(() => undefined);
  return { child, started: once(child, 'message'), told };
}

describe('row 26: many processes want one file', () => {
  test('row 26: 20 at once make one download, and all have the file', async () => {
    const folder = join(await temporaryFolder(), 'cache');
    const { server, first, release } = await origin();
    const running = Array.from({ length: 20 }, () => start(folder, server.url));
    await Promise.all([first, ...running.map((each) => each.started)]);
    release();
    const told = await Promise.all(running.map((each) => each.told));
    expect(server.requests).toEqual(['GET /a.gguf']);
    expect(told.map(({ bytesMoved }) => bytesMoved).sort((a, b) => b - a)).toEqual([
      CONTENT.length,
      ...Array(19).fill(0),
    ]);
    expect(new Set(told.map(({ path }) => path)).size).toBe(1);
    expect(await readFile(told[0]?.path ?? '')).toEqual(CONTENT);
    expect(await readdir(join(folder, 'partial'))).toEqual([]);
  });

  test('row 27: the one that fetches is killed, and a waiting one goes on', async () => {
    const folder = join(await temporaryFolder(), 'cache');
    const { server, first, release } = await origin();
    const holder = start(folder, server.url);
    await first;
    const waiting = start(folder, server.url);
    const gone = once(holder.child, 'exit');
    holder.child.kill('SIGKILL');
    await gone;
    release();
    const { path, bytesMoved } = await waiting.told;
    expect(await readFile(path)).toEqual(CONTENT);
    expect(bytesMoved).toBeLessThanOrEqual(CONTENT.length);
    expect(await readdir(join(folder, 'partial'))).toEqual([]);
    expect(await readdir(join(folder, 'blobs'))).toHaveLength(1);
  });
});
