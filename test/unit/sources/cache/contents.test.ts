import { chmod, link, mkdir, readdir, readFile, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Digest } from '../../../../src/core/digest.ts';
import { digestOf } from '../../../../src/core/digest.ts';
import { ProvisionError } from '../../../../src/core/errors.ts';
import { GRACE_MS } from '../../../../src/sources/cache/prune.ts';
import { never } from '../../../helpers/failure.ts';
import { temporaryFolder } from '../support.ts';
import { CONTENT, DIGEST, failing, remoteFile, run, type TestCache, testCache } from './support.ts';

const OTHER = Buffer.from('GGUF of another model');
const OTHER_OF = digestOf(OTHER);
const ORIGIN = new Map([
  [DIGEST, CONTENT],
  [OTHER_OF, OTHER],
]);
const NOW = new Date('2026-05-06T12:00:00Z');
const NONE: ReadonlySet<Digest> = new Set();

let folder: string;
beforeEach(async () => {
  folder = join(await temporaryFolder(), 'cache');
});

const blobOf = (digest: Digest = DIGEST) => join(folder, 'blobs', digest.replace(':', '-'));

async function filled(more: object = {}): Promise<TestCache> {
  const test = testCache({ folder, origin: ORIGIN, now: () => NOW, ...more });
  await run(test.cache.fetch(remoteFile(CONTENT, { rememberAs: 'hf:org/repo@main/a.gguf' }), never));
  await run(test.cache.fetch(remoteFile(OTHER, { pinnedRef: 'hf:org/other@1/b.gguf', fileName: 'b.gguf' }), never));
  await aged(blobOf(), 2 * GRACE_MS);
  await aged(blobOf(OTHER_OF), 3 * GRACE_MS);
  return test;
}

async function aged(path: string, ms: number): Promise<void> {
  const at = new Date(NOW.getTime() - ms);
  await utimes(path, at, at);
}

async function corrupt(path: string): Promise<void> {
  const { atime, mtime } = await stat(path);
  await chmod(path, 0o644);
  await writeFile(path, 'FUGG of the cache');
  await utimes(path, atime, mtime);
}

describe('list', () => {
  test('an empty cache, and one that does not exist', async () => {
    const empty = { folder, blobs: [], partials: [], totalBytes: 0 };
    expect(await testCache({ folder }).cache.list()).toEqual(empty);
    await mkdir(join(folder, 'blobs'), { recursive: true });
    expect(await testCache({ folder }).cache.list()).toEqual(empty);
  });

  test('files with their references, the newest first, and what did not come in whole', async () => {
    const { cache } = await filled();
    await writeFile(join(folder, 'partial', `sha256-${'e'.repeat(64)}`), 'half');
    await writeFile(join(folder, 'partial', `sha256-${'e'.repeat(64)}.state`), '{}');
    await writeFile(join(folder, 'blobs', 'README'), 'not ours');
    await symlink('/etc/hostname', blobOf(`sha256:${'d'.repeat(64)}`));
    const { blobs, partials, totalBytes } = await cache.list();
    expect(blobs).toEqual([
      {
        digest: DIGEST,
        path: blobOf(),
        sizeBytes: CONTENT.length,
        since: '2026-05-06T10:00:00.000Z',
        fileName: 'a.gguf',
        refs: ['hf:org/repo@main/a.gguf', `hf:org/repo@${'a'.repeat(40)}/a.gguf`],
      },
      {
        digest: OTHER_OF,
        path: blobOf(OTHER_OF),
        sizeBytes: OTHER.length,
        since: '2026-05-06T09:00:00.000Z',
        fileName: 'b.gguf',
        refs: ['hf:org/other@1/b.gguf'],
      },
    ]);
    expect(partials).toMatchObject([{ path: join(folder, 'partial', `sha256-${'e'.repeat(64)}`), sizeBytes: 6 }]);
    expect(totalBytes).toBe(CONTENT.length + OTHER.length + 6);
  });

  test('a folder that cannot be read', async () => {
    await filled();
    const { cache } = testCache({ folder, disk: { readdir: failing('EACCES') } });
    await expect(cache.list()).rejects.toMatchObject({
      code: 'file-access',
      message: expect.stringContaining('permission denied'),
    });
  });
});

describe('verify', () => {
  test('finds one changed file, though its size and time are the old ones, and only names it', async () => {
    const { cache } = await filled();
    await corrupt(blobOf());
    const { result } = await run(cache.verify({ remove: false }, never));
    expect(result.results).toEqual([
      {
        digest: DIGEST,
        path: blobOf(),
        sizeBytes: CONTENT.length,
        ok: false,
        problem: expect.stringMatching(/have the digest sha256:/),
        removed: false,
      },
      { digest: OTHER_OF, path: blobOf(OTHER_OF), sizeBytes: OTHER.length, ok: true, removed: false },
    ]);
    expect(await readdir(join(folder, 'blobs'))).toHaveLength(2);
  });

  test('with --remove, removes it and its references, and it is fetched again', async () => {
    const { cache, fetched } = await filled();
    await corrupt(blobOf());
    expect((await run(cache.verify({ remove: true }, never))).result.results[0]).toMatchObject({
      ok: false,
      removed: true,
    });
    expect(await readdir(join(folder, 'blobs'))).toEqual([OTHER_OF.replace(':', '-')]);
    expect(await cache.refs.find('hf:org/repo@main/a.gguf')).toBeUndefined();
    expect(await cache.refs.find('hf:org/other@1/b.gguf')).toBeDefined();
    await run(cache.fetch(remoteFile(), never));
    expect(fetched).toEqual([DIGEST, OTHER_OF, DIGEST]);
  });

  test('says so when it cannot remove or read a file', async () => {
    await filled();
    await corrupt(blobOf());
    const { cache } = testCache({ folder, disk: { unlink: failing('EROFS') } });
    expect((await run(cache.verify({ remove: true }, never))).result.results[0]).toMatchObject({
      ok: false,
      removed: false,
    });
    const blind = testCache({ folder, disk: { open: failing('EIO') } });
    const { result } = await run(blind.cache.verify({ remove: false }, never));
    expect(result.results.map(({ ok, problem }) => [ok, problem])).toEqual([
      [false, expect.stringContaining('EIO')],
      [false, expect.stringContaining('EIO')],
    ]);
  });
});

describe('prune', () => {
  test('lists what is not the source of an installed model, and removes it only with apply', async () => {
    const { cache } = await filled();
    const inUse = new Set([DIGEST]);
    const shown = (await run(cache.prune({ inUse, apply: false }, never))).result;
    const item = {
      path: blobOf(OTHER_OF),
      digest: OTHER_OF,
      fileName: 'b.gguf',
      sizeBytes: OTHER.length,
      reason: 'not the source of an installed model; stored 3 h 0 m ago',
    };
    expect(shown).toEqual({
      folder,
      applied: false,
      items: [{ ...item, removed: false }],
      reclaimableBytes: OTHER.length,
      kept: 1,
    });
    expect(await readdir(join(folder, 'blobs'))).toHaveLength(2);
    const done = (await run(cache.prune({ inUse, apply: true }, never))).result;
    expect(done).toEqual({
      folder,
      applied: true,
      items: [{ ...item, removed: true }],
      reclaimableBytes: OTHER.length,
      kept: 1,
    });
    expect(await readdir(join(folder, 'blobs'))).toEqual([DIGEST.replace(':', '-')]);
    expect(await cache.refs.find('hf:org/other@1/b.gguf')).toBeUndefined();
    expect((await run(cache.prune({ inUse, apply: true }, never))).result.items).toEqual([]);
  });

  test('what was stored within the last hour stays, unless all is given', async () => {
    const { cache } = await filled();
    await aged(blobOf(OTHER_OF), GRACE_MS - 1000);
    const reasons = async (options: object) =>
      (await run(cache.prune({ inUse: new Set([DIGEST]), apply: false, ...options }, never))).result.items.map(
        ({ reason }) => reason,
      );
    expect(await reasons({})).toEqual([]);
    expect(await reasons({ all: true })).toEqual([
      'not the source of an installed model; stored 59 m 59 s ago',
      'source of an installed model; stored 2 h 0 m ago',
    ]);
    expect(await reasons({ all: true, olderThanMs: 2 * GRACE_MS })).toEqual([
      'source of an installed model; stored 2 h 0 m ago',
    ]);
  });

  test('partials go with their state, also one of a model in use', async () => {
    const { cache } = await filled();
    const partial = join(folder, 'partial', DIGEST.replace(':', '-'));
    for (const path of [partial, `${partial}.state`]) {
      await writeFile(path, 'half');
      await aged(path, 2 * GRACE_MS);
    }
    const { result } = await run(cache.prune({ inUse: new Set([DIGEST, OTHER_OF]), apply: true }, never));
    expect(result.items).toMatchObject([
      { path: partial, removed: true, reason: expect.stringContaining('partial download') },
    ]);
    expect(await readdir(join(folder, 'partial'))).toEqual([]);
    expect(await readdir(join(folder, 'blobs'))).toHaveLength(2);
  });

  test('what another run is fetching stays, with the reason', async () => {
    await filled();
    const { cache } = testCache({
      folder,
      now: () => NOW,
      // biome-ignore lint/correctness/useYield: it only refuses
      async *exclusive() {
        throw new ProvisionError('busy', 'held');
      },
    });
    const { result } = await run(cache.prune({ inUse: NONE, apply: true }, never));
    expect(result.items.map(({ removed, problem }) => [removed, problem])).toEqual([
      [false, 'another process is downloading it'],
      [false, 'another process is downloading it'],
    ]);
    expect(result).toMatchObject({ reclaimableBytes: 0, kept: 2 });
    expect(await readdir(join(folder, 'blobs'))).toHaveLength(2);
  });

  test('a hard link elsewhere keeps its bytes', async () => {
    const { cache } = await filled();
    const elsewhere = join(folder, '..', 'linked');
    await link(blobOf(), elsewhere);
    await run(cache.prune({ inUse: NONE, apply: true }, never));
    expect((await stat(elsewhere)).size).toBe(CONTENT.length);
  });
});

describe('properties', () => {
  const contents = [0, 1, 2, 3].map((index) => Buffer.from(`GGUF number ${index}`));
  const origin = new Map(contents.map((content) => [digestOf(content), content]));
  const step = fc.record({
    do: fc.constantFrom('fetch', 'corrupt', 'empty', 'verify', 'prune', 'list'),
    which: fc.integer({ min: 0, max: contents.length - 1 }),
  });

  test('whatever happened before, what is found has the bytes of its name, and a fetch brings them', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        folder = join(await temporaryFolder(), 'cache');
        const { cache } = testCache({ folder, origin, now: () => NOW });
        for (const { do: action, which } of steps) {
          const content = contents[which] ?? CONTENT;
          const path = blobOf(digestOf(content));
          const there = await stat(path).then(
            () => true,
            () => false,
          );
          if (action === 'fetch') {
            const { result } = await run(cache.fetch(remoteFile(content), never));
            expect(result.bytesMoved === 0 || result.bytesMoved === content.length).toBe(true);
          } else if (action === 'verify') await run(cache.verify({ remove: true }, never));
          else if (action === 'prune') await run(cache.prune({ inUse: NONE, all: true, apply: true }, never));
          else if (action === 'list') await cache.list();
          else if (there) {
            await chmod(path, 0o644);
            await writeFile(path, action === 'empty' ? '' : `FUGG number ${which}`);
          }
        }
        for (const content of contents) {
          const { result } = await run(cache.find(digestOf(content), never));
          if (result !== undefined) expect(digestOf(await readFile(result.path))).toBe(digestOf(content));
          const fetchedFile = (await run(cache.fetch(remoteFile(content), never))).result;
          expect(digestOf(await readFile(fetchedFile.path))).toBe(digestOf(content));
        }
        expect((await cache.list()).partials).toEqual([]);
      }),
      { numRuns: 25 },
    );
  });
});
