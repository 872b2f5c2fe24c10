import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { GIB } from '../../../../src/core/units.ts';
import { realDisk } from '../../../../src/disk/disk.ts';
import { dropAbandoned, meanOf, requireSpace } from '../../../../src/provision/quality/measure.ts';
import { failureOf } from '../../../helpers/failure.ts';

describe('room for the probabilities of the reference', () => {
  const disk = { space: async () => ({ free: GIB, total: 2 * GIB }) };

  test('as much as is free is enough', async () => {
    await expect(requireSpace(disk, '/cache', GIB)).resolves.toBeUndefined();
  });

  test('more is refused before anything is read', async () => {
    const error = await failureOf(requireSpace(disk, '/cache', 2 * GIB));
    expect(error).toMatchObject({ code: 'disk-full' });
    expect(error.message).toMatch(/up to 2\.00 GiB in \/cache, and 1\.00 GiB are free/);
    expect(error.suggestions[0]).toContain('--positions');
  });
});

describe('a mean with its standard error', () => {
  test('is the deviation of one value over the root of their number', () => {
    expect(meanOf([1, 2, 3, 4])).toEqual({ mean: 2.5, error: Math.sqrt(5 / 3 / 4) });
  });

  test('of equal values has no error', () => {
    expect(meanOf([3, 3, 3])).toEqual({ mean: 3, error: 0 });
  });
});

test('scores of a run that was killed are removed, those of a live one stay', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'scores-'));
  const dead = spawnSync(process.execPath, ['-e', '0']).pid;
  const names = [`scores-${dead}-a`, `scores-${process.pid}-b`, 'scores-c', 'blobs'];
  await Promise.all(names.map((name) => writeFile(join(folder, name), '')));
  await dropAbandoned(realDisk, folder);
  expect((await readdir(folder)).sort()).toEqual(['blobs', `scores-${process.pid}-b`, 'scores-c'].sort());
});
