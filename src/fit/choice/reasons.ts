import type { Tier, UseCase } from '../../catalog/schema.ts';
import { formatBytes } from '../../core/units.ts';
import { bestDevice } from '../memory/devices.ts';
import { traitsOf } from '../memory/engines.ts';
import type { Candidate, Choice, ChoicePolicy, FitVerdict, Recommendation } from '../schema.ts';
import { floorOf } from './floor.ts';
import { type Advice, adviceRank, hasAdvice } from './policy.ts';
import type { Order, Ranking, RecommendRequest } from './request.ts';

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
 * Explains where advice and the memory of this host disagree; that a quant fits which nobody recommends matters only where
 * the card decides. `isOnlyQuant`: no other quant is considered, so there is nothing to choose with `--quant`.
 */
export function disagreement(
  candidate: Candidate,
  advice: Advice,
  {
    modelId,
    policy,
    isOnlyQuant,
  }: { readonly modelId: string; readonly policy: ChoicePolicy; readonly isOnlyQuant: boolean },
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
  if (policy === 'best' || !asGood || quality < 4 || by === undefined) return [];
  const other = nameOf(by, modelId);
  const fits = `It fits in memory, but ${other.charAt(0).toLowerCase()}${other.slice(1)} recommends ${by.quants.join(' or ')} for “${by.title}”.`;
  return [isOnlyQuant ? fits : `${fits} To use it anyway: --quant ${quant}.`];
}

/** `policy best; policy card would choose q4_0`: the policy of a choice, and what the other one would choose where that differs. */
export function policyText({ quant, policy, picks: { best, card } }: Choice): string {
  if (policy === undefined) return 'the quant that was named';
  const other = policy === 'best' ? card : best;
  if (other === undefined || other === quant) return `policy ${policy}`;
  return `policy ${policy}; policy ${policy === 'best' ? 'card' : 'best'} would choose ${other}`;
}

/** Says that a candidate is, or may be, slower than its use needs. */
export function speedReasons(
  { tokensPerSecond, fastEnough, reachesFloor: reaches }: Candidate,
  floor: Recommendation['speedFloor'],
): string[] {
  if (tokensPerSecond === undefined || floor === undefined || reaches !== false) return [];
  const wanted = `this use needs ${formatSpeed(floor.tokensPerSecond)} tok/s (${floor.reason})`;
  return fastEnough === false
    ? [`Too slow: at most ${formatSpeed(tokensPerSecond.high)} tok/s; ${wanted}.`]
    : [
        `It may be too slow: about ${formatSpeed(tokensPerSecond.estimate)} tok/s, perhaps only ${formatSpeed(tokensPerSecond.low)}; ${wanted}.`,
      ];
}

/** What the two policies choose; the same candidate where there is no card. */
export interface Picks {
  readonly best: Candidate;
  readonly card: Candidate;
}

/** Why the first candidate is the choice, beyond what is true of it alone. */
export function choiceReasons(choice: Candidate, ranking: Ranking, picks: Picks): string[] {
  const { candidates, order, request } = ranking;
  const modelId = request.model.id;
  const floor = floorOf(request.useCase);
  const reasons = [...choice.reasons, ...expectation(choice)];
  if (picks.best.quant !== picks.card.quant) reasons.push(...policyReasons(picks, ranking));
  if (order.policy === 'card' && !hasAdvice(order.advice))
    reasons.push(`No model card advises a quant for ${modelId} here, so policy card chooses the same as policy best.`);
  const explained = new Set([choice.quant, picks.best.quant, picks.card.quant]);
  const passedOver = candidates.filter((one) => !explained.has(one.quant) && wouldLead(one, choice, order));
  for (const candidate of passedOver) {
    explained.add(candidate.quant);
    const why = candidate.blockedBy.length > 0 ? candidate.blockedBy : speedReasons(candidate, floor);
    const adviser = adviserOf(candidate.quant, order.advice, modelId) ?? '';
    const source = candidate.published === false ? ['It has no source.'] : [];
    reasons.push(`${adviser} recommends ${candidate.quant}, which was not chosen. ${[...source, ...why].join(' ')}`);
  }
  const better = betterOne(choice, candidates);
  if (better !== undefined && !explained.has(better.quant)) reasons.push(betterReason(better, choice));
  return reasons;
}

/** Names both picks where they differ, and says what the estimate has for and against them. */
function policyReasons({ best, card }: Picks, { order, request }: Ranking): string[] {
  const { advice, policy } = order;
  const by = [advice.useCase, advice.tier].find((each) => each?.quants.includes(card.quant));
  const named =
    by === undefined
      ? `Policy card would choose ${card.quant} here.`
      : `${nameOf(by, request.model.id)} recommends ${card.quant} for “${by.title}”.`;
  const [other, flag] = policy === 'best' ? [card, 'card'] : [best, 'best'];
  return [
    ...(policy === 'best' ? [[named, ...speedReasons(card, floorOf(request.useCase))].join(' ')] : []),
    `${policy === 'best' ? '' : 'Policy best would choose another quant: '}${fitText(best, card, request)} ${prosAndCons(best, card)}`,
    `To use ${other.quant}: --policy ${flag}.`,
  ];
}

/** `q6_k fits too, because …: it needs 4.72 GiB of GPU memory with its margin, and 756.1 MiB stay free.` */
function fitText(best: Candidate, card: Candidate, request: RecommendRequest): string {
  const { quant, verdict, headroomBytes, needsFree } = best;
  const isSamePlace = verdict === card.verdict;
  const place = isSamePlace
    ? verdict === 'partial'
      ? 'runs partly on the GPU too'
      : 'fits too'
    : `runs ${PLACEMENT_TEXT[verdict]}, ${card.quant} ${PLACEMENT_TEXT[card.verdict]}`;
  const { gpuBytes, ramBytes } = needsFree;
  const needs = `it needs ${formatBytes(gpuBytes ?? ramBytes)} of ${gpuBytes === undefined ? 'RAM' : 'GPU memory'} with its margin`;
  return `${quant} ${place}${embeddingsInRam(best, request)}: ${needs}, and ${formatBytes(Math.max(0, headroomBytes))} stay free.`;
}

function prosAndCons(best: Candidate, card: Candidate): string {
  const quality =
    best.quality === card.quality
      ? `It has as many stars as ${card.quant} and a type that loses less`
      : `It has ${starsText(best)} instead of ${card.quality}`;
  const [mine, its] = [best.tokensPerSecond?.estimate, card.tokensPerSecond?.estimate];
  if (mine === undefined || its === undefined) return `${quality}.`;
  return `${quality}, and answers at about ${formatSpeed(mine)} instead of ${formatSpeed(its)} tok/s.`;
}

/** `, because 1.79 GiB of per-layer embeddings stay in RAM`, where that is so. */
function embeddingsInRam({ quant, verdict }: Candidate, { model, engine, profile }: RecommendRequest): string {
  const bytes = model.quants.find(({ id }) => id === quant)?.weights?.perLayerEmbedding ?? 0;
  const isDedicated = bestDevice(profile, engine).device?.unified === false;
  const stays = bytes > 0 && verdict === 'gpu' && isDedicated && !traitsOf(engine).perLayerEmbeddingsOnGpu;
  return stays ? `, because ${formatBytes(bytes)} of per-layer embeddings stay in RAM` : '';
}

/** `4 stars`. */
export function starsText({ quality }: Pick<Candidate, 'quality'>): string {
  return `${quality} ${quality === 1 ? 'star' : 'stars'}`;
}

function expectation({ tokensPerSecond }: Candidate): string[] {
  if (tokensPerSecond === undefined) return [];
  const { low, estimate, high, basis } = tokensPerSecond;
  if (low === high) return [`Speed: ${formatSpeed(estimate)} tok/s, ${basis}.`];
  return [
    `Expected speed: about ${formatSpeed(estimate)} tok/s (${formatSpeed(low)} to ${formatSpeed(high)}), from ${basis}.`,
  ];
}

/**
 * True for a quant that the card recommends and that would be the choice if it ran, or ran fast enough. By the policy
 * `best` that takes more stars than the choice has.
 */
function wouldLead(candidate: Candidate, choice: Candidate, { policy, advice }: Order): boolean {
  const own = adviceRank(candidate.quant, advice);
  const chosen = adviceRank(choice.quant, advice);
  const passedOver = candidate.verdict === 'no' || (candidate.fastEnough === false && choice.fastEnough !== false);
  if (!passedOver || own === 2) return false;
  if (policy === 'best') return candidate.quality > choice.quality;
  return own < chosen || (own === chosen && candidate.quality > choice.quality);
}

/** Says that nothing runs of what was looked at: of all quants, or of the one that was. */
export function noneRuns({ model, candidates }: Pick<Recommendation, 'model' | 'candidates'>): string {
  const [only, another] = candidates;
  if (only === undefined) return 'There are no quants to rank.';
  return another === undefined ? `${model}:${only.quant} does not run here.` : `No quant of ${model} runs here.`;
}

/** A sentence for the case that none of several quants runs: the closest one, and how many bytes it is short. */
export function nearestMiss(candidates: readonly Candidate[]): string | undefined {
  if (candidates.length < 2) return undefined;
  const nearest = candidates
    .filter(({ headroomBytes }) => headroomBytes < 0)
    .toSorted((a, b) => b.headroomBytes - a.headroomBytes)[0];
  return nearest === undefined
    ? undefined
    : `No quant fits. The closest is ${nearest.quant}, which is ${formatBytes(-nearest.headroomBytes)} short.`;
}

/** The best candidate of higher quality in the same place, else elsewhere if it is fast enough; the smaller one of equals. */
function betterOne(choice: Candidate, candidates: readonly Candidate[]): Candidate | undefined {
  const isFast = ({ fastEnough }: Candidate): boolean => fastEnough !== false || choice.fastEnough === false;
  const isHere = ({ verdict }: Candidate): boolean => verdict === choice.verdict && verdict !== 'partial';
  return candidates
    .filter(({ verdict, quality }) => verdict !== 'no' && quality > choice.quality)
    .filter(({ published }) => published !== false || choice.published === false)
    .filter((candidate) => candidate.reachesFloor === true || (isHere(candidate) && isFast(candidate)))
    .toSorted(
      (a, b) =>
        Number(isHere(b)) - Number(isHere(a)) || b.quality - a.quality || a.memory.totalBytes - b.memory.totalBytes,
    )[0];
}

function betterReason(better: Candidate, choice: Candidate): string {
  const more = formatBytes(better.memory.totalBytes - choice.memory.totalBytes);
  const place = better.verdict === choice.verdict ? 'also fits' : `runs ${PLACEMENT_TEXT[better.verdict]}`;
  return `${better.quant} ${place}, with higher quality (${starsText(better)} instead of ${choice.quality}), but it needs ${more} more memory and ${price(better, choice)}. To use it: --quant ${better.quant}.`;
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
