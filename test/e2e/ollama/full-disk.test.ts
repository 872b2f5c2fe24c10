import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { copyFile, mkdtemp, readdir, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import nock from 'nock';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { realDisk, volumeOf } from '../../../src/disk/disk.ts';
import { diskObstacles, planTransferAndDisk } from '../../../src/provision/plan/disk.ts';
import type { TransferWay } from '../../../src/runtimes/contract.ts';
import type { OllamaRuntime } from '../../../src/runtimes/ollama/runtime.ts';
import type { LocalFile } from '../../../src/sources/contract.ts';
import { failureOf, never } from '../../helpers/failure.ts';
import { type OllamaServer, startOllama } from '../../helpers/ollama-server.ts';
import { writePadded } from './padded-gguf.ts';
import {
  adapter,
  allDoors,
  digestOfFile,
  manifestsOf,
  namesOn,
  SPEC,
  shown,
  store,
  strays,
  TINY,
} from './ways-support.ts';

const MIB = 1024 ** 2;
const DISK_MIB = 24;

function mount(place: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'tmpfs', place], { stdio: 'ignore' });
}

function unmount(place: string): void {
  execFileSync('umount', ['-l', place], { stdio: 'ignore' });
}

/** Why no small disk can be made here. */
function whyNoDisk(): string | undefined {
  if (!process.env.OLLAMA_BIN) return 'set OLLAMA_BIN to an ollama program';
  if (process.getuid?.() !== 0) return 'only root can mount a tmpfs';
  const place = mkdtempSync(join(tmpdir(), 'can-mount-'));
  try {
    mount(place);
    unmount(place);
    return undefined;
  } catch {
    return 'a tmpfs cannot be mounted here';
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

const reason = whyNoDisk();
const SLOW = { timeout: 120_000 };

describe.skipIf(reason !== undefined)(`a models folder on a small disk${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let server: OllamaServer;
  let models: string;
  let folder: string;
  let runtime: OllamaRuntime;
  let large: LocalFile;
  let small: LocalFile;

  beforeAll(async () => {
    nock.restore();
    models = await mkdtemp(join(tmpdir(), 'small-disk-'));
    mount(models);
    folder = await mkdtemp(join(tmpdir(), 'large-'));
    server = await startOllama(process.env, { models });
    runtime = adapter(server, allDoors(models));
    const path = join(folder, 'large.gguf');
    const sizeBytes = await writePadded(TINY, path, { sizeBytes: 40 * MIB, fill: 'random' });
    large = { ref: path, path, sizeBytes, digest: await digestOfFile(path) };
    const smallPath = join(folder, 'small.gguf');
    await copyFile(TINY, smallPath);
    small = {
      ref: smallPath,
      path: smallPath,
      sizeBytes: (await stat(smallPath)).size,
      digest: await digestOfFile(smallPath),
    };
  });

  afterEach(async () => {
    await rm(join(models, 'filler'), { force: true });
    for (const name of await namesOn(server)) await runtime.remove(name, never);
  });

  afterAll(async () => {
    await server?.stop();
    unmount(models);
    for (const each of [models, folder]) await rm(each, { recursive: true, force: true });
    nock.activate();
  });

  /** Takes all that is left. */
  async function fill(): Promise<void> {
    const { bavail, bsize } = await statfs(models);
    await writeFile(join(models, 'filler'), Buffer.alloc(bavail * bsize)).catch(() => undefined);
    expect((await statfs(models)).bavail).toBe(0);
  }

  const put = (name: string, file: LocalFile, way?: TransferWay) =>
    store(runtime, { name, file, ...(way && { way }), architecture: 'gemma3n', spec: SPEC });

  test('row 19: what does not fit is refused before a byte moves: need, have, where', SLOW, async () => {
    const { version, ...rest } = await runtime.identify(never);
    const { diskFactor, engine } = await runtime.facts(never);
    const nothing = () => undefined;
    const { transfer, disk } = await planTransferAndDisk({ kind: 'file', ...large }, undefined, {
      runtime: { ...rest, version },
      facts: {
        engine,
        diskFactor,
        store: { purpose: 'models', path: models },
        warnings: [],
        refusal: nothing,
        quantRefusal: nothing,
        projectorRefusal: nothing,
        pullRefusal: nothing,
      },
      profile: { disks: [] } as never,
      planTransfer: (file, way) => {
        if (file.kind !== 'file') throw new Error('a file of this machine');
        return runtime.planTransfer?.(file, way, never) ?? expect.fail();
      },
      volumeOf: (path) => volumeOf(realDisk, path),
    });
    expect(transfer?.way).toBe('copy');
    const [error] = diskObstacles(disk);
    expect([error?.code, error?.exitCode]).toEqual(['disk-full', 12]);
    expect(error?.message).toContain(models);
    expect(error?.message).toMatch(/24\.0 MiB free, but 39\.6 MiB are needed \(copy: /);
    expect(await readdir(join(models, 'blobs'))).toEqual([]);
  });

  test.each(['upload', 'copy', 'loopback-pull'] as const)(
    'row 20: the disk fills in a transfer by %s: told, and what was there stays as it was',
    SLOW,
    async (way) => {
      await put('old:t', small);
      const before = { shown: await shown(server, 'old:t'), manifests: await manifestsOf(models) };
      const error = await failureOf(put('new:t', large, way));
      expect([error.code, error.exitCode]).toEqual(['disk-full', 12]);
      expect(error.suggestions.join(' ')).toContain('models folder');
      expect(await namesOn(server)).toEqual(['old:t']);
      expect({ shown: await shown(server, 'old:t'), manifests: await manifestsOf(models) }).toEqual(before);
      const left = await strays(models);
      // A pull that was cut goes on where it was: its parts are the server's, and are used or removed by it.
      expect(left.filter((name) => !name.includes('-partial'))).toEqual([]);
      for (const name of left) await rm(join(models, 'blobs', name));
    },
  );

  test(
    'row 21: the disk is full at a copy: told, the source stays, and the name is put right with room',
    SLOW,
    async () => {
      await put('good:t', small);
      const before = await runtime.find('good:t', never);
      await fill();
      const error = await failureOf(runtime.copy('good:t', 'alias:t', never));
      expect([error.code, error.exitCode]).toEqual(['disk-full', 12]);
      expect(error.message).toContain('good:t');
      expect(before?.entryDigest).toMatch(/^sha256:/);
      expect((await runtime.find('good:t', never))?.entryDigest).toBe(before?.entryDigest);
      await rm(join(models, 'filler'));
      await runtime.copy('good:t', 'alias:t', never);
      expect(await runtime.find('alias:t', never)).toMatchObject({ layerDigest: small.digest });
    },
  );

  test('row 21: a manifest that a full disk emptied goes away', SLOW, async () => {
    await put('good:t', small);
    await fill();
    await failureOf(runtime.copy('good:t', 'alias:t', never));
    await rm(join(models, 'filler'));
    await runtime.remove('alias:t', never);
    expect(await runtime.find('alias:t', never)).toBeUndefined();
    expect((await manifestsOf(models)).map(({ text }) => text.length > 0)).toEqual([true]);
  });

  test('row 20: the disk is full at the create: nothing of the new name is left', SLOW, async () => {
    await put('old:t', small);
    await fill();
    const error = await failureOf(put('new:t', small));
    expect([error.code, error.exitCode]).toEqual(['disk-full', 12]);
    await rm(join(models, 'filler'));
    expect(await runtime.find('new:t', never)).toBeUndefined();
    expect(await runtime.find('old:t', never)).toMatchObject({ layerDigest: small.digest });
    await put('new:t', small);
    expect(await namesOn(server)).toEqual(['new:t', 'old:t']);
  });
});
