import { execFileSync } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, open, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import nock from 'nock';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { verdictFor } from '../../../src/compat/verdict.ts';
import type { Digest } from '../../../src/core/digest.ts';
import type { StorableFile, TransferWay } from '../../../src/runtimes/contract.ts';
import type { OllamaRuntime } from '../../../src/runtimes/ollama/runtime.ts';
import type { LocalFile } from '../../../src/sources/contract.ts';
import { failureOf, never } from '../../helpers/failure.ts';
import { type OllamaServer, startOllama, whyNoOllama } from '../../helpers/ollama-server.ts';
import { collect } from '../../helpers/runtime-fakes.ts';
import { writePadded } from './padded-gguf.ts';
import {
  adapter,
  allDoors,
  digestOfFile,
  expectNoRemains,
  highWater,
  manifestsOf,
  namesOn,
  SPEC,
  shown,
  store,
  strays,
  TINY,
} from './ways-support.ts';

const MIB = 1024 ** 2;
const reason = process.env.OLLAMA_BIN ? whyNoOllama() : 'set OLLAMA_BIN to an ollama program';
const SLOW = { timeout: 120_000 };

describe.skipIf(reason !== undefined)(`the ways into a real Ollama${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let server: OllamaServer;
  let models: string;
  let plain: OllamaRuntime;
  let runtime: OllamaRuntime;
  let folder: string;
  let version: string;
  let digest: Digest;
  let usual: Record<string, unknown>;

  beforeAll(async () => {
    // nock says that a piece is written while it still holds it; only the real socket shows when memory may be used again.
    nock.restore();
    server = await startOllama();
    models = server.models ?? expect.fail('a server of our own has a models folder');
    folder = await mkdtemp(join(models, '..', 'cache-'));
    plain = adapter(server);
    runtime = adapter(server, allDoors(models));
    ({ version } = await plain.identify(never));
    digest = await digestOfFile(TINY);
    const file = { ref: TINY, path: TINY, sizeBytes: (await stat(TINY)).size, digest };
    await store(plain, { name: 'usual:t', file, architecture: 'gemma3n', spec: SPEC });
    usual = await shown(server, 'usual:t');
    await plain.remove('usual:t', never);
  });

  afterEach(async () => {
    for (const name of await namesOn(server)) await plain.remove(name, never);
  });

  afterAll(async () => {
    await server?.stop();
    nock.activate();
  });

  async function own(): Promise<LocalFile> {
    const path = join(folder, 'own.gguf');
    await rm(path, { force: true });
    await copyFile(TINY, path);
    return { ref: path, path, sizeBytes: (await stat(path)).size, digest };
  }

  async function cached(): Promise<LocalFile> {
    const path = join(folder, 'cached');
    await rm(path, { force: true });
    await copyFile(TINY, path);
    await chmod(path, 0o444);
    return { ref: 'hf:somebody/model', path, sizeBytes: (await stat(path)).size, digest, immutable: true };
  }

  function elsewhere(sizeBytes: number): StorableFile {
    return {
      ref: 'hf:somebody/model',
      pinnedRef: 'hf:somebody/model@1',
      fileName: 'model.gguf',
      sizeBytes,
      digest,
      access: { url: 'http://127.0.0.1/', headers: {} },
      open: () => createReadStream(TINY),
    };
  }

  /** What is stored is what a plain create stores, and it answers. */
  async function expectWhole(name: string): Promise<void> {
    expect(await shown(server, name)).toEqual(usual);
    if (!verdictFor({ architecture: 'gemma3n', version }).ok) return;
    const chat = runtime.chat({ name, messages: [{ role: 'user', content: 'Hello!' }] }, never);
    expect((await collect(chat)).result.answerTokens).toBeGreaterThan(0);
    await runtime.unload?.(name, never);
  }

  test.each([
    { way: 'copy', moved: 1 },
    { way: 'hard-link', moved: 0 },
    { way: 'upload', moved: 1 },
    { way: 'loopback-pull', moved: 1 },
  ] as const)('$way: digest kept, same show as a plain create, answers', SLOW, async ({ way, moved }) => {
    const file = await own();
    await chmod(file.path, 0o444);
    const plan = await runtime.planTransfer?.(file, way, never);
    expect(plan?.way).toBe(way);
    expect(await strays(models)).toEqual([]);
    const { result } = await store(runtime, { name: `by-${way}:t`, file, way, architecture: 'gemma3n', spec: SPEC });
    expect(result).toMatchObject({ way, bytesMoved: moved * file.sizeBytes, uploadedDigest: digest, differences: [] });
    expect(result.stored.layerDigest).toBe(digest);
    await expectWhole(`by-${way}:t`);
    await expectNoRemains(server, models);
  });

  test(
    'a file of our cache is hard-linked without being asked for; the cache keeps it when the model goes',
    SLOW,
    async () => {
      const file = await cached();
      expect(await runtime.planTransfer?.(file, undefined, never)).toMatchObject({ way: 'hard-link', peakBytes: 0 });
      const { result } = await store(runtime, { name: 'linked:t', file, architecture: 'gemma3n', spec: SPEC });
      expect(result).toMatchObject({ way: 'hard-link', bytesMoved: 0, differences: [] });
      expect((await stat(file.path)).nlink).toBe(2);
      await expectWhole('linked:t');
      await runtime.remove('linked:t', never);
      expect(await digestOfFile(file.path)).toBe(digest);
      expect((await stat(file.path)).nlink).toBe(1);
      await expectNoRemains(server, models);
    },
  );

  test('a remote file is streamed, with no copy here', SLOW, async () => {
    const { size } = await stat(TINY);
    const file = elsewhere(size);
    expect(await runtime.planTransfer?.(file, undefined, never)).toMatchObject({ way: 'stream' });
    const { result } = await store(runtime, { name: 'streamed:t', file, architecture: 'gemma3n', spec: SPEC });
    expect(result).toMatchObject({ way: 'stream', bytesMoved: size, differences: [] });
    await expectWhole('streamed:t');
    await expectNoRemains(server, models);
  });

  test('bytes that the server has move in no way', SLOW, async () => {
    const file = await own();
    await store(runtime, { name: 'first:t', file, architecture: 'gemma3n', spec: SPEC });
    const before = await readdir(join(models, 'blobs'));
    const { result } = await store(runtime, {
      name: 'second:t',
      file,
      way: 'copy',
      architecture: 'gemma3n',
      spec: SPEC,
    });
    expect(result).toMatchObject({ way: 'present', bytesMoved: 0 });
    await expectWhole('second:t');
    expect(await readdir(join(models, 'blobs'))).toEqual(before);
  });

  test('the same model has the same digest whichever run made it', SLOW, async () => {
    const digests: unknown[] = [];
    for (let run = 0; run < 2; run += 1) {
      const request = { name: 'again:t', file: await own(), architecture: 'gemma3n', spec: SPEC };
      digests.push((await store(runtime, request)).result.stored.entryDigest);
      await runtime.remove('again:t', never);
    }
    expect(digests[0]).toMatch(/^sha256:/);
    expect(digests[1]).toBe(digests[0]);
  });

  test('reflink: the bytes are shared where the file system can; else the reason is told', SLOW, async () => {
    const file = await own();
    const work = store(runtime, { name: 'shared:t', file, way: 'reflink', architecture: 'gemma3n', spec: SPEC });
    const shares = await runtime.folder(never).then((found) => 'reflinks' in found && found.reflinks);
    if (shares) {
      expect((await work).result).toMatchObject({ way: 'reflink', bytesMoved: 0 });
      await expectWhole('shared:t');
      return;
    }
    const error = await failureOf(work);
    expect(error.code).toBe('bad-usage');
    expect(error.message).toContain('cannot clone files');
    expect(await namesOn(server)).toEqual([]);
    expect(await strays(models)).toEqual([]);
  });

  test("another folder than the server's is not used, and keeps nothing", SLOW, async () => {
    const other = await mkdtemp(join(tmpdir(), 'not-it-'));
    await mkdir(join(other, 'blobs'));
    const misled = adapter(server, allDoors(other));
    const found = await misled.folder(never);
    expect(found).toMatchObject({ refused: expect.stringContaining('is not where the server keeps its models') });
    expect(await readdir(join(other, 'blobs'))).toEqual([]);
    const { result } = await store(misled, {
      name: 'misled:t',
      file: await own(),
      architecture: 'gemma3n',
      spec: SPEC,
    });
    expect(result.way).toBe('upload');
    expect(result.stored.layerDigest).toBe(digest);
    await rm(other, { recursive: true });
  });

  test('a wrong digest: refused by every way, and no orphan stays', SLOW, async () => {
    const wrong: Digest = `sha256:${'0'.repeat(64)}`;
    const file = { ...(await own()), digest: wrong };
    await chmod(file.path, 0o444);
    for (const way of ['copy', 'hard-link', 'upload', 'loopback-pull'] satisfies TransferWay[]) {
      const error = await failureOf(
        store(runtime, { name: 'wrong:t', file, way, architecture: 'gemma3n', spec: SPEC }),
      );
      expect([way, error.code, error.exitCode]).toEqual([way, 'digest-mismatch', 11]);
    }
    expect(await namesOn(server)).toEqual([]);
    expect(await strays(models)).toEqual([]);
    const told = await failureOf(store(plain, { name: 'wrong:t', file, architecture: 'gemma3n', spec: SPEC }));
    expect(told.message).toContain(`keeps the uploaded bytes as ${digest}`);
    await rm(join(models, 'blobs', digest.replace(':', '-')));
  });

  test('disk: nothing for a link, one size for every other way', SLOW, async () => {
    const path = join(folder, 'large.gguf');
    const sizeBytes = await writePadded(TINY, path, { sizeBytes: 96 * MIB, fill: 'random' });
    const file = { ref: path, path, sizeBytes, digest: await digestOfFile(path) };
    await chmod(path, 0o444);
    for (const [way, sizes] of [
      ['hard-link', 0],
      ['copy', 1],
      ['upload', 1],
      ['loopback-pull', 1],
    ] as const) {
      const blobs = join(models, 'blobs');
      const work = store(runtime, { name: 'large:t', file, way, architecture: 'gemma3n', spec: SPEC });
      const { bytes, result } = await highWater(blobs, work);
      expect(result.result.way).toBe(way);
      expect([way, Math.round((bytes / sizeBytes) * 20) / 20]).toEqual([way, sizes]);
      await runtime.remove('large:t', never);
    }
    await rm(path);
  });

  test('names that a killed run left are removed by the next pull', SLOW, async () => {
    const file = await own();
    await store(plain, { name: 'whole:t', file, architecture: 'gemma3n', spec: SPEC });
    const left = `127.0.0.1:1/gemma-provision/${'a'.repeat(32)}:blob`;
    await plain.copy('whole:t', left, never);
    expect(await namesOn(server)).toContain(left);
    const other = join(folder, 'other.gguf');
    const sizeBytes = await writePadded(TINY, other, { sizeBytes: 8 * MIB, fill: 'random' });
    const next = { ref: other, path: other, sizeBytes, digest: await digestOfFile(other) };
    await store(runtime, { name: 'next:t', file: next, way: 'loopback-pull', architecture: 'gemma3n', spec: SPEC });
    expect(await namesOn(server)).toEqual(['next:t', 'whole:t']);
  });

  test('row 21: a manifest of 0 bytes is told, removed, and written anew', SLOW, async () => {
    const file = await own();
    await store(runtime, { name: 'good:t', file, architecture: 'gemma3n', spec: SPEC });
    await runtime.copy('good:t', 'broken:t', never);
    const broken = (await manifestsOf(models)).find(({ path }) => path.includes('broken'))?.path ?? expect.fail();
    await writeFile(broken, '');
    const error = await failureOf(runtime.find('broken:t', never));
    expect([error.code, error.exitCode]).toEqual(['needs-repair', 18]);
    expect(error.message).toContain('broken:t');
    await runtime.copy('good:t', 'broken:t', never);
    expect(await runtime.find('broken:t', never)).toMatchObject({ layerDigest: digest });
    await writeFile(broken, '');
    await runtime.remove('broken:t', never);
    expect(await runtime.find('broken:t', never)).toBeUndefined();
    expect(await runtime.find('good:t', never)).toMatchObject({ layerDigest: digest });
  });

  test('row 30: the server is killed in an upload and comes back: sent once more, and whole', SLOW, async () => {
    const sizeBytes = (await stat(TINY)).size;
    const file = { ref: TINY, path: TINY, sizeBytes, digest };
    let opened = 0;
    const dying = adapter(
      server,
      {},
      async (path) => {
        opened += 1;
        const handle = await open(path);
        let position = 0;
        return {
          async read(buffer, offset, length) {
            if (opened === 1 && position > sizeBytes / 2) await server.crash?.();
            const part = await handle.read(buffer, offset, Math.min(length, 100_000), position);
            position += part.bytesRead;
            return part;
          },
          close: () => handle.close(),
        };
      },
      30_000,
    );
    const work = store(dying, { name: 'survived:t', file, architecture: 'gemma3n', spec: SPEC });
    await expect.poll(() => isUp(server), { timeout: 30_000 }).toBe(false);
    await server.restart?.();
    const { result, events } = await work;
    expect(opened).toBe(2);
    expect(result).toMatchObject({ way: 'upload', differences: [] });
    expect(events).toContainEqual({ type: 'warning', message: expect.stringContaining('is available again') });
    await expectWhole('survived:t');
    // What the killed server had begun is its own to prune, which it does an hour later.
    for (const name of await strays(models)) await rm(join(models, 'blobs', name));
  });

  test('row 30: the server is killed in a create and comes back: created once more', SLOW, async () => {
    const file = await own();
    const blob = join(models, 'blobs', digest.replace(':', '-'));
    // Whoever opens a pipe to read waits for a writer: the server stays in the create.
    execFileSync('mkfifo', [blob]);
    const waiting = adapter(server, {}, undefined, 30_000);
    const work = store(waiting, { name: 'reborn:t', file, architecture: 'gemma3n', spec: SPEC });
    await sleep(500);
    await server.crash?.();
    await rm(blob);
    await server.restart?.();
    const { result, events } = await work;
    expect(result).toMatchObject({ way: 'upload', bytesMoved: file.sizeBytes, differences: [] });
    expect(events).toContainEqual({ type: 'warning', message: expect.stringContaining('is available again') });
    await expectWhole('reborn:t');
  });

  test('row 30: a server that stays away is given up, with its last word', SLOW, async () => {
    const blob = join(models, 'blobs', digest.replace(':', '-'));
    execFileSync('mkfifo', [blob]);
    const work = failureOf(store(plain, { name: 'lost:t', file: await own(), architecture: 'gemma3n', spec: SPEC }));
    await sleep(500);
    await server.crash?.();
    const error = await work;
    expect([error.code, error.exitCode]).toEqual(['runtime-died', 13]);
    await rm(blob);
    await server.restart?.();
    expect(await namesOn(server)).toEqual([]);
  });
});

async function isUp({ host }: OllamaServer): Promise<boolean> {
  return fetch(`http://${host}/api/version`).then(
    () => true,
    () => false,
  );
}
