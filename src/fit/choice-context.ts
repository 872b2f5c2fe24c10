import { isWhollyOnGpu, verdictOf } from './choice-candidate.ts';
import type { RecommendRequest } from './choice-request.ts';
import { asGood } from './rank.ts';
import type { Candidate } from './schema.ts';

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
