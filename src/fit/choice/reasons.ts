import type { Tier, UseCase } from '../../catalog/schema.ts';
import { formatBytes } from '../../core/units.ts';
import type { Candidate, FitVerdict, Recommendation } from '../schema.ts';
import { type Advice, adviceRank } from './policy.ts';

/** Who recommends a quant for this use or this hardware; undefined where nobody does. */
export function adviserOf(quant: string, { tier, useCase }: Advice, modelId: string): string | undefined {
  const by = [useCase, tier].find((each) => each?.quants.includes(quant));
  return by && nameOf(by, modelId);
}

function nameOf({ cardOf }: Tier | UseCase, modelId: string): string {
  if (cardOf === undefined) return 'The catalog';
  return cardOf === modelId ? 'The model card' : `The model card of ${cardOf}`;
}

/** What one quant is recommended for. */
export function adviceReasons(quant: string, { tier, useCase }: Advice, modelId: string): string[] {
  const reasons: string[] = [];
  if (useCase?.quants.includes(quant))
    reasons.push(`${nameOf(useCase, modelId)} recommends it for this use: ${useCase.title}.`);
  if (tier?.quants.includes(quant))
    reasons.push(`${nameOf(tier, modelId)} recommends it for this hardware: ${tier.title}.`);
  return reasons;
}

/**
 * Explains where advice and the memory of this host disagree. `isOnlyQuant`: no other quant is considered, so there is
 * nothing to choose with `--quant`.
 */
export function disagreement(
  candidate: Candidate,
  advice: Advice,
  { modelId, isOnlyQuant }: { readonly modelId: string; readonly isOnlyQuant: boolean },
): string[] {
  const { quant, verdict, quality, headroomBytes } = candidate;
  const adviser = adviserOf(quant, advice, modelId);
  if (adviser !== undefined) {
    if (verdict === 'no' && headroomBytes < 0)
      return [`${adviser} recommends it, but it does not fit on this machine.`];
    if ((verdict === 'partial' || verdict === 'cpu') && advice.tier?.when.device === 'gpu')
      return [`${adviser} recommends it, but it does not fit entirely on this GPU.`];
    return [];
  }
  const asGood = verdict === 'gpu' || (verdict === 'cpu' && advice.tier?.when.device !== 'gpu');
  const by = advice.useCase ?? advice.tier;
  if (!asGood || quality < 4 || by === undefined) return [];
  const other = nameOf(by, modelId);
  const fits = `It fits in memory, but ${other.charAt(0).toLowerCase()}${other.slice(1)} recommends ${by.quants.join(' or ')} for “${by.title}”.`;
  return [isOnlyQuant ? fits : `${fits} To use it anyway: --quant ${quant}.`];
}

/** Says that a candidate is, or may be, slower than its use needs. */
export function speedReasons(
  { tokensPerSecond, fastEnough }: Candidate,
  floor: Recommendation['speedFloor'],
): string[] {
  if (tokensPerSecond === undefined || floor === undefined || tokensPerSecond.estimate >= floor.tokensPerSecond)
    return [];
  const wanted = `this use needs ${formatSpeed(floor.tokensPerSecond)} tok/s (${floor.reason})`;
  return fastEnough === false
    ? [`Too slow: at most ${formatSpeed(tokensPerSecond.high)} tok/s; ${wanted}.`]
    : [`It may be too slow: about ${formatSpeed(tokensPerSecond.estimate)} tok/s; ${wanted}.`];
}

/** Why the first candidate is the choice, beyond what is true of it alone. */
export function choiceReasons(
  choice: Candidate,
  candidates: readonly Candidate[],
  advice: Advice,
  { modelId, floor }: { readonly modelId: string; readonly floor: Recommendation['speedFloor'] },
): string[] {
  const reasons = [...choice.reasons, ...expectation(choice)];
  for (const candidate of candidates.filter((one) => wouldLead(one, choice, advice))) {
    const why = candidate.blockedBy.length > 0 ? candidate.blockedBy : speedReasons(candidate, floor);
    const adviser = adviserOf(candidate.quant, advice, modelId) ?? '';
    reasons.push(`${adviser} recommends ${candidate.quant}, which was not chosen. ${why.join(' ')}`);
  }
  const better = betterOne(choice, candidates);
  if (better !== undefined) reasons.push(betterReason(better, choice));
  return reasons;
}

function expectation({ tokensPerSecond }: Candidate): string[] {
  if (tokensPerSecond === undefined) return [];
  const { low, estimate, high, basis } = tokensPerSecond;
  if (low === high) return [`Speed: ${formatSpeed(estimate)} tok/s, ${basis}.`];
  return [
    `Expected speed: about ${formatSpeed(estimate)} tok/s (${formatSpeed(low)} to ${formatSpeed(high)}), from ${basis}.`,
  ];
}

/** True for a quant that the card recommends and that would be the choice if it ran, or ran fast enough. */
function wouldLead(candidate: Candidate, choice: Candidate, advice: Advice): boolean {
  const own = adviceRank(candidate.quant, advice);
  const chosen = adviceRank(choice.quant, advice);
  const passedOver = candidate.verdict === 'no' || (candidate.fastEnough === false && choice.fastEnough !== false);
  return passedOver && own < 2 && (own < chosen || (own === chosen && candidate.quality > choice.quality));
}

/** A sentence for the case that nothing runs: the closest quant, and how many bytes it is short. */
export function nearestMiss(candidates: readonly Candidate[]): string | undefined {
  const nearest = candidates
    .filter(({ headroomBytes }) => headroomBytes < 0)
    .toSorted((a, b) => b.headroomBytes - a.headroomBytes)[0];
  return nearest === undefined
    ? undefined
    : `No quant fits. The closest is ${nearest.quant}, which is ${formatBytes(-nearest.headroomBytes)} short.`;
}

/** The best candidate of higher quality with the same verdict; the smaller one of equals. */
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
  return `${better.quant} also fits, with higher quality (${better.quality} stars instead of ${choice.quality}), but it needs ${more} more memory and ${price(better, choice)}. To use it: --quant ${better.quant}.`;
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

/** Compares the quant that the user named with the one that would be chosen: `1 star more, 2.43 GiB more memory, about 60 instead of 87 tok/s`. */
export function comparison(named: Candidate, chosen: Candidate): string {
  const stars = named.quality - chosen.quality;
  const bytes = named.memory.totalBytes - chosen.memory.totalBytes;
  const [mine, other] = [named.tokensPerSecond?.estimate, chosen.tokensPerSecond?.estimate];
  const parts = [
    named.verdict === chosen.verdict
      ? ''
      : `it runs ${PLACEMENT_TEXT[named.verdict]} instead of ${PLACEMENT_TEXT[chosen.verdict]}`,
    stars === 0
      ? 'the same quality'
      : `${Math.abs(stars)} ${Math.abs(stars) === 1 ? 'star' : 'stars'} ${stars > 0 ? 'more' : 'fewer'}`,
    `${formatBytes(Math.abs(bytes))} ${bytes > 0 ? 'more' : 'less'} memory`,
    mine === undefined || other === undefined
      ? ''
      : `about ${formatSpeed(mine)} instead of ${formatSpeed(other)} tok/s`,
  ];
  return parts.filter((part) => part !== '').join(', ');
}

/** Where the layers of a model run, as a part of a sentence. */
export const PLACEMENT_TEXT = {
  gpu: 'entirely on the GPU',
  partial: 'partly on the GPU',
  cpu: 'on the CPU',
  no: 'nowhere',
} as const satisfies Record<FitVerdict, string>;
