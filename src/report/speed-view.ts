import { formatSpeed } from '../fit/choice/reasons.ts';
import type { Candidate, Speed } from '../fit/schema.ts';

/** Width of a range in the units of its picture. */
const RANGE_WIDTH = 100;

interface SpeedScale {
  readonly perUnit: number;
  readonly floor: number | undefined;
}

/** One scale for all ranges of a page, so that they can be compared. */
export function speedScale(candidates: readonly Candidate[], floor: number | undefined): SpeedScale {
  const fastest = Math.max(floor ?? 0, ...candidates.map(({ tokensPerSecond }) => tokensPerSecond?.high ?? 0));
  return { perUnit: Math.max(fastest, Number.MIN_VALUE) / RANGE_WIDTH, floor };
}

/** The range of a candidate in words and as a line with a dot; no picture when nothing is known. */
export function speedView(
  { verdict, tokensPerSecond, promptTokensPerSecond, fastEnough }: Candidate,
  scale: SpeedScale,
) {
  const unknown = verdict === 'no' ? '–' : 'not known';
  return {
    text: tokensPerSecond === undefined ? unknown : rangeText(tokensPerSecond),
    basis: tokensPerSecond?.basis ?? '',
    prompt: promptTokensPerSecond === undefined ? '' : rangeText(promptTokensPerSecond),
    promptBasis: promptTokensPerSecond?.basis ?? '',
    slow: fastEnough === false,
    lines: tokensPerSecond === undefined ? [] : [lineOf(tokensPerSecond, scale)],
    floors: scale.floor === undefined || tokensPerSecond === undefined ? [] : [{ at: at(scale.floor, scale) }],
  };
}

function rangeText({ low, estimate, high }: Speed): string {
  return `${formatSpeed(low)} to ${formatSpeed(high)} tok/s, about ${formatSpeed(estimate)}`;
}

function lineOf({ low, estimate, high }: Speed, scale: SpeedScale) {
  return { from: at(low, scale), dot: at(estimate, scale), to: at(high, scale) };
}

function at(tokensPerSecond: number, { perUnit }: SpeedScale): number {
  return Math.round((tokensPerSecond / perUnit) * 10) / 10;
}
