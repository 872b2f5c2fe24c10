/** The hub counts requests in windows of 5 minutes, and says in every refusal when the next one begins. */
import type { Http, HttpReply } from '../../net/http.ts';

/** A whole window. Who is told to wait for longer is not waited for. */
const LONGEST_WAIT_S = 300;
/** A hub that refuses after each wait is not asked for ever. */
const MOST_WAITS = 3;

export interface LimitEffects {
  /** Rejects with the signal's reason when it is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Told before each wait. */
  readonly waiting: (ms: number) => void;
}

/** Seconds to wait, from the `t=` of `RateLimit` or from `Retry-After`. */
export function rateLimitWait(reply: Pick<HttpReply, 'status' | 'header'>): number | undefined {
  if (reply.status !== 429) return undefined;
  const text = /;\s*t=(\d{1,9})/.exec(reply.header('ratelimit') ?? '')?.[1] ?? reply.header('retry-after')?.trim();
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

/** For work of many requests: waits as long as the hub asks, and gives the refusal on where that is too long. */
export function waitForRateLimit(http: Http, { sleep, waiting }: LimitEffects): Http {
  return async (request) => {
    for (let waits = 0; ; waits += 1) {
      const reply = await http(request);
      const seconds = rateLimitWait(reply);
      if (seconds === undefined || seconds > LONGEST_WAIT_S || waits === MOST_WAITS) return reply;
      await reply.close();
      // A second more, because the hub rounds.
      const ms = (seconds + 1) * 1000;
      waiting(ms);
      await sleep(ms, request.signal);
    }
  };
}
