import type { Speed } from '../schema.ts';
import { sum } from '../weights.ts';
import type { Range } from './rates.ts';
import { readableBytes, type Station, speedOf } from './station.ts';

/** Speed of answering: one station after the other reads its weights and its part of the cache. */
export function answerSpeed(stations: readonly Station[]): Speed | undefined {
  if (stations.length === 0) return undefined;
  const basis = stations
    .map(({ work, rates }) => `${readableBytes(work.weightBytes)} a token at ${rates.basis}`)
    .join(' + ');
  return speedOf((end) => sum(stations.map((station) => answerSeconds(station, end))), basis);
}

/** `low` is for a full context, the others for a conversation of some turns. */
function answerSeconds({ work, rates }: Station, end: keyof Range): number {
  const cache = end === 'low' ? work.fullCacheBytes : work.cacheBytes;
  const reading = (work.weightBytes + cache) / rates.bytesPerSecond[end];
  const computing = rates.weightsPerSecond === undefined ? 0 : work.weights / rates.weightsPerSecond[end];
  return Math.max(reading, computing) + work.nodes * rates.nodeSeconds[end];
}
