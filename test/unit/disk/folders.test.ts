import { mkdtemp, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { makeFolders } from '../../../src/disk/folders.ts';

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'folders-'));
});

describe('a folder with those above it', () => {
  test('returns the first that had to be made, and nothing for one that is there', async () => {
    expect(await makeFolders(join(root, 'a/b/c'), 0o700)).toBe(join(root, 'a'));
    expect((await stat(join(root, 'a/b/c'))).mode & 0o777).toBe(0o700);
    expect(await makeFolders(join(root, 'a/b/c'), 0o700)).toBeUndefined();
  });

  test('made by several at once is no failure', async () => {
    await Promise.all(Array.from({ length: 10 }, () => makeFolders(join(root, 'x/y/z'))));
    expect((await stat(join(root, 'x/y/z'))).isDirectory()).toBe(true);
  });

  test.each(['file', 'file/a', 'file/a/b'])('in place of a file or below one (%s) is refused', async (path) => {
    await writeFile(join(root, 'file'), '');
    await expect(makeFolders(join(root, path))).rejects.toMatchObject({ code: 'ENOTDIR' });
  });

  // Node's own recursive mkdir never returns there.
  test.skipIf(process.platform !== 'linux')('row 47: below /proc ends with the refusal of the system', async () => {
    await expect(makeFolders('/proc/gemma-provision/data/locks')).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
