import { describe, expect, test } from 'vitest';
import { GIB } from '../../../../src/core/units.ts';
import { meanOf, requireSpace } from '../../../../src/provision/quality/measure.ts';
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
