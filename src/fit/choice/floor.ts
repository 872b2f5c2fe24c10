import type { UseCaseId } from '../../catalog/schema.ts';
import { wantedSpeed } from '../../catalog/wanted-speed.ts';
import type { Recommendation, Speed } from '../schema.ts';

/**
 * The speed that a quant is judged by: the middle of the lower half of its range, from `low` to `estimate`. Where the range
 * holds and the estimate is as often too high as too low, three runs of four are at least so fast. Of a measured speed it is that speed.
 */
export function cautiousSpeed({ low, estimate }: Speed): number {
  return (low + estimate) / 2;
}

/** The least speed that a use wants; undefined where waiting is part of it. */
export function floorOf(useCase: UseCaseId | undefined): Recommendation['speedFloor'] {
  const wanted = wantedSpeed(useCase);
  return wanted?.tokensPerSecond === undefined
    ? undefined
    : { tokensPerSecond: wanted.tokensPerSecond, reason: wanted.reason };
}
