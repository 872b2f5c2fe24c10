import { describe, expect, test } from 'vitest';
import { keepMeasurements, type QualityMeasurement, readMeasurements } from '../../../src/registry/measurements.ts';
import { memoryDisk } from '../../helpers/disk.ts';
import { failureOf } from '../../helpers/failure.ts';

const digest = (digit: string) => `sha256:${digit.repeat(64)}` as const;
const measured = (changes: Partial<QualityMeasurement> = {}): QualityMeasurement => ({
  digest: digest('1'),
  reference: digest('2'),
  text: digest('3'),
  positions: 100,
  divergence: { mean: 0.01, error: 0.001 },
  agreement: { mean: 0.97, error: 0.01 },
  engine: '1.0',
  at: '2026-01-02T03:04:05.000Z',
  ...changes,
});

describe('what was measured of model files', () => {
  test('is empty before the first time, then kept; the same files on the same text are replaced', async () => {
    const registry = { disk: memoryDisk({}), dataDir: '/data' };
    expect(await readMeasurements(registry)).toEqual([]);
    await keepMeasurements(registry, [measured(), measured({ digest: digest('4') })]);
    await keepMeasurements(registry, [measured({ positions: 200 }), measured({ text: digest('5') })]);
    const found = await readMeasurements(registry);
    expect(found.map(({ digest: of, text, positions }) => [of, text, positions])).toEqual([
      [digest('4'), digest('3'), 100],
      [digest('1'), digest('3'), 200],
      [digest('1'), digest('5'), 100],
    ]);
  });

  test.each(['{', '{"schemaVersion":1,"measurements":[{}]}', '{"schemaVersion":9}'])(
    'a broken file is named: %s',
    async (text) => {
      const registry = { disk: memoryDisk({ '/data/quality.json': text }), dataDir: '/data' };
      const error = await failureOf(readMeasurements(registry));
      expect(error).toMatchObject({ code: 'bad-record', message: expect.stringContaining('/data/quality.json') });
    },
  );
});
