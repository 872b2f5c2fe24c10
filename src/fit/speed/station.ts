import type { Speed } from '../schema.ts';
import type { Range, Rates } from './rates.ts';
import type { Work } from './work.ts';

/** A place where a part of the work is done, and how fast it is. */
export interface Station {
  readonly kind: 'gpu' | 'cpu';
  readonly work: Work;
  readonly rates: Rates;
}

/**
 * Tokens per second from the seconds that a token takes at each end of the range, with three digits that count.
 * Undefined where these are no time at all, or no number.
 */
export function speedOf(seconds: (end: keyof Range) => number, basis: string): Speed | undefined {
  const rate = (end: keyof Range): number => Number((1 / seconds(end)).toPrecision(3));
  const speed = { low: rate('low'), estimate: rate('estimate'), high: rate('high'), basis };
  return Number.isFinite(speed.low + speed.estimate + speed.high) ? speed : undefined;
}

/** `2.89 GB`, `12.3 MB`; 10^n bytes, as bandwidth is always given. */
export function readableBytes(bytes: number): string {
  return bytes < 1e8 ? `${(bytes / 1e6).toPrecision(3)} MB` : `${(bytes / 1e9).toPrecision(3)} GB`;
}

export function positive(value: number | undefined): number | undefined {
  return value !== undefined && Number.isFinite(value) && value > 0 ? value : undefined;
}
