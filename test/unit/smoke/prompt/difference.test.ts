import fc from 'fast-check';
import { expect, test } from 'vitest';
import { firstDifference } from '../../../../src/smoke/difference.ts';

/** Texts that share much, with characters that share their first half. */
const text = fc.string({ unit: fc.constantFrom('a', 'b', '<', '\n', 'é', '👍', '👎', '🏽', '駅', '\u200d') });

test.each([
  ['', '', undefined],
  ['same', 'same', undefined],
  ['', 'more', { at: 0, effective: '', expected: 'more' }],
  ['more', '', { at: 0, effective: 'more', expected: '' }],
  ['<bos><bos>x', '<bos>x', { at: 5, effective: '<bos>x', expected: 'x' }],
  ['a👍', 'a👎', { at: 1, effective: '👍', expected: '👎' }],
  ['a👍', 'a', { at: 1, effective: '👍', expected: '' }],
])('%j against %j', (effective, expected, difference) => {
  expect(firstDifference(effective, expected)).toEqual(difference);
});

test('shows a few characters only, and whole ones', () => {
  const difference = firstDifference(`x${'a'.repeat(39)}👍${'b'.repeat(99)}`, `y${'👍'.repeat(99)}`);
  expect(difference?.effective).toBe(`x${'a'.repeat(39)}`);
  expect(difference?.expected).toBe(`y${'👍'.repeat(20)}`);
});

test('there is none exactly when texts are equal', () => {
  fc.assert(fc.property(text, text, (a, b) => (firstDifference(a, b) === undefined) === (a === b)));
  fc.assert(fc.property(text, (a) => firstDifference(a, a) === undefined));
});

test('what is in front is equal, the next character is not, and the pieces are what follows', () => {
  fc.assert(
    fc.property(text, text, text, (start, one, other) => {
      const [a, b] = [start + one, start + other];
      const difference = firstDifference(a, b);
      if (difference === undefined) return;
      const { at, effective, expected } = difference;
      expect(a.slice(0, at)).toBe(b.slice(0, at));
      expect([...a.slice(at)][0]).not.toBe([...b.slice(at)][0]);
      expect(a.startsWith(effective, at)).toBe(true);
      expect(b.startsWith(expected, at)).toBe(true);
      expect(effective === '').toBe(at === a.length);
      expect(expected === '').toBe(at === b.length);
      expect(`${effective}${expected}`.isWellFormed()).toBe(true);
    }),
  );
});

test('the other way round it is the same place', () => {
  fc.assert(
    fc.property(text, text, (a, b) => {
      const [there, back] = [firstDifference(a, b), firstDifference(b, a)];
      expect(back).toEqual(there && { at: there.at, effective: there.expected, expected: there.effective });
    }),
  );
});

test('halves of characters, which no prompt should have, do not stop it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.constantFrom('\ud83d', '\udc4d'), (a, half) => {
      expect(firstDifference(a + half, a)).toBeDefined();
      expect(firstDifference(half + a, a + half) === undefined).toBe(half + a === a + half);
    }),
  );
});
