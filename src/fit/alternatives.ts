/** What would give another choice: every answer here was found by ranking again with the change made. */
import {
  freeRam,
  freeVram,
  moreRam,
  otherGpu,
  shorterContext,
  smallerBatch,
  smallerCache,
  stopModels,
  type Variant,
} from './alternatives-levers.ts';
import type { Ranking, RecommendRequest } from './choice-request.ts';
import { floorOf } from './choice-speed.ts';
import { bestDevice } from './devices.ts';
import { adviceFor, adviceRank } from './policy.ts';
import { compareMerit, improves, rankQuants } from './rank.ts';
import { PLACE } from './reasons.ts';
import type { Candidate, Change } from './schema.ts';

/** At most one change of each kind, the mildest that gives a better choice; none where nothing can. */
export function changesOf(ranking: Ranking): Change[] {
  const leaders = couldLead(ranking);
  const onThisHost =
    leaders.length === 0
      ? []
      : [stopModels, shorterContext, smallerBatch, smallerCache, freeVram, freeRam].map((lever) =>
          lever(narrowed(ranking, leaders), leaders),
        );
  return [...onThisHost, otherGpu(ranking.request), moreRam(ranking.request)].flatMap((variants) =>
    firstThatHelps(variants, ranking.best),
  );
}

function firstThatHelps(variants: readonly Variant[], now: Candidate | undefined): Change[] {
  for (const { kind, request, bytes, label } of variants) {
    const best = bestOf(request);
    if (best === undefined || !improves(best, now) || isOnlyFaster(kind, best, now, request)) continue;
    const sentence = `${label}: ${best.quant} ${gain(best, now)}.`;
    return [{ kind, quant: best.quant, verdict: best.verdict, ...(bytes !== undefined && { bytes }), sentence }];
  }
  return [];
}

/**
 * The first of a ranking. What the card names comes before the rest unless it does not run or is too slow, so the rest
 * is only looked at then.
 */
function bestOf(request: RecommendRequest): Candidate | undefined {
  const { family, model, profile, engine, useCase, quants } = request;
  const advice = adviceFor(family.policy, profile, bestDevice(profile, engine).device, useCase);
  const named = model.quants.flatMap(({ id }) =>
    adviceRank(id, advice) === 0 && (quants?.includes(id) ?? true) ? [id] : [],
  );
  const { best } = rankQuants({ ...request, quants: named });
  return best === undefined || best.fastEnough === false ? rankQuants(request).best : best;
}

/** Nobody is told to buy hardware for no more stars where even the slow end is fast enough. */
function isOnlyFaster(
  kind: Change['kind'],
  then: Candidate,
  now: Candidate | undefined,
  { useCase }: RecommendRequest,
): boolean {
  if (kind !== 'other-gpu' && kind !== 'more-ram') return false;
  if (now?.tokensPerSecond === undefined || then.quality > now.quality) return false;
  return now.tokensPerSecond.low >= (floorOf(useCase)?.tokensPerSecond ?? 0);
}

/** `instead of q4_0, wholly on the GPU (4 stars instead of 3)`. */
function gain(then: Candidate, now: Candidate | undefined): string {
  const stars = `${then.quality} ${then.quality === 1 ? 'star' : 'stars'}`;
  if (now === undefined) return `would run ${PLACE[then.verdict]} (${stars})`;
  if (then.quant === now.quant) return `would run ${PLACE[then.verdict]}`;
  const more = then.quality === now.quality ? '' : ` (${stars} instead of ${now.quality})`;
  const faster = now.fastEnough === false && then.fastEnough !== false ? ', fast enough' : '';
  return `instead of ${now.quant}, ${PLACE[then.verdict]}${faster}${more}`;
}

/** Candidates that would come before the choice, or be a better one, if only they had room. */
function couldLead({ candidates, best, advice, request }: Ranking): Candidate[] {
  const place = bestDevice(request.profile, request.engine).device === undefined ? 'cpu' : 'gpu';
  return candidates.filter((candidate) => {
    if (candidate.verdict === place || request.blockedByServer?.(candidate.quant) !== undefined) return false;
    // Elsewhere it may be fast.
    const { fastEnough: _, ...roomy } = { ...candidate, verdict: place } as const;
    return best === undefined || compareMerit(roomy, best, advice) < 0;
  });
}

/** The request with nothing but the choice and what could take its place. */
function narrowed({ request, best }: Ranking, leaders: readonly Candidate[]): RecommendRequest {
  const quants = [...new Set([...(best === undefined ? [] : [best]), ...leaders].map(({ quant }) => quant))];
  return { ...request, quants };
}
