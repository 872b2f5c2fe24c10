import { describe, expect, test } from 'vitest';
import { CHAT } from '../../../../src/net/limits.ts';
import { AnswerLimits } from '../../../../src/runtimes/ollama/answer-limits.ts';

const SECOND = 1000;

/** How many lines pass, up to 200,000; and what the one behind them is refused with. */
function passing(tokens: number | undefined, line: (index: number) => { piece?: string; ms?: number }) {
  const limits = new AnswerLimits(tokens);
  for (let index = 0; index < 200_000; index += 1) {
    const { piece = 'x', ms = 0 } = line(index);
    try {
      limits.add(piece, ms);
    } catch (thrown) {
      return { lines: index, thrown };
    }
  }
  return { lines: Number.POSITIVE_INFINITY, thrown: undefined };
}

describe('row 10: an answer without end', () => {
  test('row 10: ends soon after the tokens that were asked for', () => {
    const { lines, thrown } = passing(64, () => ({}));
    expect(lines).toBe(2 * 64 + CHAT.measuredTokens);
    expect(thrown).toMatchObject({ message: 'more than the 64 tokens that were asked for' });
  });

  test('row 10: and where none were asked for, at what a context can hold', () => {
    expect(passing(-1, () => ({ piece: 'x'.repeat(64) })).lines).toBeLessThanOrEqual(CHAT.unlimitedTokens + 16);
  });

  test('row 10: ends when its text is longer than so many tokens', () => {
    const { lines, thrown } = passing(64, () => ({ piece: 'x'.repeat(1000) }));
    expect(lines).toBe(5);
    expect(thrown).toMatchObject({ name: 'Unreadable', message: expect.stringContaining('a longer text') });
  });

  test('row 10: whose first tokens take minutes each is given up after ten', () => {
    const { lines, thrown } = passing(64, () => ({ ms: 120 * SECOND }));
    expect(lines).toBe(6);
    expect(thrown).toMatchObject({ name: 'TimeoutError', missing: 'end' });
  });

  test('row 10: that was fast and becomes a drip is given up', () => {
    // A second for each of 100 tokens, four times as much in all and a minute of grace.
    const { lines, thrown } = passing(100, (index) => ({ ms: index < 20 ? SECOND : 60 * SECOND }));
    expect(thrown).toMatchObject({ name: 'TimeoutError' });
    expect(lines).toBeLessThan(30);
  });
});

describe('an honest answer', () => {
  test.each([
    ['that loads for ten minutes first', (index: number) => (index === 0 ? 600 * SECOND : 50)],
    ['of a slow machine', () => 20 * SECOND],
    ['that slows down to a third', (index: number) => (index < 16 ? SECOND : 3 * SECOND)],
  ])('%s is not cut', (_, ms) => {
    const limits = new AnswerLimits(256);
    for (let index = 0; index <= 256; index += 1) limits.add('word ', ms(index));
    expect(() => limits.add('', 0)).not.toThrow();
  });
});
