import { bestDevice } from '../memory/devices.ts';
import type { Candidate, FitVerdict } from '../schema.ts';
import { candidateOf } from './candidate.ts';
import { type Advice, adviceFor, adviceOrder, adviceRank } from './policy.ts';
import type { Ranking, RecommendRequest } from './request.ts';

const VERDICT_ORDER = { gpu: 0, partial: 1, cpu: 2, no: 3 } as const satisfies Record<FitVerdict, number>;

/**
 * The order of candidates, best first. Earlier rules decide:
 * 1. what runs before what does not, for memory or because the server cannot load it;
 * 2. what may be fast enough for the use before what is surely too slow: even the high end of its range is below the
 *    floor. An estimate is off by a third at times, so a guess in between does not overrule the card, and where
 *    everything is too slow this rule says nothing;
 * 3. what the card names for the use case, then what it names for this hardware, then the rest;
 * 4. wholly on the GPU before partly before on the CPU;
 * 5. more stars of quality;
 * 6. the card's own order (only among quants that it names);
 * 7. less memory. So F16 never comes before Q8_0, which has the same stars in about half the memory;
 * 8. the name, so that the order never depends on the catalog's.
 *
 * Research is the one exception: F16, where the card names it for that and it fits wholly on the GPU, comes first,
 * since an evaluation wants the reference itself.
 *
 * On a machine without a GPU the card's Q4_0 leads although RAM may hold more: every byte of the weights is read for
 * every token there, so a larger quant answers proportionally slower. Alternatives that also fit are reported, not chosen.
 */
export function rank(candidates: readonly Candidate[], advice: Advice): Candidate[] {
  return candidates.toSorted(
    (a, b) =>
      compareMerit(a, b, advice) ||
      adviceOrder(a.quant, advice) - adviceOrder(b.quant, advice) ||
      a.memory.totalBytes - b.memory.totalBytes ||
      (a.quant < b.quant ? -1 : 1),
  );
}

/** The rules 1 to 5: negative when `a` is the better choice by more than a tie-break. */
export function compareMerit(a: Candidate, b: Candidate, advice: Advice): number {
  return (
    Number(a.verdict === 'no') - Number(b.verdict === 'no') ||
    Number(a.fastEnough === false) - Number(b.fastEnough === false) ||
    adviceRank(a.quant, advice) - adviceRank(b.quant, advice) ||
    Number(isReference(b, advice)) - Number(isReference(a, advice)) ||
    VERDICT_ORDER[a.verdict] - VERDICT_ORDER[b.verdict] ||
    b.quality - a.quality
  );
}

/** True when one placement is at least as good as another. */
export function asGood(verdict: FitVerdict, than: FitVerdict): boolean {
  return VERDICT_ORDER[verdict] <= VERDICT_ORDER[than];
}

/** True when a choice is better whatever the card says: more stars in as good a place, or as many in a better one. */
export function improves(next: Candidate | undefined, now: Candidate | undefined): boolean {
  if (next === undefined || now === undefined) return next !== undefined;
  if ((next.fastEnough === false) !== (now.fastEnough === false)) return now.fastEnough === false;
  const place = VERDICT_ORDER[next.verdict] - VERDICT_ORDER[now.verdict];
  const stars = next.quality - now.quality;
  return place <= 0 && stars >= 0 && (place < 0 || stars > 0);
}

/** All quants of a request in their order. */
export function rankQuants(request: RecommendRequest): Ranking {
  const { family, model, profile, engine } = request;
  const { device } = bestDevice(profile, engine);
  const advice = adviceFor(family.policy, profile, device, request.useCase);
  const considered = model.quants.filter(({ id }) => request.quants?.includes(id) ?? true);
  const candidates = rank(
    considered.map((quant) => candidateOf(quant, request, advice)),
    advice,
  );
  const [first] = candidates;
  return { request, advice, candidates, best: first?.verdict === 'no' ? undefined : first };
}

function isReference({ quant, verdict }: Candidate, { useCase }: Advice): boolean {
  return quant === 'f16' && verdict === 'gpu' && useCase?.id === 'research' && useCase.quants.includes('f16');
}
