import { chmod, link, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { type Digest, digestOf } from '../../../../src/core/digest.ts';
import { createDigestCache } from '../../../../src/disk/digest-cache.ts';
import { realDisk } from '../../../../src/disk/disk.ts';
import { createHasher } from '../../../../src/disk/hash.ts';
import { createStoreFinder } from '../../../../src/sources/stores/find.ts';
import { knownStores } from '../../../../src/sources/stores/known-stores.ts';
import { diskWith } from '../../../helpers/disk.ts';
import { never } from '../../../helpers/failure.ts';
import { run } from '../cache/support.ts';
import { countingFiles, temporaryFolder } from '../support.ts';

const CONTENT = Buffer.from('GGUF of another tool');
const DIGEST = digestOf(CONTENT);
const HEX = DIGEST.slice('sha256:'.length);
const NAME = 'gemma-Q4_K_M.gguf';
const WANTED = { digest: DIGEST, sizeBytes: CONTENT.length, fileName: NAME };

let home: string;
beforeEach(async () => {
  home = await temporaryFolder();
});

async function put(path: string, content: Buffer = CONTENT): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  return path;
}

function finder(env: Record<string, string> = {}, disk = realDisk, uid = process.getuid?.()) {
  const stores = knownStores({ platform: 'linux', env, home, disk });
  const hash = createHasher(disk, createDigestCache(realDisk, join(home, 'cache-of-ours')));
  return createStoreFinder({ stores, disk, hash, uid });
}

async function find(env: Record<string, string> = {}, wanted: { digest: Digest } = WANTED) {
  const { result, events } = await run(finder(env)(wanted, never));
  const warnings = events.flatMap((event) => (event.type === 'warning' ? [event.message] : []));
  return { found: result, warnings };
}

const blobIn = (hub: string) => join(hub, 'models--org--gemma-GGUF', 'blobs', HEX);

describe('the cache of the Hugging Face hub', () => {
  test.each<[string, Record<string, string>, string]>([
    ['by default', {}, '.cache/huggingface/hub'],
    ['HF_HUB_CACHE', { HF_HUB_CACHE: '~/elsewhere', HF_HOME: '~/not-this' }, 'elsewhere'],
    ['its older name', { HUGGINGFACE_HUB_CACHE: '~/older' }, 'older'],
    ['HF_HOME', { HF_HOME: '~/hf', XDG_CACHE_HOME: '~/not-this' }, 'hf/hub'],
    ['XDG_CACHE_HOME', { XDG_CACHE_HOME: '~/xdg' }, 'xdg/huggingface/hub'],
  ])('is found as its own clients find it: %s', async (_, env, folder) => {
    const path = await put(blobIn(join(home, folder)));
    const { found, warnings } = await find(env);
    expect(found).toEqual({ digest: DIGEST, path, sizeBytes: CONTENT.length, store: 'Hugging Face cache' });
    expect(warnings).toEqual([]);
  });

  test('a blob of any repository will do, and a blob that is a link within the cache', async () => {
    const hub = join(home, '.cache/huggingface/hub');
    const path = await put(join(hub, 'shared', 'file'));
    await mkdir(join(hub, 'models--a--b', 'blobs'), { recursive: true });
    await symlink(path, join(hub, 'models--a--b', 'blobs', HEX));
    expect((await find()).found?.path).toBe(path);
  });

  test('a corrupt blob is reported and not used; another store still is', async () => {
    const corrupt = await put(blobIn(join(home, '.cache/huggingface/hub')), Buffer.from('GGUF of another fool'));
    const good = await put(join(home, '.ollama/models/blobs', `sha256-${HEX}`));
    const { found, warnings } = await find();
    expect(found).toMatchObject({ path: good, store: 'Ollama' });
    expect(warnings).toEqual([expect.stringContaining(`${corrupt} (Hugging Face cache`)]);
  });

  test('a link that leads out of the cache is not followed', async () => {
    const outside = await put(join(home, 'outside'));
    const blob = blobIn(join(home, '.cache/huggingface/hub'));
    await mkdir(dirname(blob), { recursive: true });
    await symlink(outside, blob);
    expect(await find()).toEqual({ found: undefined, warnings: [] });
  });
});

describe('the models folder of Ollama', () => {
  test('by default, and where OLLAMA_MODELS says, which then is the only one', async () => {
    const own = await put(join(home, '.ollama/models/blobs', `sha256-${HEX}`));
    expect((await find()).found).toMatchObject({ path: own, store: 'Ollama' });
    expect((await find({ OLLAMA_MODELS: join(home, 'other') })).found).toBeUndefined();
    const named = await put(join(home, 'other/blobs', `sha256-${HEX}`));
    expect((await find({ OLLAMA_MODELS: join(home, 'other') })).found?.path).toBe(named);
  });

  test('the folder of blobs may be a link, as for the server', async () => {
    const path = await put(join(home, 'disk2', `sha256-${HEX}`));
    await mkdir(join(home, '.ollama/models'), { recursive: true });
    await symlink(join(home, 'disk2'), join(home, '.ollama/models/blobs'));
    expect((await find()).found?.path).toBe(path);
  });
});

describe('the models folder of LM Studio', () => {
  test.each(['.lmstudio/models', '.cache/lm-studio/models'])('%s, by the file’s name and size', async (folder) => {
    const path = await put(join(home, folder, 'lmstudio-community', 'gemma-GGUF', NAME));
    expect((await find()).found).toEqual({ digest: DIGEST, path, sizeBytes: CONTENT.length, store: 'LM Studio' });
  });

  test('a file of that name with other bytes is passed over in silence: names are not digests', async () => {
    await put(join(home, '.lmstudio/models/a/b', NAME), Buffer.from('GGUF of another size, and more'));
    await put(join(home, '.lmstudio/models/c/d', NAME), Buffer.from('GGUF of another fool'));
    const path = await put(join(home, '.lmstudio/models/e/f', NAME));
    expect(await find()).toEqual({ found: expect.objectContaining({ path }), warnings: [] });
  });

  test('a file of another size is not even read', async () => {
    await put(join(home, '.lmstudio/models/a/b', NAME), Buffer.from('GGUF of another size, and more'));
    const { disk, bytesRead } = countingFiles();
    expect((await run(finder({}, disk)(WANTED, never))).result).toBeUndefined();
    expect(bytesRead()).toBe(0);
  });
});

describe('what of a store is used', () => {
  test('nothing of another user, who could change it: only files of this user and of root', async () => {
    const path = await put(blobIn(join(home, '.cache/huggingface/hub')));
    const ownedBy = (uid: bigint) =>
      diskWith({ lstat: async (at, options) => Object.assign(await realDisk.lstat(at, options), { uid }) });
    const search = async (owner: bigint) => (await run(finder({}, ownedBy(owner), 1000)(WANTED, never))).result;
    expect(await search(1001n)).toBeUndefined();
    expect((await search(1000n))?.path).toBe(path);
    expect((await search(0n))?.path).toBe(path);
  });

  test('no folder, no device and no empty file', async () => {
    await mkdir(blobIn(join(home, '.cache/huggingface/hub')), { recursive: true });
    await put(join(home, '.ollama/models/blobs', `sha256-${HEX}`), Buffer.alloc(0));
    expect(await find({}, { digest: DIGEST })).toEqual({ found: undefined, warnings: [] });
  });

  test('a file is read once; the next run knows its digest, until the file is written to', async () => {
    const path = await put(blobIn(join(home, '.cache/huggingface/hub')));
    await find();
    const { disk, bytesRead } = countingFiles();
    expect((await run(finder({}, disk)(WANTED, never))).result?.path).toBe(path);
    expect(bytesRead()).toBe(0);
    await writeFile(path, Buffer.from('GGUF of another fool'));
    expect((await find()).found).toBeUndefined();
  });

  test('a second name of a file is as good as the first: hard links are no way out of a folder', async () => {
    const elsewhere = await put(join(home, 'file'));
    const blob = blobIn(join(home, '.cache/huggingface/hub'));
    await mkdir(dirname(blob), { recursive: true });
    await link(elsewhere, blob);
    await chmod(elsewhere, 0o644);
    expect((await find()).found?.path).toBe(blob);
  });

  test('an abort ends the search', async () => {
    await put(blobIn(join(home, '.cache/huggingface/hub')));
    const reason = new Error('stop');
    await expect(run(finder()(WANTED, AbortSignal.abort(reason)))).rejects.toBe(reason);
  });
});
