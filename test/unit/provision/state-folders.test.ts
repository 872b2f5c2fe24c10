import { chmod, chown, lchown, mkdir, mkdtemp, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { realDisk } from '../../../src/disk/disk.ts';
import { prepareStateFolders } from '../../../src/provision/state-folders.ts';

const isRoot = process.getuid?.() === 0;
const STRANGER = 1234;
let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'state-folders-'));
});

const pathsIn = (home: string) => ({
  config: join(home, 'config'),
  data: join(home, 'data'),
  cache: join(home, 'cache'),
});
const prepare = (home: string, uid = process.getuid?.()) => prepareStateFolders(pathsIn(home), realDisk, uid);

describe('row 47: the folders of this tool', () => {
  test('that others may read are closed to them on use', async () => {
    for (const name of ['data', 'cache']) {
      await mkdir(join(root, name));
      await chmod(join(root, name), 0o777);
    }
    await prepare(root);
    for (const name of ['data', 'cache']) expect((await stat(join(root, name))).mode & 0o777).toBe(0o700);
  });

  test('are not made before anything is written', async () => {
    await prepare(join(root, 'absent'));
    await expect(stat(join(root, 'absent'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test.each(['file', 'file/below', 'file/far/below'])(
    'at %s, which is a file or lies below one, are wrong usage',
    async (path) => {
      await writeFile(join(root, 'file'), '');
      await expect(prepare(join(root, path))).rejects.toMatchObject({
        code: 'bad-configuration',
        exitCode: 2,
        message: expect.stringContaining(`${join(root, 'file')} is not a folder`),
      });
    },
  );
});

describe.skipIf(!isRoot)('row 47: root in the folders of another user (skipped where not root)', () => {
  test.each(['data', 'cache', 'config'])('%s is refused with who owns it and what to do', async (name) => {
    await mkdir(join(root, name));
    await chown(join(root, name), STRANGER, STRANGER);
    await expect(prepare(root)).rejects.toMatchObject({
      code: 'file-access',
      message: expect.stringContaining(`${join(root, name)} belongs to #${STRANGER}`),
      suggestions: [expect.stringContaining(`sudo -u '#${STRANGER}'`), expect.stringContaining('GEMMA_PROVISION_HOME')],
    });
  });

  test('a home of theirs in which nothing exists yet', async () => {
    await chown(root, STRANGER, STRANGER);
    await expect(prepare(join(root, '.local/share'))).rejects.toMatchObject({ code: 'file-access' });
  });

  test('a link of root that leads into theirs, and a link of theirs', async () => {
    await mkdir(join(root, 'theirs/data'), { recursive: true });
    await chown(join(root, 'theirs'), STRANGER, STRANGER);
    await symlink(join(root, 'theirs'), join(root, 'ours'));
    await expect(prepare(join(root, 'ours'))).rejects.toMatchObject({ code: 'file-access' });
    await mkdir(join(root, 'real'));
    await symlink(join(root, 'real'), join(root, 'link'));
    await lchown(join(root, 'link'), STRANGER, STRANGER);
    await expect(prepare(join(root, 'link'))).rejects.toMatchObject({ code: 'file-access' });
  });

  test('their own user is not refused', async () => {
    await chown(root, STRANGER, STRANGER);
    await prepare(root, STRANGER);
  });
});
