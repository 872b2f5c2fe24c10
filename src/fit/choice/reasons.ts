import { formatBytes } from '../../core/units.ts';
import type { Candidate, FitVerdict, Recommendation } from '../schema.ts';
import { type Advice, adviceRank } from './policy.ts';

/** What the card says of one quant, with the place it is named for. */
export function adviceReasons(quant: string, { tier, useCase }: Advice): string[] {
  const reasons: string[] = [];
  if (useCase?.quants.includes(quant)) reasons.push(`The card names it for this use: ${useCase.title}.`);
  if (tier?.quants.includes(quant)) reasons.push(`The card names it for this hardware: ${tier.title}.`);
  return reasons;
}

/** Where the card and the memory of this host do not say the same of a candidate. */
export function disagreement(candidate: Candidate, advice: Advice): string[] {
  const { quant, verdict, quality, headroomBytes } = candidate;
  if (adviceRank(quant, advice) < 2) {
    if (verdict === 'no' && headroomBytes < 0) return ['Card and memory disagree: it does not run here.'];
    if ((verdict === 'partial' || verdict === 'cpu') && advice.tier?.when.device === 'gpu')
      return ['Card and memory disagree: this GPU does not hold all of it.'];
    return [];
  }
  const asGood = verdict === 'gpu' || (verdict === 'cpu' && advice.tier?.when.device !== 'gpu');
  if (!asGood || quality < 4 || !hasAdvice(advice)) return [];
  return [`Memory would allow it, but the card names ${namesOf(advice)}: --quant ${quant} takes it nevertheless.`];
}

const TOO_SLOW = 'Too slow';

/** Where a candidate is slower than its use wants, or may be. */
export function speedReasons(
  { tokensPerSecond, fastEnough }: Candidate,
  floor: Recommendation['speedFloor'],
): string[] {
  if (tokensPerSecond === undefined || floor === undefined || tokensPerSecond.estimate >= floor.tokensPerSecond)
    return [];
  const wanted = `${formatSpeed(floor.tokensPerSecond)} tok/s are wanted (${floor.reason})`;
  return fastEnough === false
    ? [`${TOO_SLOW}: at most ${formatSpeed(tokensPerSecond.high)} tok/s, ${wanted}.`]
    : [`It may be slow: about ${formatSpeed(tokensPerSecond.estimate)} tok/s, ${wanted}.`];
}

/** Why the first candidate is the choice, beyond what is true of it alone. */
export function choiceReasons(choice: Candidate, candidates: readonly Candidate[], advice: Advice): string[] {
  const reasons = [...choice.reasons, ...expectation(choice)];
  for (const { quant, blockedBy, reasons: own } of candidates.filter((one) => wouldLead(one, choice, advice))) {
    const why = blockedBy.length > 0 ? blockedBy : own.filter((reason) => reason.startsWith(TOO_SLOW));
    reasons.push(`The card would rather have ${quant}: ${why.join(' ')}`);
  }
  const better = betterOne(choice, candidates);
  if (better !== undefined) reasons.push(betterReason(better, choice));
  return reasons;
}

function expectation({ tokensPerSecond }: Candidate): string[] {
  if (tokensPerSecond === undefined) return [];
  const { low, estimate, high, basis } = tokensPerSecond;
  if (low === high) return [`It answers at ${formatSpeed(estimate)} tok/s: ${basis}.`];
  return [
    `It answers at about ${formatSpeed(estimate)} tok/s (${formatSpeed(low)} to ${formatSpeed(high)}): ${basis}.`,
  ];
}

/** True for what the card names and would come before the choice, if only it ran. */
function wouldLead(candidate: Candidate, choice: Candidate, advice: Advice): boolean {
  const own = adviceRank(candidate.quant, advice);
  const chosen = adviceRank(choice.quant, advice);
  const passedOver = candidate.verdict === 'no' || (candidate.fastEnough === false && choice.fastEnough !== false);
  return passedOver && own < 2 && (own < chosen || (own === chosen && candidate.quality > choice.quality));
}

/** A sentence for the case that nothing runs: what comes nearest, and by how much it falls short. */
export function nearestMiss(candidates: readonly Candidate[]): string | undefined {
  const nearest = candidates
    .filter(({ headroomBytes }) => headroomBytes < 0)
    .toSorted((a, b) => b.headroomBytes - a.headroomBytes)[0];
  return nearest === undefined
    ? undefined
    : `Nothing fits; ${nearest.quant} comes nearest and is ${formatBytes(-nearest.headroomBytes)} short.`;
}

/** The best candidate of higher quality that runs in as good a place; the smaller one of equals. */
function betterOne(choice: Candidate, candidates: readonly Candidate[]): Candidate | undefined {
  return candidates
    .filter(
      ({ verdict, quality, fastEnough }) =>
        verdict === choice.verdict && quality > choice.quality && (fastEnough !== false || choice.fastEnough === false),
    )
    .toSorted((a, b) => b.quality - a.quality || a.memory.totalBytes - b.memory.totalBytes)[0];
}

function betterReason(better: Candidate, choice: Candidate): string {
  const more = formatBytes(better.memory.totalBytes - choice.memory.totalBytes);
  return `${better.quant} would fit too (${better.quality} stars against ${choice.quality}); it takes ${more} more and ${price(better, choice)}: --quant ${better.quant} takes it.`;
}

/** What a larger candidate costs in speed. */
function price(better: Candidate, choice: Candidate): string {
  const [slow, fast] = [better.tokensPerSecond?.estimate, choice.tokensPerSecond?.estimate];
  if (slow === undefined || fast === undefined) return 'is slower';
  return `answers at about ${formatSpeed(slow)} instead of ${formatSpeed(fast)} tok/s`;
}

/** `4.2`, `87`: as many digits as an estimate deserves. */
export function formatSpeed(tokensPerSecond: number): string {
  return tokensPerSecond < 9.95 ? tokensPerSecond.toFixed(1) : String(Math.round(tokensPerSecond));
}

/** A candidate that somebody named against the one that would be chosen: `1 star more, 2.43 GiB more memory, about 60 instead of 87 tok/s`. */
export function comparison(named: Candidate, chosen: Candidate): string {
  const stars = named.quality - chosen.quality;
  const bytes = named.memory.totalBytes - chosen.memory.totalBytes;
  const [mine, other] = [named.tokensPerSecond?.estimate, chosen.tokensPerSecond?.estimate];
  const parts = [
    named.verdict === chosen.verdict ? '' : `it runs ${PLACE[named.verdict]} instead of ${PLACE[chosen.verdict]}`,
    stars === 0
      ? 'as many stars'
      : `${Math.abs(stars)} ${Math.abs(stars) === 1 ? 'star' : 'stars'} ${stars > 0 ? 'more' : 'less'}`,
    `${formatBytes(Math.abs(bytes))} ${bytes > 0 ? 'more' : 'less'} memory`,
    mine === undefined || other === undefined
      ? ''
      : `about ${formatSpeed(mine)} instead of ${formatSpeed(other)} tok/s`,
  ];
  return parts.filter((part) => part !== '').join(', ');
}

/** Where a verdict says that a model runs, in a sentence. */
export const PLACE = {
  gpu: 'wholly on the GPU',
  partial: 'partly on the GPU',
  cpu: 'on the CPU',
  no: 'nowhere',
} as const satisfies Record<FitVerdict, string>;

function hasAdvice({ tier, useCase }: Advice): boolean {
  return tier !== undefined || useCase !== undefined;
}

function namesOf({ tier, useCase }: Advice): string {
  const source = useCase ?? tier;
  return `${source?.quants.join(' or ') ?? ''} for “${source?.title ?? ''}”`;
}
