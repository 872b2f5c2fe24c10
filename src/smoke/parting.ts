import { firstDifference } from './prompt/difference.ts';

/** Where two texts part, with what comes there: `after 6 equal characters "d" instead of "c"`. Undefined for equal texts. */
export function partingOf(now: string, before: string): string | undefined {
  const difference = firstDifference(now, before);
  if (difference === undefined) return undefined;
  const { at, effective, expected } = difference;
  // Not trimmed: blanks may be all that differs.
  return `${at === 0 ? '' : `after ${at} equal characters `}${JSON.stringify(effective)} instead of ${JSON.stringify(expected)}`;
}
