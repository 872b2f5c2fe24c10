import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Home, makeHome, Q4 } from '../../helpers/cli.ts';
import { type Hub, type HubRepo, startHub } from '../../helpers/hub.ts';

const COMMIT = 'a'.repeat(40);
const FILE = 'tiny-gemma-3n-q4_k_m.gguf';
const REF = `hf:org/tiny-GGUF/${FILE}`;
const PINNED = `hf:org/tiny-GGUF@${COMMIT}/${FILE}`;
const SECRET = 'hf_plantedSecretOfTheTest1';

let home: Home;
let hub: Hub;
let content: Buffer;

beforeEach(async () => {
  content = await readFile(Q4);
  const repo: HubRepo = {
    id: 'org/tiny-GGUF',
    revisions: { main: COMMIT },
    commits: { [COMMIT]: [{ path: FILE, content }] },
    cardData: { license: 'apache-2.0' },
  };
  hub = await startHub({ repos: [repo, { ...repo, id: 'org/gated', gated: 'manual' }], tokens: { [SECRET]: [] } });
  home = makeHome();
});
afterEach(async () => {
  home.remove();
  await hub.close();
});

const install = (ref: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) =>
  home.json('install', ['--from', ref, '--runtime', 'embedded', '--accept-license', ...args], {
    env: { HF_ENDPOINT: hub.url, ...env },
  });

const moved = () => hub.requests.filter(({ host, line }) => host === 'storage' && line.startsWith('GET'));

describe('an install from a hub', () => {
  test('row 16: moves the bytes once; then works without a network', async () => {
    const first = await install(REF);
    expect(first).toMatchObject({ code: 0, ok: true, data: { bytesMoved: content.length } });
    expect((await home.json('show', [first.data?.name ?? ''])).data?.records[0]?.source).toMatchObject({
      ref: REF,
      pinnedRef: PINNED,
      provenance: { licence: 'apache-2.0' },
    });

    hub.requests.splice(0);
    const second = await install(REF);
    expect(second).toMatchObject({ code: 0, data: { bytesMoved: 0 } });
    expect(hub.requests.length).toBeLessThanOrEqual(3);
    expect(moved()).toEqual([]);

    await hub.close();
    const offline = await install(REF, ['--force']);
    expect(offline).toMatchObject({ code: 0, data: { bytesMoved: 0 } });
    expect(offline.warnings).toContainEqual(expect.stringContaining(`using its state of`));
    const pinned = await install(PINNED, ['--name', 'pinned']);
    expect(pinned).toMatchObject({ code: 0, data: { bytesMoved: 0 } });
    expect(pinned.warnings.filter((each) => each.includes('using its state'))).toEqual([]);
  });

  test('row 12: a gated repository ends at once, with the page of its licence and without the token', async () => {
    const refused = await install(`hf:org/gated/${FILE}`, [], {
      HF_TOKEN: SECRET,
      GEMMA_PROVISION_HF_LOGIN_ENDPOINT: hub.url,
    });
    expect(refused).toMatchObject({
      code: 14,
      ok: false,
      error: {
        code: 'unauthorised',
        suggestions: expect.arrayContaining([expect.stringContaining(`${hub.url}/org/gated`)]),
      },
    });
    expect(moved()).toEqual([]);
    expect(JSON.stringify(refused)).not.toContain(SECRET);
    for (const text of await textsIn(home.path)) expect(text).not.toContain(SECRET);
  });

  test('a dry run reads the header from afar, and leaves the cache as it was', async () => {
    const planned = await install(REF, ['--dry-run']);
    expect(planned.code).toBe(0);
    expect(moved()).toHaveLength(1);
    expect(await readdir(join(home.path, 'cache')).catch(() => [])).not.toContain('blobs');
  });
});

describe('the cache', () => {
  test('row 35: a file that changed is found by verify, removed, and fetched again', async () => {
    await install(REF);
    const [blob] = (await home.json('cache list', [])).data?.blobs ?? [];
    expect(blob).toMatchObject({
      sizeBytes: content.length,
      fileName: FILE,
      refs: [`hf:org/tiny-GGUF@main/${FILE}`, PINNED],
    });
    expect(await home.json('cache verify', [])).toMatchObject({ code: 0, ok: true, data: { results: [{ ok: true }] } });

    const path = blob?.path ?? '';
    const changed = Buffer.from(content);
    changed[content.length >> 1] = (changed[content.length >> 1] ?? 0) ^ 1;
    await chmod(path, 0o644);
    await writeFile(path, changed);
    expect(await home.json('cache verify', [])).toMatchObject({
      code: 11,
      ok: false,
      data: { results: [{ ok: false, removed: false }] },
    });
    expect((await stat(path)).size).toBe(content.length);
    expect(await home.json('cache verify', ['--remove'])).toMatchObject({
      code: 0,
      data: { results: [{ ok: false, removed: true }] },
    });
    expect((await home.json('cache list', [])).data).toMatchObject({ blobs: [], totalBytes: 0 });
    expect(await install(REF, ['--force'])).toMatchObject({ code: 0 });
  });

  test('prune keeps what an installed model came from, and with --all takes it on --apply', async () => {
    await install(REF);
    expect((await home.json('cache prune', ['--apply'])).data).toMatchObject({ applied: true, items: [], kept: 1 });
    const shown = await home.json('cache prune', ['--all']);
    expect(shown.data).toMatchObject({ applied: false, reclaimableBytes: content.length, kept: 0 });
    expect((await home.json('cache list', [])).data?.blobs).toHaveLength(1);
    expect((await home.json('cache prune', ['--all', '--apply'])).data).toMatchObject({ applied: true, kept: 0 });
    expect((await home.json('cache list', [])).data?.blobs).toEqual([]);
    expect(await home.json('cache prune', ['--older-than', 'soon'])).toMatchObject({
      code: 2,
      error: { code: 'bad-usage' },
    });
  });
});

async function textsIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return Promise.all(files.map((entry) => readFile(join(entry.parentPath, entry.name), 'latin1')));
}
