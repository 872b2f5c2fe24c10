import { describe, expect, test } from 'vitest';
import { comparedPart, compareWithBaseline } from '../../../src/smoke/regress.ts';
import { type CheckResult, SmokeResult } from '../../../src/smoke/schema.ts';

function result(id: string, changes: Partial<CheckResult> = {}): CheckResult {
  return {
    id,
    level: 'answers',
    passed: true,
    advisory: false,
    detail: 'answered "yes"',
    answer: 'yes',
    ms: 1,
    ...changes,
  };
}

function run(checks: CheckResult[], tokensPerSecond?: number): SmokeResult {
  return {
    suite: 's',
    passed: 0,
    failed: 0,
    checks,
    ...(tokensPerSecond !== undefined && { tokensPerSecond }),
  };
}

const failing = (id: string, changes: Partial<CheckResult> = {}) =>
  result(id, { passed: false, detail: 'expected one word', answer: 'no no', ...changes });
const skipping = (id: string) => result(id, { passed: false, advisory: true, skipped: 'no projector', answer: '' });
const pace = (cold: number | undefined, speed: number) => ({
  pace: {
    ...(cold !== undefined && { cold: { firstTokenMs: cold } }),
    warm: { firstTokenMs: 10, tokensPerSecond: speed },
  },
});

describe('what got worse', () => {
  test('nothing, when all is as before', () => {
    const before = run([result('a'), failing('b'), skipping('c'), result('d', pace(900, 20))], 20);
    expect(compareWithBaseline(before, before)).toEqual([]);
  });

  test('what got better is not listed', () => {
    const before = run(
      [failing('a'), skipping('b'), failing('c', { advisory: true }), result('d', pace(9000, 20))],
      20,
    );
    const now = run([result('a'), result('b'), result('c'), result('d', pace(100, 90)), result('new')], 90);
    expect(compareWithBaseline(now, before)).toEqual([]);
  });

  test('what failed before and fails otherwise now is no news', () => {
    expect(compareWithBaseline(run([failing('a', { detail: 'x' })]), run([failing('a')]))).toEqual([]);
    expect(compareWithBaseline(run([]), run([failing('a')]))).toEqual([]);
    expect(compareWithBaseline(run([failing('a')]), run([skipping('a')]))).toEqual([]);
  });

  test('a check that passed and now fails', () => {
    expect(compareWithBaseline(run([failing('a')]), run([result('a')]))).toEqual([
      { kind: 'failed', check: 'a', weight: 'worse', message: 'passed before, now: expected one word' },
    ]);
  });

  test('a model that no longer loads: the rest was not run', () => {
    const before = run([result('l', { level: 'loads' }), result('a'), result('b')]);
    const now = run([failing('l', { level: 'loads' }), failing('a'), failing('b')]);
    expect(compareWithBaseline(now, before)).toMatchObject([{ kind: 'failed', check: 'l', weight: 'worse' }]);
    const advisory = run([failing('l', { level: 'loads', advisory: true }), failing('a'), result('b')]);
    expect(compareWithBaseline(advisory, before).map(({ check }) => check)).toEqual(['a', 'l']);
  });

  test('an advisory one is told', () => {
    const now = run([failing('a', { advisory: true })]);
    expect(compareWithBaseline(now, run([result('a', { advisory: true })]))).toMatchObject([{ weight: 'told' }]);
  });

  test('one that is no longer run', () => {
    const [found, more] = compareWithBaseline(run([skipping('a')]), run([result('a')]));
    expect(found).toEqual({ kind: 'skipped', check: 'a', weight: 'worse', message: 'is no longer run: no projector' });
    expect(more).toBeUndefined();
    const advisory = compareWithBaseline(run([skipping('a')]), run([result('a', { advisory: true })]));
    expect(advisory).toMatchObject([{ kind: 'skipped', weight: 'told' }]);
  });

  test('one that is no longer in the suite', () => {
    expect(compareWithBaseline(run([]), run([result('a')]))).toMatchObject([
      { kind: 'vanished', check: 'a', weight: 'told' },
    ]);
  });

  test('another answer at temperature 0, which is told and is no failure', () => {
    const now = run([result('a', { answer: 'yes!' })]);
    expect(compareWithBaseline(now, run([result('a')]))).toEqual([
      {
        kind: 'answer-changed',
        check: 'a',
        weight: 'told',
        message: 'gives a different answer at temperature 0: after 3 equal characters "!" instead of ""',
      },
    ]);
    const other = compareWithBaseline(run([result('a', { answer: 'no' })]), run([result('a')]));
    expect(other[0]?.message).toBe('gives a different answer at temperature 0: "no" instead of "yes"');
  });

  test('the far end of a long answer is not compared', () => {
    const long = 'x'.repeat(comparedPart('x'.repeat(9999)).length);
    expect(long.length).toBe(2000);
    const [now, before] = [run([result('a', { answer: `${long}y` })]), run([result('a', { answer: long })])];
    expect(compareWithBaseline(now, before)).toEqual([]);
  });

  test.each([
    [100, 70, undefined],
    [100, 69, 'told'],
    [100, 50, 'told'],
    [100, 49, 'worse'],
    [100, 130, undefined],
  ])('from %d tokens per second to %d: %s', (before, now, weight) => {
    const found = compareWithBaseline(run([], now), run([], before));
    expect(found).toMatchObject(weight === undefined ? [] : [{ kind: 'slower', weight }]);
    expect(found[0]?.message ?? '').toContain(weight === undefined ? '' : `${now} % of the 100.0 before`);
    expect(found[0]?.check).toBeUndefined();
    const measured = compareWithBaseline(
      run([result('p', pace(undefined, now))]),
      run([result('p', pace(undefined, before))]),
    );
    expect(measured).toMatchObject(weight === undefined ? [] : [{ kind: 'slower', check: 'p', weight }]);
  });

  test('a speed that is not measured on both sides is not compared', () => {
    expect(compareWithBaseline(run([]), run([], 100))).toEqual([]);
    expect(compareWithBaseline(run([], 1), run([]))).toEqual([]);
  });

  test.each([
    [1000, 3999, false],
    [1000, 4000, true],
    [100, 900, false],
    [undefined, 9000, false],
    [1000, undefined, false],
  ])('a cold start of %s ms that takes %s now: %s', (before, now, slower) => {
    const found = compareWithBaseline(run([result('p', pace(now, 9))]), run([result('p', pace(before, 9))]));
    expect(found).toMatchObject(slower ? [{ kind: 'slower-start', check: 'p', weight: 'told' }] : []);
  });

  test('comes worst first', () => {
    const before = run([result('a'), result('b'), result('c')], 100);
    const now = run([result('a', { answer: 'other' }), failing('b')], 10);
    expect(compareWithBaseline(now, before).map(({ kind }) => kind)).toEqual([
      'failed',
      'slower',
      'answer-changed',
      'vanished',
    ]);
  });
});

test('results from before checks could be skipped stay readable', () => {
  const old = { suite: 'gemma', passed: 1, failed: 0, checks: [result('a', { level: 'knows' })], tokensPerSecond: 3 };
  expect(SmokeResult.parse(old)).toEqual(old);
});
