import { describe, expect, test } from 'vitest';
import { measuredReason } from '../../../../src/provision/quality/reason.ts';
import type { QualityMeasurement } from '../../../../src/registry/measurements.ts';

const digest = (digit: string) => `sha256:${digit.repeat(64)}` as const;
const measured = (changes: Partial<QualityMeasurement> = {}): QualityMeasurement => ({
  digest: digest('1'),
  reference: digest('2'),
  referenceQuant: 'f16',
  text: digest('3'),
  textName: 'the text that ships with this tool',
  positions: 512,
  divergence: { mean: 0.06, error: 0.003 },
  agreement: { mean: 0.865, error: 0.015 },
  engine: '1.0',
  at: '2026-01-02T03:04:05.000Z',
  ...changes,
});
const reasonOf = (...all: QualityMeasurement[]) => measuredReason(digest('1'), all);

describe('what was measured of a file, as a reason', () => {
  test('names the quant of the reference and the text', () => {
    expect(reasonOf(measured())).toBe(
      'this file was measured on 2026-01-02: KL divergence 0.0600 ± 0.0030 nats from f16, the same likeliest token at 86.5 % of 512 positions of the text that ships with this tool',
    );
  });

  test('of another file says nothing', () => {
    expect(reasonOf(measured({ digest: digest('9') }))).toBeUndefined();
  });

  test('a measurement against f16 counts more than a later one against a quant, in any order', () => {
    const other = measured({ referenceQuant: 'q4_0', positions: 9000 });
    expect(reasonOf(measured(), other)).toContain('from f16');
    expect(reasonOf(other, measured())).toContain('from f16');
  });

  test('then the one with most positions, then the last', () => {
    const short = measured({ positions: 32 });
    expect(reasonOf(measured(), short)).toContain('512 positions');
    expect(reasonOf(short, measured())).toContain('512 positions');
    expect(reasonOf(measured(), measured({ at: '2026-02-03T03:04:05.000Z' }))).toContain('2026-02-03');
  });

  test('one that was recorded without the names gives the digests', () => {
    const { referenceQuant: _quant, textName: _name, ...old } = measured();
    expect(reasonOf(old)).toMatch(/from sha256:222222222222…, .* positions of the text sha256:333333333333…$/);
  });
});
