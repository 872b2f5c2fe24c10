import { type EstimateRequest, type Estimator, estimateMemory } from '../memory/estimate.ts';
import type { Candidate, MemoryEstimate, Recommendation } from '../schema.ts';
import { isWhollyOnGpu, limitsOf, verdictOf } from './candidate.ts';
import { changesOf } from './changes.ts';
import { floorOf } from './floor.ts';
import { hasAdvice } from './policy.ts';
import { choiceReasons, nearestMiss } from './reasons.ts';
import type { Ranking, RecommendRequest } from './request.ts';
import { loadParameters, rankAdjusted, settingReasons } from './settings.ts';
import { fitTable } from './table.ts';

export type { Adjustable, LoadedModel, RecommendRequest } from './request.ts';

import type { WeightBytes } from '../../catalog/schema.ts';
import { asGood, pickOf } from './rank.ts';

/**
 * Joins what the card advises with what memory allows, how fast it would be, and what the server can load. Every quant
 * comes back with a verdict and reasons, best first by the rules of `rank`; the first is the choice if it runs.
 * Deterministic: the same request gives the same answer.
 */
export function recommend(asked: RecommendRequest): Recommendation {
  const adjusted = rankAdjusted({ ...asked, estimator: remembering(asked.estimator ?? estimateMemory) });
  const { ranking } = adjusted;
  const { request, order } = ranking;
  const floor = floorOf(request.useCase);
  const candidates = ranking.candidates.map((candidate) => withContext(candidate, request));
  return {
    model: request.model.id,
    settings: request.settings,
    settingReasons: settingReasons(adjusted),
    engine: request.engine,
    limits: limitsOf(request.profile, request.engine),
    ...(floor !== undefined && { speedFloor: floor }),
    ...(order.advice.tier !== undefined && { tier: order.advice.tier.id }),
    ...outcome(ranking),
    candidates,
    changes: changesOf(adjusted),
    ...(request.table && {
      table: fitTable(
        request,
        candidates.map(({ quant }) => quant),
      ),
    }),
  };
}

function outcome(ranking: Ranking): Pick<Recommendation, 'choice' | 'shortfall'> {
  const { request, best, candidates, order } = ranking;
  if (best !== undefined) {
    const { quant, verdict } = best;
    const parameters = loadParameters(best, request.settings);
    const picks = { best: pickOf('best', ranking) ?? best, card: pickOf('card', ranking) ?? best };
    return {
      choice: {
        quant,
        verdict,
        policy: order.policy,
        picks: { best: picks.best.quant, ...(hasAdvice(order.advice) && { card: picks.card.quant }) },
        parameters,
        reasons: choiceReasons(best, ranking, picks),
      },
    };
  }
  const shortfall = nearestMiss(candidates);
  return shortfall === undefined ? {} : { shortfall };
}

function withContext(candidate: Candidate, request: RecommendRequest): Candidate {
  const largest = largestContext(candidate, request);
  return largest === undefined ? candidate : { ...candidate, largestContext: largest };
}

/** Contexts are looked at in steps of what engines round the cache up to. */
const STEP = 256;

/**
 * The largest `num_ctx` with which a candidate still runs where it does, other settings as they are, up to the context
 * that the model was trained for. A longer context never needs less, so halving finds it.
 */
export function largestContext(candidate: Candidate, request: RecommendRequest): number | undefined {
  const quant = request.model.quants.find(({ id }) => id === candidate.quant);
  if (quant === undefined || candidate.verdict === 'no') return undefined;
  const longest = request.model.hyperparameters.contextLength;
  const holds = (contextLength: number): boolean => {
    const longer = { ...request, settings: { ...request.settings, contextLength } };
    if (candidate.verdict === 'gpu') return isWhollyOnGpu(quant, longer);
    return asGood(verdictOf(quant, longer), candidate.verdict);
  };
  if (holds(longest)) return longest;
  let fits = Math.min(request.settings.contextLength, longest);
  let tooLong = longest;
  while (Math.floor((tooLong - 1) / STEP) * STEP > fits) {
    const middle = Math.max(fits + 1, Math.floor((fits + tooLong) / 2 / STEP) * STEP);
    if (holds(middle)) fits = middle;
    else tooLong = middle;
  }
  return fits;
}

/**
 * An estimator that answers the same question once. What would change an answer is found by ranking many times, mostly
 * with other free memory, which no estimate depends on. For one model on one engine.
 */
export function remembering(estimator: Estimator): Estimator {
  const known = new WeakMap<WeightBytes, Map<string, MemoryEstimate>>();
  return (request) => {
    const ofWeights = known.get(request.weights) ?? new Map<string, MemoryEstimate>();
    known.set(request.weights, ofWeights);
    const key = keyOf(request);
    const memory = ofWeights.get(key) ?? estimator(request);
    ofWeights.set(key, memory);
    return memory;
  };
}

function keyOf({ settings, placement }: EstimateRequest): string {
  const { contextLength, batch, parallel, kvType, flashAttention } = settings;
  const { gpuLayers, split = [], mapsWholeFile = false } = placement;
  return [contextLength, batch, parallel, kvType, flashAttention, gpuLayers, split.join('+'), mapsWholeFile].join(' ');
}
