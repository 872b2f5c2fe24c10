import { describe, expect, test } from 'vitest';
import { formatBytes, formatDuration, formatRate, GIB, MIB, parseBytes } from '../../../src/core/units.ts';

describe('units', () => {
  test.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [512 * MIB, '512.0 MiB'],
    [4.6 * GIB, '4.60 GiB'],
    [-2 * GIB, '-2.00 GiB'],
  ])('%d bytes is %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  test.each([
    [850, '850 ms'],
    [12_340, '12.3 s'],
    [59_949, '59.9 s'],
    [59_960, '1 m 0 s'],
    [72_000, '1 m 12 s'],
    [3_599_900, '1 h 0 m'],
    [7_500_000, '2 h 5 m'],
  ])('%d ms is %s', (ms, text) => expect(formatDuration(ms)).toBe(text));

  test('a rate', () => expect(formatRate(103.4 * MIB)).toBe('103.4 MiB/s'));

  test.each([
    ['6GiB', 6 * GIB],
    ['512 mib', 512 * MIB],
    ['8GB', 8e9],
    ['1073741824', undefined],
    ['1.5 KiB', 1536],
    ['0', 0],
    ['-1GiB', undefined],
    ['6 gigs', undefined],
    ['', undefined],
    ['1e3', undefined],
    ['99999999999TiB', undefined],
  ])('%s reads as %s', (text, bytes) => expect(parseBytes(text)).toBe(bytes));
});
