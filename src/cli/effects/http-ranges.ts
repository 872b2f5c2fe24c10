/** HTTP in the narrow form that reading remote headers needs. */
import type { HttpGet, HttpReply } from '../../gguf/http-effects.ts';

export interface HttpLimits {
  /** From sending a request to the head of its answer, in ms. */
  readonly answerMs: number;
  /** Between two pieces of a body, in ms. */
  readonly silenceMs: number;
  /** A whole answer, in ms: a server that drips is not waited for. */
  readonly totalMs: number;
}

const LIMITS: HttpLimits = { answerMs: 20_000, silenceMs: 20_000, totalMs: 120_000 };

/** Requests through Node's own `fetch`, no redirect followed. With a Range header it accepts no encoding but identity. */
export function httpGet(limits: HttpLimits = LIMITS): HttpGet {
  return async (url, headers, signal) => {
    const stop = new AbortController();
    const total = expire(stop, limits.totalMs);
    const answer = expire(stop, limits.answerMs);
    const signals = signal === undefined ? [stop.signal] : [stop.signal, signal];
    try {
      const response = await fetch(url, { headers, redirect: 'manual', signal: AbortSignal.any(signals) });
      return replyOf(response, stop, limits, total);
    } catch (thrown) {
      clearTimeout(total);
      throw stop.signal.aborted ? stop.signal.reason : thrown;
    } finally {
      clearTimeout(answer);
    }
  };
}

function replyOf(response: Response, stop: AbortController, limits: HttpLimits, total: NodeJS.Timeout): HttpReply {
  const reader = response.body?.getReader();
  return {
    status: response.status,
    header: (name) => response.headers.get(name) ?? undefined,
    body: {
      async next() {
        const silence = expire(stop, limits.silenceMs);
        try {
          const result = await reader?.read();
          return result === undefined || result.done ? { done: true, value: undefined } : result;
        } catch (thrown) {
          throw stop.signal.aborted ? stop.signal.reason : thrown;
        } finally {
          clearTimeout(silence);
        }
      },
    },
    async close() {
      clearTimeout(total);
      // The connection may have failed already: what it says no longer matters.
      await reader?.cancel().catch(() => {});
    },
  };
}

function expire(stop: AbortController, ms: number): NodeJS.Timeout {
  const timer = setTimeout(() => stop.abort(new DOMException(`no answer within ${ms} ms`, 'TimeoutError')), ms);
  timer.unref();
  return timer;
}
