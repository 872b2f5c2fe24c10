import { describe, expect, test } from 'vitest';
import { smokeText } from '../../../src/cli/render/smoke.ts';
import type { CheckResult, SmokeResult } from '../../../src/smoke/schema.ts';

function result(id: string, changes: Partial<CheckResult> = {}): CheckResult {
  return { id, level: 'speaks', passed: false, advisory: false, detail: 'wrong', answer: '', ms: 5, ...changes };
}

function text(checks: CheckResult[], counts: Partial<SmokeResult> = {}): string[] {
  return smokeText({ suite: 's', passed: 0, failed: 0, checks, ...counts }, { color: false }).split('\n');
}

describe('a suite as text', () => {
  test('a failed advisory check is marked as one, and counted apart', () => {
    const lines = text([result('german', { advisory: true }), result('ok', { passed: true })], {
      passed: 1,
      advisoryFailed: 1,
    });
    expect(lines.find((line) => line.includes('german'))).toMatch(/^! .*advisory: wrong$/);
    expect(lines.join('\n')).not.toContain('✗');
    expect(lines.at(-1)).toBe('1 passed, 0 failed, 1 advisory failed (suite s)');
  });

  test('failures of one kind are one line, with how many and which', () => {
    const checks = ['a', 'b', 'c', 'd', 'e', 'f'].map((id) => result(id, { cause: 'k', detail: `wrong ${id}` }));
    const lines = text([...checks, result('g', { cause: 'other' })]);
    expect(lines.filter((line) => line.startsWith('✗'))).toEqual([
      expect.stringMatching(/wrong a \(the same in 5 more: b, c, d, e, …\)$/),
      expect.stringMatching(/ g .*wrong$/),
    ]);
  });

  test('an advisory failure is never folded into one that counts', () => {
    const lines = text([result('a', { cause: 'k' }), result('b', { cause: 'k', advisory: true })]);
    expect(lines.filter((line) => /^[✗!]/.test(line))).toHaveLength(2);
  });

  test('checks that were skipped for one reason are one line', () => {
    const skipped = ['a', 'b', 'c'].map((id) =>
      result(id, { advisory: true, skipped: 'no time', detail: 'skipped: no time' }),
    );
    const lines = text(skipped, { skipped: 3 });
    expect(lines.filter((line) => line.startsWith('–'))).toEqual([
      expect.stringContaining('(the same in 2 more: b, c)'),
    ]);
    expect(lines.at(-1)).toContain('3 skipped');
  });
});
