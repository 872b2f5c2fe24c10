import { closest, distance } from 'fastest-levenshtein';

/** Edits of a typing mistake: two or 40 % of the letters, but at most half of a short word. */
function maxEdits(longest: number): number {
  return Math.max(Math.min(2, Math.floor(longest / 2)), Math.floor(longest * 0.4));
}

/** The known word nearest to the typed one; undefined when none is near enough to be a typing mistake. */
export function nearest(typed: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const wanted = typed.toLowerCase();
  const lower = known.map((word) => word.toLowerCase());
  const word = closest(wanted, lower);
  return distance(wanted, word) <= maxEdits(Math.max(wanted.length, word.length))
    ? known[lower.indexOf(word)]
    : undefined;
}

/** Suggestions for an unknown word: the nearest match first, then all known words if they are few. */
export function didYouMean(typed: string, known: readonly string[], listLimit = 20): string[] {
  const near = nearest(typed, known);
  const suggestions = near === undefined ? [] : [`Did you mean ${near}?`];
  if (known.length > 0 && known.length <= listLimit) suggestions.push(`Known: ${known.join(', ')}.`);
  return suggestions;
}
