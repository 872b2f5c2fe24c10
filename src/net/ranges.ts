/** HTTP in the narrow form that reading remote headers needs. */

import { createHttp } from './client.ts';
import type { HttpGet } from './effects.ts';
import type { Http } from './http.ts';

export interface HttpLimits {
  /** From sending a request to the head of its answer, in ms. */
  readonly answerMs: number;
  /** Between two pieces of a body, in ms. */
  readonly silenceMs: number;
  /** A whole answer, in ms: a server that drips is not waited for. */
  readonly totalMs: number;
}

const LIMITS: HttpLimits = { answerMs: 20_000, silenceMs: 20_000, totalMs: 120_000 };

let own: Http | undefined;

/** For callers without a client: with the proxies of the environment. */
function ownHttp(): Http {
  own ??= createHttp({ env: process.env }).http;
  return own;
}

/** Requests of a client as reading headers wants them, with a limit on the whole. */
export function httpGet(limits: HttpLimits = LIMITS, http: Http = ownHttp()): HttpGet {
  const { answerMs, silenceMs, totalMs } = limits;
  return async (url, headers, signal) => {
    const stop = new AbortController();
    const total = setTimeout(
      () => stop.abort(new DOMException(`no end within ${totalMs} ms`, 'TimeoutError')),
      totalMs,
    ).unref();
    const both = signal === undefined ? stop.signal : AbortSignal.any([stop.signal, signal]);
    try {
      const reply = await http({ method: 'GET', url: url.href, headers, answerMs, silenceMs, signal: both });
      const body = reply.body[Symbol.asyncIterator]();
      return {
        status: reply.status,
        header: reply.header,
        body,
        async close() {
          clearTimeout(total);
          await reply.close();
        },
      };
    } catch (thrown) {
      clearTimeout(total);
      throw thrown;
    }
  };
}
