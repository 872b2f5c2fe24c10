import type { Difference } from './prompt/schema.ts';

/** Characters of each text that a difference shows: enough for a turn's marker and its role. */
const SHOWN = 40;

/** Where two texts part, at a whole character; undefined for equal texts. */
export function firstDifference(effective: string, expected: string): Difference | undefined {
  if (effective === expected) return undefined;
  let at = 0;
  while (at < effective.length && at < expected.length && effective[at] === expected[at]) at += 1;
  // Two characters that share their first half differ as a whole.
  if (splitsCharacter(effective, at) || splitsCharacter(expected, at)) at -= 1;
  return { at, effective: excerpt(effective, at), expected: excerpt(expected, at) };
}

function excerpt(text: string, from: number): string {
  const to = Math.min(text.length, from + SHOWN);
  return text.slice(from, splitsCharacter(text, to) ? to + 1 : to);
}

function splitsCharacter(text: string, at: number): boolean {
  return at > 0 && isHigh(text.charCodeAt(at - 1)) && isLow(text.charCodeAt(at));
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/** Where two texts differ, and what is there: `after 6 equal characters "d" instead of "c"`. Undefined for equal texts. */
export function describeDifference(now: string, before: string): string | undefined {
  const difference = firstDifference(now, before);
  if (difference === undefined) return undefined;
  const { at, effective, expected } = difference;
  // Not trimmed: blanks may be all that differs.
  return `${at === 0 ? '' : `after ${at} equal characters `}${JSON.stringify(effective)} instead of ${JSON.stringify(expected)}`;
}
