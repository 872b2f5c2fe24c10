import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createStopScanner, createTextStream } from '../../../../src/runtimes/embedded/answer.ts';
import { byteEngine, bytesOf } from './support.ts';

function scan(stops: string[], pieces: string[]): { text: string; stopped: boolean } {
  const scanner = createStopScanner(stops);
  let text = '';
  for (const piece of pieces) {
    const step = scanner.push(piece);
    text += step.text;
    if (step.stopped) return { text, stopped: true };
  }
  return { text: text + scanner.flush(), stopped: false };
}

describe('stop strings', () => {
  test.each<[string, string[], string[], string, boolean]>([
    ['in one piece', ['STOP'], ['go on STOP never'], 'go on ', true],
    ['over two pieces', ['STOP'], ['go on ST', 'OP never'], 'go on ', true],
    ['a letter a piece', ['STOP'], [...'go on STOP'], 'go on ', true],
    ['only its beginning', ['STOP'], ['go on STO'], 'go on STO', false],
    ['a beginning that goes on otherwise', ['STOP'], ['STO', 'RY'], 'STORY', false],
    ['a beginning inside a beginning', ['aab'], ['a', 'a', 'a', 'b'], 'a', true],
    ['the first of two in the text', ['second', 'first'], ['a first, a second'], 'a ', true],
    ['one that begins like another', ['<end_of_turn>', '<eos>'], ['hi<e', 'os>'], 'hi', true],
    ['none at all', [], ['anything', ' goes'], 'anything goes', false],
  ])('%s', (_, stops, pieces, text, stopped) => {
    expect(scan(stops, pieces)).toEqual({ text, stopped });
  });

  test('however the text is cut, the result is that of the whole text', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', '<'), maxLength: 30 });
    const stop = fc.string({ unit: fc.constantFrom('a', 'b', '<'), minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 8 }), fc.array(stop, { maxLength: 3 }), (pieces, stops) => {
        const whole = pieces.join('');
        // With stop strings inside each other the shorter one may be met first; equal starts are what counts.
        const ends = stops.map((each) => whole.indexOf(each)).filter((at) => at >= 0);
        const result = scan(stops, pieces);
        expect(result.stopped).toBe(ends.length > 0);
        expect(whole.startsWith(result.text)).toBe(true);
        expect(stops.every((each) => !result.text.includes(each))).toBe(true);
        if (ends.length === 0) expect(result.text).toBe(whole);
      }),
    );
  });
});

describe('text from tokens', () => {
  const { detokenize } = byteEngine([]);

  function stream(tokens: readonly number[]): { pieces: string[]; text: string } {
    const text = createTextStream(detokenize);
    const pieces = [...tokens.map((token) => text.push(token)), text.flush()];
    return { pieces, text: pieces.join('') };
  }

  test('no piece has a broken character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (written) => {
        // A lone surrogate has no bytes of its own, and U+FFFD is what broken bytes become.
        const text = written.toWellFormed().replaceAll('\uFFFD', '?');
        const { pieces, text: got } = stream(bytesOf(text).filter((token) => token > 255));
        expect(got).toBe(text);
        expect(pieces.join('|')).not.toContain('\uFFFD');
      }),
    );
  });

  test('bytes that are no text become U+FFFD and do not swallow what follows', () => {
    const broken = [0xff, 0xfe, 0x80, 0x80, 0x80].map((byte) => byte + 256);
    const { text } = stream([...broken, ...bytesOf('東京')]);
    expect(text.replaceAll('\uFFFD', '')).toBe('東京');
    expect(text.startsWith('\uFFFD')).toBe(true);
  });

  test('an unfinished character at the end is told as such', () => {
    expect(stream(bytesOf('ab東').slice(0, -1)).text).toBe('ab\uFFFD');
  });

  test('a tokenizer that writes spaces only between tokens keeps them', () => {
    const words = ['', 'good', 'morning', 'Anna'];
    const text = createTextStream((tokens) => tokens.map((token) => words[token]).join(' '));
    expect([1, 2, 3].map((token) => text.push(token)).join('')).toBe('good morning Anna');
  });
});
