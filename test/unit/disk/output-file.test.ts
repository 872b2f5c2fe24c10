import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { realDisk } from '../../../src/disk/disk.ts';
import { jsonKind, requireOutput } from '../../../src/disk/output-file.ts';
import { failingDisk } from '../../helpers/disk.ts';

const KIND = jsonKind('a list', 'list.json', ['schemaVersion', 'items']);
const OURS = JSON.stringify({ schemaVersion: 1, items: [], more: true });

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'output-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const ask = (name: string, force = false, disk = realDisk) =>
  requireOutput(disk, { typed: join(folder, name), flag: '--out', kind: KIND, force });

describe('row 52: a file that the user names for our output', () => {
  test('may be new, empty, or of the same kind', async () => {
    writeFileSync(join(folder, 'empty'), '');
    writeFileSync(join(folder, 'ours.json'), OURS);
    for (const name of ['new', 'empty', 'ours.json']) expect(await ask(name)).toBe(join(folder, name));
  });

  test.each([
    ['a text', 'precious\n'],
    ['other JSON', '{"schemaVersion":1}'],
    ['a list in JSON', '[]'],
    ['a word in JSON', 'null'],
    ['a large file', `${OURS.slice(0, -1)},"x":"${'x'.repeat(1024 * 1024)}"}`],
  ])('is left alone when it is %s, but for --force', async (_, text) => {
    writeFileSync(join(folder, 'other'), text);
    await expect(ask('other')).rejects.toMatchObject({
      code: 'bad-usage',
      message: `--out ${join(folder, 'other')} exists and is not a list that this tool wrote`,
    });
    expect(await ask('other', true)).toBe(join(folder, 'other'));
  });

  test('must be in a folder that exists, which is named and not made', async () => {
    writeFileSync(join(folder, 'file'), '');
    await expect(ask('none/a', true)).rejects.toMatchObject({
      code: 'bad-usage',
      message: expect.stringContaining(`${join(folder, 'none')} does not exist`),
    });
    await expect(ask('file/a')).rejects.toMatchObject({
      code: 'bad-usage',
      message: expect.stringContaining(`${join(folder, 'file')} is not a folder`),
    });
    expect(readdirSync(folder)).toEqual(['file']);
  });

  test('is not a folder, whatever is forced', async () => {
    mkdirSync(join(folder, 'sub'));
    await expect(ask('sub', true)).rejects.toMatchObject({
      code: 'bad-usage',
      suggestions: [`Name a file: --out ${join(folder, 'sub/list.json')}`],
    });
  });

  test('that cannot be read is not taken for a missing one', async () => {
    await expect(ask('a', false, failingDisk('stat', 'EIO'))).rejects.toMatchObject({ code: 'file-access' });
  });
});
