import { chown, mkdir, mkdtemp, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { forkOwner, ownerDisk } from '../../../src/cage/owner-disk.ts';
import { type Disk, realDisk } from '../../../src/disk/disk.ts';
import { ROOT } from '../../helpers/plans.ts';

const OWNER = { uid: 1234, gid: 1234 };
const isRoot = process.getuid?.() === 0;
let root: string;
let theirs: string;
let ours: string;
let disk: Disk;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'owner-'));
  theirs = join(root, 'theirs');
  ours = join(root, 'ours');
  await mkdir(theirs);
  await mkdir(ours);
  await writeFile(join(ours, 'passwd'), 'root:x:0:0', { mode: 0o644 });
  for (const path of [root, theirs])
    await chown(path, path === theirs ? OWNER.uid : 0, path === theirs ? OWNER.gid : 0);
  await realDisk.chmod(root, 0o755);
  disk = ownerDisk(OWNER, forkOwner(ROOT));
});

describe.skipIf(!isRoot)('row 47: the disk with the rights of another user (skipped where not root)', () => {
  test('makes, reads, renames and removes files of that user', async () => {
    const path = join(theirs, 'blob');
    const file = await disk.open(path, 'wx', 0o640);
    expect(await file.write(Buffer.from('xhellox'), 1, 5)).toEqual({ bytesWritten: 5 });
    await file.datasync();
    expect((await file.stat({ bigint: true })).size).toBe(5n);
    await file.close();
    expect(await stat(path)).toMatchObject({ uid: OWNER.uid, gid: OWNER.gid });
    expect((await stat(path)).mode & 0o777).toBe(0o640);
    const reader = await disk.open(path, 'r');
    const buffer = Buffer.alloc(4);
    expect(await reader.read(buffer, 1, 3, 2)).toEqual({ bytesRead: 3 });
    expect(buffer.toString()).toBe('\0llo');
    await reader.close();
    await disk.rename(path, `${path}2`);
    expect(await disk.readText(`${path}2`)).toBe('hello');
    expect(await disk.readText(path)).toBeUndefined();
    expect(await disk.list(theirs)).toEqual(['blob2']);
    expect((await disk.lstat(theirs, { bigint: true })).isDirectory()).toBe(true);
    await disk.rm(`${path}2`, { force: true });
    expect(await disk.list(theirs)).toEqual([]);
  });

  test('has none of the rights of root', async () => {
    await writeFile(join(ours, 'secret'), 's', { mode: 0o600 });
    await expect(disk.readFile(join(ours, 'secret'), 'utf8')).rejects.toMatchObject({ code: 'EACCES' });
    await expect(disk.open(join(ours, 'new'), 'wx')).rejects.toMatchObject({ code: 'EACCES' });
    await expect(disk.rm(join(ours, 'passwd'), { force: true })).rejects.toMatchObject({ code: 'EACCES' });
    await expect(disk.chmod(join(ours, 'passwd'), 0o777)).rejects.toMatchObject({ code: 'EPERM' });
  });

  /** What the owner does between the check of a path and its removal. */
  async function swapFolder(): Promise<void> {
    await rename(join(theirs, 'x'), join(theirs, 'aside'));
    await symlink(ours, join(theirs, 'x'));
  }

  test('removes nothing through a link that the owner put in the place of a folder', async () => {
    await mkdir(join(theirs, 'x'));
    await writeFile(join(theirs, 'x/passwd'), '');
    for (const path of [join(theirs, 'x'), join(theirs, 'x/passwd')]) await chown(path, OWNER.uid, OWNER.gid);
    const path = join(theirs, 'x/passwd');
    expect((await disk.lstat(path, { bigint: true })).size).toBe(0n);
    await swapFolder();
    await expect(disk.rm(path, { force: true })).rejects.toMatchObject({ code: 'EACCES' });
    expect(await readFile(join(ours, 'passwd'), 'utf8')).toBe('root:x:0:0');
    // With the rights of root the same path removes the file of root.
    await realDisk.rm(path, { force: true });
    await expect(readFile(join(ours, 'passwd'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('a child that ends is an error of the call, and of every later one', async () => {
    const handles: { kill(): void }[] = [];
    const fragile = ownerDisk(OWNER, () => {
      const child = forkOwner(ROOT)();
      handles.push(child);
      return child;
    });
    await fragile.readdir(theirs);
    handles[0]?.kill();
    await expect(fragile.readdir(theirs)).rejects.toMatchObject({ code: 'file-access' });
    await expect(fragile.readdir(theirs)).rejects.toMatchObject({ code: 'file-access' });
  });
});
