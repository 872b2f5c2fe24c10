import { bestDevice } from '../memory/devices.ts';
import type { Candidate, ChoicePolicy, FitVerdict } from '../schema.ts';
import { candidateOf } from './candidate.ts';
import { adviceFor, adviceOrder, adviceRank, hasAdvice } from './policy.ts';
import { qualityOf, SOUND_STARS } from './quality.ts';
import type { Order, Ranking, RecommendRequest } from './request.ts';

const VERDICT_ORDER = { gpu: 0, partial: 1, cpu: 2, no: 3 } as const satisfies Record<FitVerdict, number>;

/** The order of candidates, best first, by one of the two policies. The same whatever the order of the catalog. */
export function rank(candidates: readonly Candidate[], order: Order): Candidate[] {
  return candidates.toSorted(
    (a, b) =>
      compareMerit(a, b, order) ||
      (isByCard(a, b, order) ? adviceOrder(a.quant, order.advice) - adviceOrder(b.quant, order.advice) : 0) ||
      a.memory.totalBytes - b.memory.totalBytes ||
      (a.quant < b.quant ? -1 : 1),
  );
}

/** By either policy: what does not run, for memory or because the server cannot load it, and before that what nobody publishes. */
function comesLast({ verdict, published }: Candidate): number {
  return verdict === 'no' ? 2 : published === false ? 1 : 0;
}

/** Negative when `a` is the better choice by more than a tie-break (the card's own order, less memory, the name). */
export function compareMerit(a: Candidate, b: Candidate, order: Order): number {
  return comesLast(a) - comesLast(b) || (isByCard(a, b, order) ? compareByCard(a, b, order) : compareBest(a, b, order));
}

/** Without any advice the policy `card` is the policy `best`. */
function isByCard(a: Candidate, b: Candidate, order: Order): boolean {
  if (!hasAdvice(order.advice)) return false;
  if (order.policy === 'card') return true;
  const group = groupOf(a, order);
  return group === groupOf(b, order) && (group === GROUP.card || group === GROUP.rest);
}

/**
 * The policy `card`. Earlier rules decide:
 * 1. what runs before what does not, and what a source of the catalog has before what none has;
 * 2. what may be fast enough for the use before what is surely too slow: even the high end of its range is below the
 *    floor. An estimate is off by a third at times, so a guess in between does not overrule the card;
 * 3. what the card names for the use case, then what it names for this hardware, then the rest;
 * 4. for research, F16 where the card names it and it fits wholly on the GPU: an evaluation wants the reference itself;
 * 5. wholly on the GPU before partly before on the CPU;
 * 6. more stars of quality.
 * Then the card's own order (only among quants that it names), less memory, and the name.
 */
function compareByCard(a: Candidate, b: Candidate, { advice }: Order): number {
  const isReference = ({ quant, verdict }: Candidate): boolean =>
    quant === 'f16' && verdict === 'gpu' && advice.useCase?.id === 'research' && advice.useCase.quants.includes('f16');
  return (
    Number(a.fastEnough === false) - Number(b.fastEnough === false) ||
    adviceRank(a.quant, advice) - adviceRank(b.quant, advice) ||
    Number(isReference(b)) - Number(isReference(a)) ||
    VERDICT_ORDER[a.verdict] - VERDICT_ORDER[b.verdict] ||
    b.quality - a.quality
  );
}

/** The groups of the policy `best`, best first. */
const GROUP = { fast: 0, card: 1, poor: 2, rest: 3, none: 4 } as const;

/**
 * The policy `best`. Earlier rules decide:
 * 1. what runs before what does not, and what a source of the catalog has before what none has;
 * 2. what reaches the wanted speed by the lower half of its range (`reachesFloor`) before what does not. A quant of one
 *    star, and on the CPU of two, does not come first for its speed alone: before it comes what the card names, if that has
 *    at least three stars and the high end of its range reaches the floor;
 * 3. wholly on the GPU before partly before on the CPU; for research after the next two, since no speed is wanted;
 * 4. for research, F16 or BF16 wholly on the GPU: an evaluation wants the reference itself;
 * 5. higher quality: more stars, then the type that loses less (`qualityOf`).
 * Then less memory, so that F16 never comes before Q8_0 elsewhere, and the name.
 *
 * What does not reach the wanted speed is in the order of the card, so that the card's pick is the choice where nothing
 * does. Where there is no card, the least memory comes first among quants of at least three stars: the fastest sound one.
 */
function compareBest(a: Candidate, b: Candidate, order: Order): number {
  const group = groupOf(a, order);
  const groups = group - groupOf(b, order);
  if (groups !== 0 || group === GROUP.none) return groups;
  if (group === GROUP.fast) return compareQuality(a, b, order);
  return group === GROUP.poor ? b.quality - a.quality || compareQuality(a, b, order) : compareModest(a, b);
}

function groupOf(candidate: Candidate, { advice }: Order): number {
  const { quant, verdict, quality, fastEnough } = candidate;
  if (verdict === 'no') return GROUP.none;
  const isSound = quality >= SOUND_STARS;
  if (reachesFloor(candidate)) return isSound || (verdict !== 'cpu' && quality > 1) ? GROUP.fast : GROUP.poor;
  const isNamed = !hasAdvice(advice) || adviceRank(quant, advice) === 0;
  return isSound && isNamed && fastEnough !== false ? GROUP.card : GROUP.rest;
}

/** A speed that nobody knows is believed to be enough wholly on the GPU only. */
export function reachesFloor({ reachesFloor: known, verdict }: Candidate): boolean {
  return known ?? verdict === 'gpu';
}

function compareQuality(a: Candidate, b: Candidate, { useCase }: Order): number {
  const isResearch = useCase === 'research';
  const isReference = ({ quant, verdict }: Candidate): boolean =>
    isResearch && verdict === 'gpu' && (quant === 'f16' || quant === 'bf16');
  const place = VERDICT_ORDER[a.verdict] - VERDICT_ORDER[b.verdict];
  const quality = Number(isReference(b)) - Number(isReference(a)) || qualityOf(b) - qualityOf(a);
  return isResearch ? quality || place : place || quality;
}

function compareModest(a: Candidate, b: Candidate): number {
  const poor = ({ quality }: Candidate): number => Math.max(0, SOUND_STARS - quality);
  return (
    Number(a.fastEnough === false) - Number(b.fastEnough === false) ||
    poor(a) - poor(b) ||
    VERDICT_ORDER[a.verdict] - VERDICT_ORDER[b.verdict] ||
    a.memory.totalBytes - b.memory.totalBytes ||
    qualityOf(b) - qualityOf(a)
  );
}

/** True when one placement is at least as good as another. */
export function asGood(verdict: FitVerdict, than: FitVerdict): boolean {
  return VERDICT_ORDER[verdict] <= VERDICT_ORDER[than];
}

/**
 * True when a choice is better whatever the card says: more stars in as good a place, or as many in a better one. What may
 * be fast enough is better than what is surely too slow, unless it costs stars and leaves fewer than three.
 */
export function improves(next: Candidate | undefined, now: Candidate | undefined): boolean {
  if (next === undefined || now === undefined) return next !== undefined;
  if ((next.fastEnough === false) !== (now.fastEnough === false))
    return now.fastEnough === false && next.quality >= Math.min(now.quality, SOUND_STARS);
  const place = VERDICT_ORDER[next.verdict] - VERDICT_ORDER[now.verdict];
  const stars = next.quality - now.quality;
  return place <= 0 && stars >= 0 && (place < 0 || stars > 0);
}

/** All quants of a request in their order. */
export function rankQuants(request: RecommendRequest): Ranking {
  const { family, model, profile, engine, useCase, policy = 'best' } = request;
  const { device } = bestDevice(profile, engine);
  const advice = adviceFor(family.policy, profile, device, useCase);
  const order = { policy, advice, ...(useCase !== undefined && { useCase }) };
  const considered = model.quants.filter(({ id }) => request.quants?.includes(id) ?? true);
  const candidates = rank(
    considered.map((quant) => candidateOf(quant, request, advice)),
    order,
  );
  return { request, order, candidates, best: firstThatRuns(candidates) };
}

/** What a policy chooses among the candidates of a ranking; undefined where nothing runs. */
export function pickOf(policy: ChoicePolicy, { candidates, order }: Ranking): Candidate | undefined {
  return firstThatRuns(order.policy === policy ? candidates : rank(candidates, { ...order, policy }));
}

function firstThatRuns([first]: readonly Candidate[]): Candidate | undefined {
  return first?.verdict === 'no' ? undefined : first;
}
