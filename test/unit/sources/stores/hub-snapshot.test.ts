import { execFileSync } from 'node:child_process';
import { lchown, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { realDisk } from '../../../../src/disk/disk.ts';
import { createHubRecall } from '../../../../src/sources/stores/hub-snapshot.ts';
import { temporaryFolder } from '../support.ts';

const COMMIT = 'a'.repeat(40);
const HEX = 'd'.repeat(64);
const FOUND = { pinnedRef: `hf:org/repo@${COMMIT}/q4/a.gguf`, digest: `sha256:${HEX}` };

let folder: string;
let repo: string;
beforeEach(async () => {
  folder = await temporaryFolder();
  repo = join(folder, 'models--org--repo');
  await put('refs/main', COMMIT);
  await put(`blobs/${HEX}`, 'GGUF');
  await point(`snapshots/${COMMIT}/q4/a.gguf`, `blobs/${HEX}`);
});

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(repo, path)), { recursive: true });
  await writeFile(join(repo, path), text);
}
async function point(path: string, at: string): Promise<void> {
  await mkdir(dirname(join(repo, path)), { recursive: true });
  await symlink(join(repo, at), join(repo, path));
}
const recall = (key: string) => createHubRecall(folder, { disk: realDisk, uid: process.getuid?.() })(key);

test('a branch by its commit, and a commit itself', async () => {
  expect(await recall('hf:org/repo@main/q4/a.gguf')).toEqual(FOUND);
  expect(await recall(`hf:org/repo@${COMMIT}/q4/a.gguf`)).toEqual(FOUND);
});

test.each(['hf:org/repo@main', 'hf:org/repo@v1/q4/a.gguf', 'hf:org/repo@main/b.gguf', 'hf:org/other@main/q4/a.gguf'])(
  '%s was never fetched',
  async (key) => {
    expect(await recall(key)).toBeUndefined();
  },
);

test('references of other kinds, and refs that are no commit', async () => {
  expect(await recall('oci:localhost:5000/a/b:c')).toBeUndefined();
  await put('refs/odd', '../../..');
  expect(await recall('hf:org/repo@odd/q4/a.gguf')).toBeUndefined();
});

test('a small file is named by its git object, which is no SHA-256 of its bytes', async () => {
  await put(`blobs/${'e'.repeat(40)}`, 'text');
  await point(`snapshots/${COMMIT}/README.md`, `blobs/${'e'.repeat(40)}`);
  expect(await recall('hf:org/repo@main/README.md')).toBeUndefined();
});

describe('what says nothing', () => {
  const branch = 'hf:org/repo@main/q4/a.gguf';

  test('a pipe in place of a branch, which nobody writes to', async () => {
    await rm(join(repo, 'refs/main'));
    execFileSync('mkfifo', [join(repo, 'refs/main')]);
    expect(await recall(branch)).toBeUndefined();
  });

  test('a branch that is a link out of the repository, or too long', async () => {
    const elsewhere = join(folder, 'elsewhere');
    await writeFile(elsewhere, COMMIT);
    await rm(join(repo, 'refs/main'));
    await symlink(elsewhere, join(repo, 'refs/main'));
    expect(await recall(branch)).toBeUndefined();
    await rm(join(repo, 'refs/main'));
    await put('refs/main', `${COMMIT}${' '.repeat(100)}`);
    expect(await recall(branch)).toBeUndefined();
  });

  test('a snapshot that leads out of the repository', async () => {
    const outside = join(folder, HEX);
    await writeFile(outside, 'GGUF');
    await rm(join(repo, `snapshots/${COMMIT}/q4/a.gguf`));
    await symlink(outside, join(repo, `snapshots/${COMMIT}/q4/a.gguf`));
    expect(await recall(branch)).toBeUndefined();
  });

  test('what another user wrote', async () => {
    const stranger = createHubRecall(folder, { disk: realDisk, uid: 4_000_000 });
    const mine = process.getuid?.();
    // Files of root count for everybody.
    if (mine !== 0) expect(await stranger(branch)).toBeUndefined();
    await lchown(join(repo, `snapshots/${COMMIT}/q4/a.gguf`), 1234, 1234).catch(() => undefined);
    if (mine === 0) expect(await recall(branch)).toBeUndefined();
  });
});
