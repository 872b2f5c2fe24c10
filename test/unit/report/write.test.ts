import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RecommendData } from '../../../src/provision/plan/recommend.ts';
import { writePage } from '../../../src/report/page.ts';
import { ROOT } from '../../helpers/plans.ts';
import { dataFor } from './support.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gemma-provision-page-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const DATA = RecommendData.parse(dataFor());

function write(name: string, force = false): Promise<string> {
  return writePage({ file: join(folder, name), force }, DATA, ROOT);
}

describe('writing the page', () => {
  test('writes it whole, leaves nothing beside it, and writes over its own', async () => {
    const path = await write('fit.html');
    const text = readFileSync(path, 'utf8');
    expect(text.trimEnd().endsWith('</html>')).toBe(true);
    expect(await write('fit.html')).toBe(path);
    expect(readdirSync(folder)).toEqual(['fit.html']);
  });

  test.each([
    ['a model', Buffer.concat([Buffer.from('GGUF'), Buffer.alloc(10_000, 255)])],
    ['a page of somebody', Buffer.from('<!doctype html><title>mine</title>')],
  ])('leaves %s alone', async (_what, bytes) => {
    const path = join(folder, 'other');
    writeFileSync(path, bytes);
    await expect(write('other')).rejects.toThrow(
      expect.objectContaining({
        code: 'bad-usage',
        message: expect.stringContaining('is not a page that this tool wrote'),
      }),
    );
    expect(readFileSync(path).equals(bytes)).toBe(true);
    rmSync(path);
  });

  test('takes an empty file, refuses a folder and a folder that is not there', async () => {
    writeFileSync(join(folder, 'empty.html'), '');
    await write('empty.html');
    mkdirSync(join(folder, 'sub'));
    await expect(write('sub')).rejects.toThrow(expect.objectContaining({ code: 'bad-usage' }));
    await expect(write('nowhere/fit.html')).rejects.toThrow(expect.objectContaining({ code: 'bad-usage' }));
    expect(readdirSync(folder)).not.toContain('nowhere');
  });
});
