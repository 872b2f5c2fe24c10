import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { digestOf } from '../../../../src/core/digest.ts';
import { drive } from '../../../../src/core/progress.ts';
import { openRandomAccess, writeAtomically } from '../../../../src/provision/share/bundle-file.ts';
import { never } from '../../../helpers/failure.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bundle-file-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function* chunks(...texts: string[]) {
  for (const text of texts) yield Buffer.from(text);
}
const write = (path: string, from = chunks('one', 'two'), signal = never) =>
  drive(writeAtomically(path, from, { id: 'bundle', total: 6 }, signal), () => undefined);

describe('writing', () => {
  test('leaves the whole file and nothing beside it; a file with a similar name is left alone', async () => {
    const path = join(folder, 'a.tar');
    writeFileSync(`${path}.partial`, 'mine');
    expect(await write(path)).toEqual({ digest: digestOf('onetwo'), sizeBytes: 6 });
    expect(readFileSync(path, 'utf8')).toBe('onetwo');
    expect(readdirSync(folder)).toEqual(['a.tar', 'a.tar.partial']);
  });

  test('that fails or is stopped leaves the old file and nothing beside it', async () => {
    const path = join(folder, 'a.tar');
    writeFileSync(path, 'old');
    const stop = new AbortController();
    async function* stopping() {
      yield Buffer.from('one');
      stop.abort();
      yield Buffer.from('two');
    }
    await expect(write(path, stopping(), stop.signal)).rejects.toThrow();
    expect(readdirSync(folder)).toEqual(['a.tar']);
    expect(readFileSync(path, 'utf8')).toBe('old');
  });

  test('removes what a killed run left an hour ago, and leaves a run of this moment alone', async () => {
    const left = (name: string) => join(folder, `.a.tar.${name}.gemma-provision.tmp`);
    for (const name of ['old', 'fresh']) writeFileSync(left(name), 'half');
    utimesSync(left('old'), new Date(Date.now() - 7_200_000), new Date(Date.now() - 7_200_000));
    await write(join(folder, 'a.tar'));
    expect(readdirSync(folder).sort()).toEqual(['.a.tar.fresh.gemma-provision.tmp', 'a.tar']);
  });
});

describe('reading', () => {
  test('a folder and a pipe are refused at once, as is a file that does not exist', async () => {
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    await expect(openRandomAccess(folder)).rejects.toMatchObject({ code: 'bad-usage', exitCode: 2 });
    await expect(openRandomAccess(join(folder, 'pipe'))).rejects.toMatchObject({ code: 'bad-usage' });
    await expect(openRandomAccess(join(folder, 'none'))).rejects.toMatchObject({ code: 'file-not-found' });
  });
});
