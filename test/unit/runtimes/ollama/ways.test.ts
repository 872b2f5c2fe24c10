import * as fs from 'node:fs/promises';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import nock from 'nock';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { forkOwner, ownerDisk } from '../../../../src/cage/owner-disk.ts';
import { digestOf } from '../../../../src/core/digest.ts';
import { ProvisionError } from '../../../../src/core/errors.ts';
import { drive, type ProgressEvent } from '../../../../src/core/progress.ts';
import { NO_DIGEST_CACHE } from '../../../../src/disk/digest-cache.ts';
import { type Disk, realDisk } from '../../../../src/disk/disk.ts';
import { createHasher } from '../../../../src/disk/hash.ts';
import type { StorableFile, StoreRequest, TransferWay } from '../../../../src/runtimes/contract.ts';
import { isTemporary } from '../../../../src/runtimes/ollama/folder/files.ts';
import { parseHost } from '../../../../src/runtimes/ollama/host.ts';
import {
  isTransferName,
  pulledName,
  registryPortOf,
  stubName,
} from '../../../../src/runtimes/ollama/loopback/names.ts';
import { type OllamaRuntime, ollamaRuntime } from '../../../../src/runtimes/ollama/runtime.ts';
import { dropBlob, replaceBlob } from '../../../../src/runtimes/ollama/transfer/copy.ts';
import type { LocalTransfers } from '../../../../src/runtimes/ollama/transfer/facts.ts';
import type { LocalFile } from '../../../../src/sources/contract.ts';
import { failureOf, never } from '../../../helpers/failure.ts';
import { type FakeOllama, fakeOllama, refuse } from '../../../helpers/fake-ollama.ts';
import { ROOT } from '../../../helpers/plans.ts';
import { specOf } from '../../../helpers/runtime-fakes.ts';

const CONTENT = 'GGUF and all that belongs to it';
const DIGEST = digestOf(CONTENT);
const SPEC = specOf({ template: '{{ .Prompt }}', parameters: { temperature: 0 } });

let folder: string;
let models: string;
let fake: FakeOllama | undefined;

beforeAll(() => nock.restore());
afterAll(() => nock.activate());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ways-'));
  models = join(folder, 'models');
});
afterEach(async () => {
  await fake?.close();
  fake = undefined;
  await rm(folder, { recursive: true, force: true });
});

const uid = process.getuid?.();
const doorsTo = (path: string, disk: Disk = realDisk): LocalTransfers => ({
  models: async () => ({ path, disk, uid }),
  loopback: true,
});

function at(server: FakeOllama, doors: LocalTransfers): OllamaRuntime {
  return ollamaRuntime({
    host: parseHost(server.host),
    files: { open: (path) => fs.open(path), hash: createHasher(realDisk, NO_DIGEST_CACHE) },
    now: () => performance.now(),
    reconnectMs: 100,
    doors,
  });
}

async function own(content = CONTENT): Promise<LocalFile> {
  const path = join(folder, 'own.gguf');
  await rm(path, { force: true });
  await writeFile(path, content);
  return { ref: path, path, sizeBytes: content.length, digest: DIGEST };
}

async function readOnly(content = CONTENT): Promise<LocalFile> {
  const file = await own(content);
  await chmod(file.path, 0o444);
  return file;
}

async function cached(): Promise<LocalFile> {
  return { ...(await readOnly()), immutable: true };
}

function elsewhere(pieces: readonly string[]): StorableFile {
  return {
    ref: 'hf:a/b',
    pinnedRef: 'hf:a/b@1',
    fileName: 'b.gguf',
    sizeBytes: CONTENT.length,
    digest: DIGEST,
    access: { url: 'http://127.0.0.1/', headers: {} },
    async *open() {
      for (const piece of pieces) yield Buffer.from(piece);
    },
  };
}

async function store(runtime: OllamaRuntime, file: StorableFile, way?: TransferWay) {
  const events: ProgressEvent[] = [];
  const request: StoreRequest = { name: 'm:t', file, architecture: 'gemma3n', spec: SPEC, ...(way && { way }) };
  const result = await drive(runtime.store(request, never), (event) => events.push(event));
  return { result, events };
}

const blobs = () => readdir(join(models, 'blobs'));
const BLOB = DIGEST.replace(':', '-');

describe('the folder is only used when it is proven to be the server’s own', () => {
  test('a blob of ours shows in the server’s answers, and is gone again', async () => {
    fake = await fakeOllama('0.24.0', { models });
    const found = await at(fake, doorsTo(models)).folder(never);
    expect(found).toMatchObject({ path: models, blobs: join(models, 'blobs') });
    expect(await blobs()).toEqual([]);
  });

  test.each<[string, (other: string) => Promise<void>, string]>([
    [
      'another folder',
      (other) => mkdir(join(other, 'blobs'), { recursive: true }).then(() => {}),
      'is not where the server keeps its models',
    ],
    ['no folder', async () => {}, 'does not exist'],
    [
      'a file in its place',
      async (other) => mkdir(other).then(() => writeFile(join(other, 'blobs'), '')),
      'has no blobs folder',
    ],
    [
      'a folder that every user may write to',
      async (other) => {
        await mkdir(join(other, 'blobs'), { recursive: true });
        await chmod(join(other, 'blobs'), 0o777);
      },
      'is writable by every user',
    ],
  ])('%s is not it', async (_, make, reason) => {
    fake = await fakeOllama('0.24.0', { models });
    const other = join(folder, 'other');
    await make(other);
    const runtime = at(fake, { models: async () => ({ path: other, disk: realDisk, uid }) });
    expect(await runtime.folder(never)).toEqual({ refused: expect.stringContaining(reason) });
    expect((await store(runtime, await own())).result.way).toBe('upload');
    expect(await readdir(join(other, 'blobs')).catch(() => [])).toEqual([]);
  });

  test('a server that has every blob proves nothing', async () => {
    fake = await fakeOllama('0.24.0', { models });
    fake.trick = (response, path) => path.startsWith('HEAD') && Boolean(response.writeHead(200).end());
    expect(await at(fake, doorsTo(models)).folder(never)).toEqual({ refused: expect.stringContaining('every blob') });
    expect(await blobs()).toEqual([]);
  });

  test('a folder that cannot be written to is not used', async () => {
    fake = await fakeOllama('0.24.0', { models });
    const disk: Disk = {
      ...realDisk,
      open: async () => Promise.reject(Object.assign(new Error('read-only file system'), { code: 'EROFS' })),
    };
    expect(await at(fake, doorsTo(models, disk)).folder(never)).toEqual({ refused: expect.stringContaining('EROFS') });
  });

  test('the probe is removed although the server fails', async () => {
    fake = await fakeOllama('0.24.0', { models });
    let heads = 0;
    fake.trick = (response, path) => {
      if (!path.startsWith('HEAD')) return false;
      heads += 1;
      response.writeHead(heads === 1 ? 404 : 500).end();
      return true;
    };
    const error = await failureOf(at(fake, doorsTo(models)).folder(never));
    expect(error.exitCode).toBe(13);
    expect(heads).toBe(2);
    expect(await blobs()).toEqual([]);
  });

  test('a folder of another user is not used, unless we are root', async () => {
    fake = await fakeOllama('0.24.0', { models });
    const somebody = { models: async () => ({ path: models, disk: realDisk, uid: 4_000_000_000 }) };
    expect(await at(fake, somebody).folder(never)).toEqual({ refused: expect.stringContaining('belongs to the user') });
  });
});

describe.skipIf(uid !== 0)('row 47: root and a folder of another user (skipped where not root)', () => {
  const OWNER = 1234;
  const doors = (serverUid: number | undefined): LocalTransfers => ({
    models: async () => ({
      path: models,
      disk: realDisk,
      uid: 0,
      serverUid,
      asOwner: (owner) => ownerDisk(owner, forkOwner(ROOT)),
    }),
  });

  beforeEach(async () => {
    fake = await fakeOllama('0.24.0', { models });
    await chmod(folder, 0o755);
    await mkdir(join(models, 'blobs'), { recursive: true });
    for (const path of [models, join(models, 'blobs')]) await chown(path, OWNER, OWNER);
  });

  test('it is used with the rights of that user, and the bytes of an install go to the server', async () => {
    const runtime = at(fake ?? expect.fail(), doors(OWNER));
    expect(await runtime.folder(never)).toMatchObject({ path: models, foreign: true });
    expect(await blobs()).toEqual([]);
    const refused = await failureOf(runtime.planTransfer?.(await readOnly(), 'copy', never) ?? expect.fail());
    expect(refused.message).toContain('belongs to another user');
    expect((await store(runtime, await readOnly())).result.way).toBe('upload');
  });

  test('a blob is repaired as that user, from a file that only root can read', async () => {
    const found = await at(fake ?? expect.fail(), doors(OWNER)).folder(never);
    if ('refused' in found) expect.fail(found.refused);
    const path = join(folder, 'secret.gguf');
    await writeFile(path, CONTENT, { mode: 0o400 });
    const file = { ref: path, path, sizeBytes: CONTENT.length, digest: DIGEST } as const;
    await drive(replaceBlob(found, file, createHasher(realDisk, NO_DIGEST_CACHE), never), () => {});
    expect(await stat(join(models, 'blobs', BLOB))).toMatchObject({ uid: OWNER, gid: OWNER });
    expect(await readFile(join(models, 'blobs', BLOB), 'utf8')).toBe(CONTENT);
    await dropBlob(found, DIGEST);
    expect(await blobs()).toEqual([]);
  });

  test.each([undefined, 0, 4321])(
    'a server of user %s, or one whose user is not known, is not believed',
    async (server) => {
      const folder = await at(fake ?? expect.fail(), doors(server)).folder(never);
      expect(folder).toEqual({ refused: expect.stringContaining('is not used by root') });
    },
  );

  test('a folder of root whose manifests another user can replace is not used', async () => {
    await chown(join(models, 'blobs'), 0, 0);
    const folder = await at(fake ?? expect.fail(), doors(OWNER)).folder(never);
    expect(folder).toEqual({ refused: expect.stringContaining(`${models} belongs to the user with id ${OWNER}`) });
  });
});

describe.each(['0.24.0', '0.33.0'])('a file gets into a server of %s', (version) => {
  const isNew = version === '0.33.0';

  test.each<[TransferWay, number]>([
    ['hard-link', 0],
    ['copy', CONTENT.length],
    ['upload', CONTENT.length],
    ['loopback-pull', CONTENT.length],
  ])('by %s', async (way, bytesMoved) => {
    fake = await fakeOllama(version, { models });
    const file = await readOnly();
    const runtime = at(fake, doorsTo(models));
    expect(await runtime.planTransfer?.(file, way, never)).toMatchObject({ way });
    expect(await blobs()).toEqual([]);
    const { result } = await store(runtime, file, way);
    expect(result).toMatchObject({ way, bytesMoved, uploadedDigest: DIGEST });
    expect(await readFile(join(models, 'blobs', BLOB), 'utf8')).toBe(CONTENT);
    expect((await blobs()).filter(isTemporary)).toEqual([]);
    expect([...fake.models.keys()]).toEqual(['m:t']);
    // Since 0.30 a create from a blob writes the file anew; from a model it does not.
    expect(fake.count('POST /api/pull')).toBe(isNew ? 2 : way === 'loopback-pull' ? 2 : 0);
    expect((await stat(file.path)).nlink).toBe(way === 'hard-link' ? 2 : 1);
  });

  test('a file of our cache by a hard link, unasked and unread', async () => {
    fake = await fakeOllama(version, { models });
    const file = await cached();
    const { result, events } = await store(at(fake, doorsTo(models)), file);
    expect(result).toMatchObject({ way: 'hard-link', bytesMoved: 0 });
    expect(events.filter(({ type }) => type === 'bytes' || type === 'warning')).toEqual([]);
    expect((await stat(file.path)).ino).toBe((await stat(join(models, 'blobs', BLOB))).ino);
  });

  test('from its source, in one pass', async () => {
    fake = await fakeOllama(version, { models });
    const file = elsewhere([CONTENT.slice(0, 5), CONTENT.slice(5)]);
    const { result } = await store(at(fake, doorsTo(models)), file);
    expect(result).toMatchObject({ way: 'stream', bytesMoved: CONTENT.length });
    expect(await readFile(join(models, 'blobs', BLOB), 'utf8')).toBe(CONTENT);
  });

  test('a server that reaches nobody is uploaded to', async () => {
    fake = await fakeOllama(version, { contained: true });
    const runtime = at(fake, { loopback: true });
    const file = await own();
    const refused = await failureOf(runtime.planTransfer?.(file, 'loopback-pull', never) ?? expect.fail());
    expect([refused.code, refused.exitCode]).toEqual(['bad-usage', 2]);
    expect(refused.message).toContain('container');
    expect((await store(runtime, file)).result).toMatchObject({ way: 'upload', bytesMoved: CONTENT.length });
    expect([...fake.models.keys()]).toEqual(['m:t']);
  });

  test('without doors there is only the upload', async () => {
    fake = await fakeOllama(version, { models });
    const { result } = await store(at(fake, {}), await own());
    expect(result.way).toBe('upload');
    expect(fake.count('POST /api/pull')).toBe(0);
  });
});

describe('row 7: other bytes than promised', () => {
  test.each<TransferWay>(['hard-link', 'copy', 'upload', 'loopback-pull'])('by %s: nothing stays', async (way) => {
    fake = await fakeOllama('0.33.0', { models });
    const file = await readOnly('GGUF but not the one that was meant');
    const error = await failureOf(store(at(fake, doorsTo(models)), { ...file, digest: DIGEST }, way));
    expect([error.code, error.exitCode]).toEqual(['digest-mismatch', 11]);
    expect(await blobs()).toEqual([]);
    expect([...fake.models.keys()]).toEqual([]);
  });

  test('where the folder is not known, the orphan is told', async () => {
    fake = await fakeOllama('0.24.0', { models });
    const text = 'GGUF but not the one that was meant';
    const error = await failureOf(store(at(fake, {}), { ...(await own(text)), digest: DIGEST }));
    expect(error.message).toContain(`keeps the uploaded bytes as ${digestOf(text)}`);
  });

  test('bytes that another model holds are no orphan', async () => {
    fake = await fakeOllama('0.24.0', { models });
    const text = 'GGUF but not the one that was meant';
    const manifest = join(models, 'manifests/registry.ollama.ai/library/other');
    await mkdir(manifest, { recursive: true });
    await writeFile(join(manifest, 'latest'), JSON.stringify({ layers: [{ digest: digestOf(text) }] }));
    await failureOf(store(at(fake, doorsTo(models)), { ...(await own(text)), digest: DIGEST }, 'upload'));
    expect(await blobs()).toEqual([digestOf(text).replace(':', '-')]);
  });

  test('a source that sends more, or fewer, bytes than it said', async () => {
    fake = await fakeOllama('0.24.0', { models });
    const runtime = at(fake, doorsTo(models));
    for (const pieces of [[CONTENT, 'more'], [CONTENT.slice(1)]]) {
      const error = await failureOf(store(runtime, elsewhere(pieces)));
      expect([error.code, error.exitCode]).toEqual(['truncated-file', 11]);
      expect(fake.models.size).toBe(0);
    }
  });
});

describe('what turns out not to work', () => {
  const failing = (method: keyof Disk, code: string): Disk => ({
    ...realDisk,
    [method]: () => Promise.reject(Object.assign(new Error(code), { code })),
  });

  test('row 47: a link that the file system refuses is no failure: the next way is taken', async () => {
    fake = await fakeOllama('0.24.0', { models });
    const { result, events } = await store(at(fake, doorsTo(models, failing('link', 'EPERM'))), await cached());
    expect(['reflink', 'copy']).toContain(result.way);
    expect(events).toContainEqual({
      type: 'warning',
      message: expect.stringContaining('hard-link does not work here'),
    });
    expect((await blobs()).filter(isTemporary)).toEqual([]);
  });

  test('but it is one where the link was asked for', async () => {
    fake = await fakeOllama('0.24.0', { models });
    const work = store(at(fake, doorsTo(models, failing('link', 'EXDEV'))), await cached(), 'hard-link');
    const error = await failureOf(work);
    expect([error.code, error.exitCode]).toEqual(['bad-usage', 2]);
    expect(error.message).toContain('EXDEV');
    expect(await blobs()).toEqual([]);
  });

  test('row 20: a full disk ends the copy, and nothing of it stays', async () => {
    fake = await fakeOllama('0.24.0', { models });
    const full: Disk = {
      ...realDisk,
      async open(path, flags, mode) {
        const handle = await fs.open(path, flags, mode);
        if (isTemporary(path.slice(path.lastIndexOf('/') + 1))) {
          handle.write = () => Promise.reject(Object.assign(new Error('no space'), { code: 'ENOSPC' }));
        }
        return handle;
      },
    };
    const error = await failureOf(store(at(fake, doorsTo(models, full)), await own(), 'copy'));
    expect([error.code, error.exitCode]).toEqual(['disk-full', 12]);
    expect(error.message).toContain(models);
    expect(await blobs()).toEqual([]);
    expect(fake.models.size).toBe(0);
  });

  test('row 28: a copy that is given up leaves nothing', async () => {
    fake = await fakeOllama('0.24.0', { models });
    const stop = new AbortController();
    const disk: Disk = {
      ...realDisk,
      async open(path, flags, mode) {
        if (flags === 'wx' && path.endsWith('.incomplete')) stop.abort(new ProvisionError('interrupted', 'stop'));
        return fs.open(path, flags, mode);
      },
    };
    const request: StoreRequest = { name: 'm:t', file: await own(), architecture: 'gemma3n', spec: SPEC, way: 'copy' };
    const work = at(fake, doorsTo(models, disk)).store(request, stop.signal);
    const error = await failureOf(drive(work, () => {}));
    expect(error.exitCode).toBe(130);
    expect(await blobs()).toEqual([]);
    expect(fake.models.size).toBe(0);
  });

  test('a pull that the server refuses: its create takes the blob instead, and says so', async () => {
    fake = await fakeOllama('0.33.0', { models });
    const runtime = at(fake, doorsTo(models));
    await runtime.planTransfer?.(await own(), undefined, never);
    fake.trick = refuse('POST /api/pull', 500, '{"error":"pulls are forbidden here"}');
    const { result, events } = await store(runtime, await own(), 'copy');
    expect(result.way).toBe('copy');
    expect(events).toContainEqual({ type: 'warning', message: expect.stringContaining('pulls are forbidden here') });
    expect([...fake.models.keys()]).toEqual(['m:t']);
  });

  test('row 6: a blob of the right name and the wrong size is replaced', async () => {
    fake = await fakeOllama('0.24.0', { models });
    await writeFile(join(models, 'blobs', BLOB), 'GG');
    const { result } = await store(at(fake, doorsTo(models)), await cached());
    expect(result.way).toBe('hard-link');
    expect(await readFile(join(models, 'blobs', BLOB), 'utf8')).toBe(CONTENT);
    expect((await blobs()).filter(isTemporary)).toEqual([]);
  });

  test('row 47: a symbolic link in the cache is not linked into the folder', async () => {
    fake = await fakeOllama('0.24.0', { models });
    const file = await own();
    const path = join(folder, 'link');
    await symlink(file.path, path);
    const { result } = await store(at(fake, doorsTo(models)), { ...file, path, immutable: true });
    expect(result.way).not.toBe('hard-link');
    expect((await fs.lstat(join(models, 'blobs', BLOB))).isFile()).toBe(true);
  });
});

describe('bytes that the server has already', () => {
  const corrupt = CONTENT.replace('G', 'F');

  async function serverWith(text: string): Promise<FakeOllama> {
    fake = await fakeOllama('0.24.0', { models });
    await writeFile(join(models, 'blobs', BLOB), text);
    return fake;
  }

  test('row 35: are read once, then nothing moves', async () => {
    const { result, events } = await store(at(await serverWith(CONTENT), doorsTo(models)), await own());
    expect(result).toMatchObject({ way: 'present', bytesMoved: 0 });
    expect(events.filter(({ type }) => type === 'warning')).toEqual([]);
  });

  test.each([
    ['a file of this machine', own],
    ['a file of our cache', cached],
    ['a file on a web server', async () => elsewhere([CONTENT])],
  ] as const)('row 35: and are not what their name says are replaced from %s', async (_, source) => {
    const server = await serverWith(corrupt);
    const { result, events } = await store(at(server, doorsTo(models)), await source());
    expect(await readFile(join(models, 'blobs', BLOB), 'utf8')).toBe(CONTENT);
    expect(events).toContainEqual({ type: 'warning', message: expect.stringContaining('is corrupt') });
    expect(result.uploadedDigest).toBe(DIGEST);
    expect((await blobs()).filter(isTemporary)).toEqual([]);
  });

  test('row 35: a source that fails leaves the corrupt blob where it was', async () => {
    const server = await serverWith(corrupt);
    await failureOf(store(at(server, doorsTo(models)), elsewhere([CONTENT.slice(1)])));
    expect(await readFile(join(models, 'blobs', BLOB), 'utf8')).toBe(corrupt);
    expect(await blobs()).toEqual([BLOB]);
  });

  test('row 35: where they cannot be read, the answer says that they were not verified', async () => {
    const { result, events } = await store(at(await serverWith(CONTENT), {}), await own());
    expect(result.way).toBe('present');
    expect(events).toContainEqual({ type: 'warning', message: expect.stringContaining('not verified') });
  });
});

test('a file that its user can write gets no hard link, also when that is asked for', async () => {
  fake = await fakeOllama('0.24.0', { models });
  const error = await failureOf(store(at(fake, doorsTo(models)), await own(), 'hard-link'));
  expect([error.code, error.exitCode]).toEqual(['bad-usage', 2]);
  expect(error.message).toContain('chmod a-w');
  expect(await blobs()).toEqual([]);
});

describe('names that only exist while a file gets in', () => {
  test('are recognised, and no others', () => {
    const pulled = pulledName(4711, 'blob');
    const stub = stubName('gemma:t', DIGEST);
    for (const name of [pulled, stub, pulledName(1, 'probe')]) expect(isTransferName(name)).toBe(true);
    for (const name of ['gemma:t', 'gemma-provision-transfer:t', '127.0.0.1:4711/library/x:blob', `x${stub}`]) {
      expect(isTransferName(name)).toBe(false);
    }
    expect(registryPortOf(pulled)).toBe(4711);
    expect(registryPortOf(stub)).toBeUndefined();
  });

  test('a stub is the same for one model of one file, and for no other', () => {
    expect(stubName('Gemma:T', DIGEST)).toBe(stubName('gemma:t', DIGEST));
    expect(stubName('gemma:u', DIGEST)).not.toBe(stubName('gemma:t', DIGEST));
    expect(stubName('gemma:t', digestOf('other'))).not.toBe(stubName('gemma:t', DIGEST));
  });
});
