import * as fs from 'node:fs/promises';
import { chmod, lstat, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Disk, realDisk } from '../../../src/disk/disk.ts';
import { removeText, replaceOutput, replaceText } from '../../../src/disk/replace-text.ts';
import { intercepted } from '../../helpers/disk.ts';

const OLD = 'old\n';
const NEW = `${'new '.repeat(5_000)}\n`;
let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'replace-'));
  path = join(folder, 'state.json');
  await writeFile(path, OLD);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Calls of an open file that have a name of their own here. */
const FILE_CALLS: Readonly<Record<string, string>> = { writeFile: 'write', stat: 'handle stat' };

/** The real disk, of which every call is reported by name first; what that throws, the call throws. */
function watched(before: (call: string) => void | Promise<void>): Disk {
  return intercepted(realDisk, (call, ...args) => {
    const name = call.replace(/^file\./, '');
    if (name === call) return before(call);
    if (name === 'sync' && !String(args.at(-1)).endsWith('.tmp')) return before('folder sync');
    return before(FILE_CALLS[name] ?? name);
  });
}

async function callsOfOneWrite(): Promise<string[]> {
  const calls: string[] = [];
  await replaceText(
    path,
    OLD,
    watched((call) => void calls.push(call)),
  );
  return calls;
}

describe('a state file', () => {
  test('is written, synced, renamed, and its folder synced, in that order', async () => {
    const calls = await callsOfOneWrite();
    const order = ['write', 'sync', 'close', 'rename', 'folder sync'].map((call) => calls.indexOf(call));
    expect(order).not.toContain(-1);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(await readdir(folder)).toEqual(['state.json']);
  });

  test('row 23: cut off before any of its calls, it is the old text or the new one', async () => {
    const calls = await callsOfOneWrite();
    for (const [cut] of calls.entries()) {
      await writeFile(path, OLD);
      let count = 0;
      await new Promise<void>((resolve) => {
        const dies = watched(() => {
          count += 1;
          if (count <= cut) return;
          resolve();
          return new Promise<never>(() => undefined);
        });
        void replaceText(path, NEW, dies);
      });
      const text = await readFile(path, 'utf8');
      expect(text === OLD || text === NEW, `cut before ${calls[cut]}`).toBe(true);
      if (cut <= calls.indexOf('rename')) expect(text).toBe(OLD);
    }
    await replaceText(path, NEW, realDisk);
    expect(await readFile(path, 'utf8')).toBe(NEW);
  });

  const full = { code: 'disk-full', exitCode: 12, message: expect.stringMatching(/state\.json.*disk is full.*stays/) };
  const barred = { code: 'file-access', exitCode: 14, message: expect.stringMatching(/state\.json.*stays/) };
  test.each([
    ['write', 'ENOSPC', full],
    ['write', 'EDQUOT', { ...full, message: expect.stringMatching(/state\.json.*quota is used up.*stays/) }],
    ['write', 'EIO', barred],
    ['sync', 'EIO', barred],
    ['sync', 'ENOSPC', full],
    ['close', 'EIO', barred],
    ['rename', 'EROFS', barred],
    ['open', 'EACCES', barred],
    ['mkdir', 'EROFS', barred],
  ])('row 24: %s that fails with %s keeps the old text and leaves nothing else', async (call, errno, told) => {
    const failing = watched((each) => {
      if (each === call) throw Object.assign(new Error(`${errno}: no`), { code: errno });
    });
    await expect(replaceText(path, NEW, failing)).rejects.toMatchObject(told);
    expect(await readFile(path, 'utf8')).toBe(OLD);
    expect(await readdir(folder)).toEqual(['state.json']);
  });

  test('row 24: a folder that its disk does not confirm is told, and the text is the new one', async () => {
    const failing = watched((call) => {
      if (call === 'folder sync') throw Object.assign(new Error('EIO: no'), { code: 'EIO' });
    });
    await expect(replaceText(path, NEW, failing)).rejects.toMatchObject({
      code: 'file-access',
      message: expect.stringMatching(/is written, but its disk does not confirm it/),
    });
    expect(await readFile(path, 'utf8')).toBe(NEW);
    expect(await readdir(folder)).toEqual(['state.json']);
  });

  test('a file system that cannot sync a folder is no failure', async () => {
    const disk = watched((call) => {
      if (call === 'folder sync') throw Object.assign(new Error('EINVAL'), { code: 'EINVAL' });
    });
    await replaceText(path, NEW, disk);
    expect(await readFile(path, 'utf8')).toBe(NEW);
  });

  test('what killed writers left an hour ago is swept; younger files and those of others stay', async () => {
    const left = join(folder, '.other.json.0a0a.gemma-provision.tmp');
    const young = join(folder, '.young.json.0b0b.gemma-provision.tmp');
    const foreign = join(folder, 'mine.tmp');
    for (const each of [left, young, foreign]) await writeFile(each, 'half');
    const twoHoursAgo = Date.now() / 1000 - 7200;
    for (const each of [left, foreign]) await utimes(each, twoHoursAgo, twoHoursAgo);
    await replaceText(path, NEW, realDisk);
    expect((await readdir(folder)).sort()).toEqual(['.young.json.0b0b.gemma-provision.tmp', 'mine.tmp', 'state.json']);
  });

  test('a writer whose temporary file was swept meanwhile writes it again', async () => {
    let swept = false;
    const disk = watched(async (call) => {
      if (call !== 'rename' || swept) return;
      swept = true;
      for (const name of await readdir(folder)) if (name.endsWith('.tmp')) await rm(join(folder, name));
    });
    await replaceText(path, NEW, disk);
    expect(swept).toBe(true);
    expect(await readFile(path, 'utf8')).toBe(NEW);
  });

  test('row 42: is private whatever the umask and its mode before, and its folder too', async () => {
    await chmod(path, 0o666);
    await chmod(folder, 0o777);
    const umask = process.umask(0);
    try {
      await replaceText(path, NEW, realDisk);
      await replaceText(join(folder, 'new/deep/state.json'), NEW, realDisk);
    } finally {
      process.umask(umask);
    }
    const modeOf = async (at: string) => (await stat(at)).mode & 0o777;
    expect(await modeOf(path)).toBe(0o600);
    expect(await modeOf(join(folder, 'new/deep/state.json'))).toBe(0o600);
    for (const at of [folder, join(folder, 'new'), join(folder, 'new/deep')]) expect(await modeOf(at)).toBe(0o700);
  });

  test('row 47: a symbolic link in its place is replaced, and where it leads stays as it is', async () => {
    const victim = join(folder, 'victim.conf');
    await writeFile(victim, OLD);
    await rm(path);
    await symlink(victim, path);
    await replaceText(path, NEW, realDisk);
    expect(await readFile(victim, 'utf8')).toBe(OLD);
    expect((await lstat(path)).isFile()).toBe(true);
  });

  test('of the user keeps its mode, and a symbolic link that leads to it', async () => {
    const link = join(folder, 'link.json');
    await chmod(path, 0o640);
    await symlink(path, link);
    await replaceOutput(link, NEW, realDisk);
    expect(await readFile(path, 'utf8')).toBe(NEW);
    expect((await stat(path)).mode & 0o777).toBe(0o640);
    expect((await fs.lstat(link)).isSymbolicLink()).toBe(true);
  });

  test('a link to a file of somebody else in the place of a temporary one is not written through', async () => {
    const names: string[] = [];
    const disk: Disk = {
      ...watched(() => undefined),
      async open(where: string, flags: string | number) {
        if (flags === 'wx') {
          names.push(where);
          await symlink(path, where);
        }
        return realDisk.open(where, flags);
      },
    };
    await expect(replaceText(join(folder, 'next.json'), NEW, disk)).rejects.toMatchObject({ code: 'file-access' });
    expect(names).toHaveLength(1);
    expect(await readFile(path, 'utf8')).toBe(OLD);
  });

  test('many writers at once leave the text of one of them', async () => {
    const texts = Array.from({ length: 20 }, (_, index) => `${index} `.repeat(3_000));
    await Promise.all(texts.map((text) => replaceText(path, text, realDisk)));
    expect(texts).toContain(await readFile(path, 'utf8'));
    expect(await readdir(folder)).toEqual(['state.json']);
  });

  test('new folders on the way are made and synced up to the one that was there', async () => {
    const calls: string[] = [];
    const deep = join(folder, 'a', 'b', 'c.json');
    await replaceText(
      deep,
      NEW,
      watched((call) => void calls.push(call)),
    );
    expect(await readFile(deep, 'utf8')).toBe(NEW);
    expect(calls.filter((call) => call === 'folder sync')).toHaveLength(3);
    expect(dirname(dirname(dirname(deep)))).toBe(folder);
  });
});

describe('removing', () => {
  test('is synced; a file that is not there is no error; one that may not be removed is', async () => {
    const calls: string[] = [];
    await removeText(
      path,
      watched((call) => void calls.push(call)),
    );
    expect(calls).toEqual(['unlink', 'open', 'folder sync', 'close']);
    expect(await readdir(folder)).toEqual([]);
    await removeText(path, realDisk);
    const barred = watched(() => {
      throw Object.assign(new Error('EROFS: no'), { code: 'EROFS' });
    });
    await expect(removeText(path, barred)).rejects.toMatchObject({ code: 'file-access', exitCode: 14 });
  });
});
