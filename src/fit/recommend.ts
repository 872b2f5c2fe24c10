import { changesOf } from './alternatives.ts';
import { fitTable } from './alternatives-table.ts';
import { largestContext } from './choice-context.ts';
import { remembering } from './choice-memo.ts';
import { limitsOf } from './choice-needs.ts';
import type { Ranking, RecommendRequest } from './choice-request.ts';
import { loadParameters, rankAdjusted, settingReasons } from './choice-settings.ts';
import { floorOf } from './choice-speed.ts';
import { estimateMemory } from './estimate.ts';
import { choiceReasons, nearestMiss } from './reasons.ts';
import type { Candidate, Recommendation } from './schema.ts';

export type { Adjustable, LoadedModel, RecommendRequest } from './choice-request.ts';

/**
 * Joins what the card advises with what memory allows, how fast it would be, and what the server can load. Every quant
 * comes back with a verdict and reasons, best first by the rules of `rank`; the first is the choice if it runs.
 * Deterministic: the same request gives the same answer.
 */
export function recommend(asked: RecommendRequest): Recommendation {
  const adjusted = rankAdjusted({ ...asked, estimator: remembering(asked.estimator ?? estimateMemory) });
  const { ranking } = adjusted;
  const { request, advice } = ranking;
  const floor = floorOf(request.useCase);
  const candidates = ranking.candidates.map((candidate) => withContext(candidate, request));
  return {
    model: request.model.id,
    settings: request.settings,
    settingReasons: settingReasons(adjusted),
    engine: request.engine,
    limits: limitsOf(request.profile, request.engine),
    ...(floor !== undefined && { speedFloor: floor }),
    ...(advice.tier !== undefined && { tier: advice.tier.id }),
    ...outcome(ranking),
    candidates,
    changes: changesOf(ranking),
    ...(request.table && {
      table: fitTable(
        request,
        candidates.map(({ quant }) => quant),
      ),
    }),
  };
}

function outcome({ request, best, candidates, advice }: Ranking): Pick<Recommendation, 'choice' | 'shortfall'> {
  if (best !== undefined) {
    const { quant, verdict } = best;
    const parameters = loadParameters(best, request.settings);
    return { choice: { quant, verdict, parameters, reasons: choiceReasons(best, candidates, advice) } };
  }
  const shortfall = nearestMiss(candidates);
  return shortfall === undefined ? {} : { shortfall };
}

function withContext(candidate: Candidate, request: RecommendRequest): Candidate {
  const largest = largestContext(candidate, request);
  return largest === undefined ? candidate : { ...candidate, largestContext: largest };
}
