import { mkdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/core/digest.ts';
import { type Home, makeHome, Q4 } from '../../helpers/cli.ts';
import { type Hub, startHub } from '../../helpers/hub.ts';

const COMMIT = 'a'.repeat(40);
const FILE = 'tiny-gemma-3n-q4_k_m.gguf';
const PINNED = `hf:org/tiny-GGUF@${COMMIT}/${FILE}`;
const CLOSED = 'http://127.0.0.1:1';

let home: Home;
let content: Buffer;
let digest: string;
let hub: Hub | undefined;

beforeEach(async () => {
  home = makeHome();
  content = await readFile(Q4);
  digest = digestOf(content);
});
afterEach(async () => {
  home.remove();
  await hub?.close();
  hub = undefined;
});

const env = () => ({ HOME: home.path, HF_ENDPOINT: hub?.url ?? CLOSED });
const install = (args: readonly string[]) =>
  home.json('install', ['--from', PINNED, '--runtime', 'embedded', '--accept-license', ...args], { env: env() });

async function put(...path: string[]): Promise<string> {
  const at = join(home.path, ...path);
  await mkdir(dirname(at), { recursive: true });
  await writeFile(at, content);
  return at;
}

describe('bytes that another tool has', () => {
  test('the Hugging Face cache: planned, installed without a download, recorded by its origin', async () => {
    const blob = await put('.cache/huggingface/hub/models--org--tiny-GGUF/blobs', digest.slice(7));
    const planned = await install(['--digest', digest, '--offline', '--dry-run']);
    const bytesFrom = { at: 'store', name: 'Hugging Face cache', path: blob };
    expect(planned).toMatchObject({ code: 0, data: { plan: { bytesFrom }, source: { ref: PINNED, digest } } });

    const done = await install(['--digest', digest, '--offline', '--no-smoke']);
    expect(done).toMatchObject({ code: 0, data: { changed: true } });
    const { source } = (await home.json('show', [done.data?.name ?? ''])).data?.records[0] ?? {};
    expect(source).toEqual({
      ref: PINNED,
      pinnedRef: PINNED,
      digest,
      sizeBytes: content.length,
      servedBy: 'Hugging Face cache',
    });
    // Not a second name of a file that another tool may write to.
    expect((await stat(blob)).nlink).toBe(1);

    const again = await install(['--digest', digest, '--offline', '--no-smoke']);
    expect(again).toMatchObject({ code: 0, data: { changed: false, bytesMoved: 0 } });
  });

  test('a branch without a digest, with the links of the Hugging Face cache alone', async () => {
    const repo = join(home.path, '.cache/huggingface/hub/models--org--tiny-GGUF');
    const blob = await put('.cache/huggingface/hub/models--org--tiny-GGUF/blobs', digest.slice(7));
    await mkdir(join(repo, 'refs'));
    await writeFile(join(repo, 'refs', 'main'), COMMIT);
    await mkdir(join(repo, 'snapshots', COMMIT), { recursive: true });
    await symlink(`../../blobs/${digest.slice(7)}`, join(repo, 'snapshots', COMMIT, FILE));
    const ref = `hf:org/tiny-GGUF@main/${FILE}`;
    const args = ['--from', ref, '--runtime', 'embedded', '--offline', '--dry-run'];
    const planned = await home.json('install', args, { env: env() });
    expect(planned).toMatchObject({ code: 0, data: { source: { ref, pinnedRef: PINNED, digest } } });
    expect(planned.data?.plan.bytesFrom).toMatchObject({ path: blob });
    // What the cache names is no proof: other bytes under that name are not used.
    await writeFile(blob, Buffer.alloc(content.length, 1));
    const refused = await home.json('install', args, { env: env() });
    expect(refused).toMatchObject({ code: 10, error: { code: 'network' } });
  });

  test('a bundle is made of them where the runtime’s own copy is gone', async () => {
    await put('.lmstudio/models/org/tiny-GGUF', FILE);
    const { data } = await install(['--digest', digest, '--offline', '--no-smoke']);
    await rm(join(home.path, 'data', 'embedded', 'blobs', digest.replace(':', '-')));
    const made = await home.json('bundle create', [data?.name ?? '', './out.tar'], { env: env() });
    expect(made).toMatchObject({ code: 0, ok: true });
    expect((await stat(join(home.path, 'out.tar'))).size).toBeGreaterThan(content.length);
  });

  test('a person is told where the bytes are', async () => {
    const file = await put('.lmstudio/models/org/tiny-GGUF', FILE);
    const args = ['--from', PINNED, '--digest', digest, '--runtime', 'embedded', '--dry-run', '--offline'];
    const { stdout, code } = await home.run(['install', ...args], { env: env() });
    expect(code).toBe(0);
    expect(stdout).toContain(`already on this machine: LM Studio, ${file}; nothing to download`);
  });

  test('pull copies it into the cache, which then stands on its own', async () => {
    const blob = await put('.ollama/models/blobs', digest.replace(':', '-'));
    const pulled = await home.json('pull', [PINNED, '--digest', digest, '--offline'], { env: env() });
    expect(pulled).toMatchObject({ code: 0, data: { servedBy: 'Ollama', bytesMoved: 0, digest } });
    expect(pulled.data?.path.startsWith(join(home.path, 'cache'))).toBe(true);
    await rm(blob);
    const again = await home.json('pull', [PINNED, '--offline'], { env: env() });
    expect(again).toMatchObject({ code: 0, data: { path: pulled.data?.path, fileName: FILE } });
  });

  test('a reachable hub names the digest, and none of its bytes are fetched', async () => {
    hub = await startHub({
      repos: [{ id: 'org/tiny-GGUF', revisions: { main: COMMIT }, commits: { [COMMIT]: [{ path: FILE, content }] } }],
    });
    await put('.cache/huggingface/hub/models--else--where/blobs', digest.slice(7));
    expect(await install(['--no-smoke'])).toMatchObject({ code: 0 });
    expect(hub.requests.filter(({ host }) => host === 'storage')).toEqual([]);
  });
});

describe('--offline', () => {
  test('asks nobody: what is missing, and what would fetch it', async () => {
    hub = await startHub({ repos: [] });
    const refused = await install(['--digest', digest, '--offline']);
    expect(refused).toMatchObject({
      code: 10,
      error: { code: 'network', message: expect.stringContaining(digest) },
    });
    expect(refused.error.suggestions[0]).toBe(`Fetch it while there is a network: gemma-provision pull ${PINNED}`);
    expect(hub.requests).toEqual([]);
  });

  test.each(['variable', 'setting'])('by its %s', async (how) => {
    hub = await startHub({ repos: [] });
    if (how === 'setting') {
      await mkdir(join(home.path, 'config'), { recursive: true });
      await writeFile(join(home.path, 'config', 'config.json'), '{"offline": true}');
    }
    const more: Record<string, string> = how === 'variable' ? { GEMMA_PROVISION_OFFLINE: '1' } : {};
    const pulled = await home.json('pull', [PINNED], { env: { ...env(), ...more } });
    expect(pulled).toMatchObject({ code: 10, error: { message: expect.stringContaining('--offline') } });
    expect(hub.requests).toEqual([]);
  });
});
