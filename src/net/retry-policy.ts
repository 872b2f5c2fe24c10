/** When a request is worth another try, and how long to wait before it: one policy for questions, downloads and uploads. */

/** Times in ms. */
export interface RetryWaits {
  /** The first wait is random below this; the bound doubles after every failure. */
  readonly waitMs: number;
  readonly waitCapMs: number;
}

export const RETRY = {
  waitMs: 500,
  waitCapMs: 15_000,
  /** A server that asks for a longer wait is not waited for: the user decides. */
  retryAfterCapMs: 60_000,
  /** Statuses of a server that is overloaded, or starting: the same request may succeed. */
  statuses: [408, 425, 429, 500, 502, 503, 504] as readonly number[],
} as const;

/** The wait after this many failures in a row, in ms. `random`: from 0 to below 1. */
export function backoffMs(failures: number, random: () => number, { waitMs, waitCapMs }: RetryWaits = RETRY): number {
  // Full jitter: many clients that were disconnected together do not reconnect together.
  return random() * Math.min(waitCapMs, waitMs * 2 ** (failures - 1));
}

/**
 * How long a server wants to be left alone, in ms: its Retry-After is a number of seconds or a date. Undefined for what
 * is neither; 0 for a date that has passed.
 */
export function parseRetryAfter(text: string | undefined, now: Date): number | undefined {
  const value = text?.trim() ?? '';
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  // Dates of HTTP name their day first; Date.parse alone would take "-5" and "1.5" as dates.
  if (!/^(mon|tue|wed|thu|fri|sat|sun)/i.test(value)) return undefined;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now.getTime());
}

/**
 * The wait that an answer asks for, as its Retry-After: that header, else the seconds until the window of a rate limit ends
 * where nothing is left of it (`RateLimit: "resolvers";r=0;t=55`, which the Hugging Face hub sends).
 */
export function retryAfterOf({ header }: { header(name: string): string | undefined }): string | undefined {
  return header('retry-after') ?? /;\s*t=(\d{1,9})/.exec(header('ratelimit') ?? '')?.[1];
}
