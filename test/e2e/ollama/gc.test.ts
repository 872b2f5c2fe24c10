/** What clients and crashes leave in the folder of a real server: found, removed, and nothing else. */

import { mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import nock from 'nock';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/core/digest.ts';
import { drive } from '../../../src/core/progress.ts';
import { realDisk } from '../../../src/disk/disk.ts';
import { createFileLocker } from '../../../src/disk/locker.ts';
import { listStaleLocks } from '../../../src/disk/stale-locks.ts';
import { collectGarbage, type GcOptions } from '../../../src/provision/maintain/gc/gc.ts';
import type { GcReport } from '../../../src/provision/maintain/gc/schema.ts';
import { isTransferName } from '../../../src/runtimes/ollama/loopback/names.ts';
import { serverFolder } from '../../../src/runtimes/ollama/open.ts';
import type { OllamaRuntime } from '../../../src/runtimes/ollama/runtime.ts';
import { never } from '../../helpers/failure.ts';
import { type OllamaServer, startOllama } from '../../helpers/ollama-server.ts';
import { adapter, allDoors, digestOfFile, manifestsOf, namesOn, SPEC, shown, store, TINY } from './ways-support.ts';

const reason = process.env.OLLAMA_BIN ? undefined : 'set OLLAMA_BIN to an ollama program';
const HOUR = 3_600_000;
const NAME = 'gc-test:one';
const STRAY = Buffer.from('bytes that were sent under a wrong digest');

describe.skipIf(reason !== undefined)(`leftovers on a real server${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let server: OllamaServer;
  let runtime: OllamaRuntime;
  let models: string;
  let home: string;
  let empty: string;
  const orphan = () => join(models, 'blobs', digestOf(STRAY).replace(':', '-'));

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'gc-e2e-'));
    server = await startOllama();
    models = server.models ?? expect.fail();
    runtime = adapter(server, allDoors(models));
    const { size: sizeBytes } = await stat(TINY);
    const file = { ref: TINY, path: TINY, sizeBytes, digest: await digestOfFile(TINY) };
    await store(runtime, { name: NAME, file, architecture: 'gemma3n', spec: SPEC });
  });

  afterAll(async () => {
    await server?.stop();
    await rm(home, { recursive: true, force: true });
  });

  /** `hours`: how much later than now. */
  async function gc(hours: number, options: Partial<GcOptions> = {}): Promise<GcReport> {
    const now = () => new Date(Date.now() + hours * HOUR);
    const dir = join(home, 'locks');
    const effects = {
      identity: await runtime.identify(never),
      runtime,
      registry: { disk: realDisk, dataDir: home },
      locker: createFileLocker({ dir, command: 'gc' }),
      nonWaitingLocker: createFileLocker({ dir, command: 'gc', waitMs: 0 }),
      cache: {
        async *prune({ apply }: { apply: boolean }) {
          yield { type: 'phase', id: 'prune', title: 'Prune', status: 'done' } as const;
          return { folder: home, applied: apply, items: [], reclaimableBytes: 0, kept: 0 };
        },
      },
      digestsInUse: async () => ({ digests: new Set<never>() }),
      disk: realDisk,
      stateFolders: [home],
      listStaleLocks: () => listStaleLocks(realDisk, dir, now()),
      folder: await serverFolder(runtime, realDisk, never),
      isTransferName,
      now,
    };
    return drive(collectGarbage({ apply: false, previous: false, ...options }, effects, never), () => {});
  }

  /** Sends a part of a blob and breaks the connection off with the server killed, as a power cut would. */
  async function killedUpload(): Promise<void> {
    const { hostname, port } = new URL(`http://${server.host}`);
    // The guard of the test setup holds every request back until it ends, and this one never does.
    nock.restore();
    const sending = connect(Number(port), hostname);
    sending.on('error', () => {});
    const head = [
      `POST /api/blobs/${digestOf('never whole')} HTTP/1.1`,
      `Host: ${server.host}`,
      'Content-Length: 900000',
    ];
    sending.write(`${head.join('\r\n')}\r\n\r\n`);
    sending.write(Buffer.alloc(200_000));
    const isThere = async () => (await readdir(join(models, 'blobs'))).some((name) => /^sha256-\d+$/.test(name));
    for (let tries = 0; tries < 100 && !(await isThere()); tries += 1) await sleep(50);
    expect(await isThere()).toBe(true);
    await server.crash?.();
    sending.destroy();
    nock.activate();
    await server.restart?.();
  }

  test('finds nothing where a model is all there is', async () => {
    expect(await gc(3)).toMatchObject({ items: [], notes: [] });
  });

  test('rows 7, 20, 30: lists what was left, and leaves it', { timeout: 120_000 }, async () => {
    const answer = await fetch(`http://${server.host}/api/blobs/${digestOf('something else')}`, {
      method: 'POST',
      body: STRAY,
    });
    expect(answer.status).toBe(400);
    expect((await stat(orphan())).size).toBe(STRAY.length);
    empty = join((await manifestsOf(models))[0]?.path ?? expect.fail(), '..', 'spoilt');
    await writeFile(empty, '');
    const old = new Date(Date.now() - 10 * 60_000);
    await utimes(empty, old, old);
    await killedUpload();
    expect(server.log()).toContain('corrupt manifests detected, skipping prune');
    const young = await gc(0);
    expect(young.items.map(({ kind }) => kind)).toEqual(['server-manifest']);
    expect(young.notes.join()).toContain("2 of the server's unused files");
    const later = await gc(2);
    expect(later).toMatchObject({ applied: false, removed: 0 });
    expect(later.items.map(({ kind }) => kind).sort()).toEqual(['server-blob', 'server-manifest', 'server-upload']);
    expect(later.reclaimableBytes).toBeGreaterThan(STRAY.length);
    expect((await stat(orphan())).isFile()).toBe(true);
  });

  test('--apply removes it, the model stays whole, and the server prunes again', { timeout: 120_000 }, async () => {
    const before = await shown(server, NAME);
    const manifests = (await manifestsOf(models)).filter(({ path }) => path !== empty);
    expect(await gc(2, { apply: true })).toMatchObject({ applied: true, removed: 3 });
    expect((await gc(2)).items).toEqual([]);
    expect(await manifestsOf(models)).toEqual(manifests);
    expect(await namesOn(server)).toEqual([NAME]);
    expect(await shown(server, NAME)).toEqual(before);
    const stray = join(models, 'blobs', `sha256-${'f'.repeat(64)}`);
    await writeFile(stray, 'x');
    const old = new Date(Date.now() - 2 * HOUR);
    await utimes(stray, old, old);
    await server.crash?.();
    await server.restart?.();
    for (
      let tries = 0;
      tries < 100 && (await readdir(join(models, 'blobs'))).includes(`sha256-${'f'.repeat(64)}`);
      tries += 1
    )
      await sleep(50);
    expect(await readdir(join(models, 'blobs'))).not.toContain(`sha256-${'f'.repeat(64)}`);
    expect(await shown(server, NAME)).toEqual(before);
  });
});
