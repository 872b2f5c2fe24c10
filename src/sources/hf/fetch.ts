import { MIB } from '../../core/units.ts';
import { readBody, sendFollowing } from '../../net/follow.ts';
import type { Http } from '../../net/http.ts';
import { type Asked, hubFault } from './faults.ts';

/** The answer about a repository of 100,000 files has some 10 MB. */
const LARGEST_ANSWER = 32 * MIB;

/**
 * The `fetch` that the hub's client gets from us: over our HTTP, with our limits, the token sent to the hub alone. It
 * throws the explained error itself, because the client's own error keeps neither headers nor code.
 */
export function hubFetch(http: Http, asked: Asked, signal: AbortSignal): typeof fetch {
  return async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const { reply } = await sendFollowing(http, {
      method: init.method === 'POST' ? 'POST' : 'GET',
      url,
      secrets: tokenHeader(asked),
      headers: Object.fromEntries(new Headers(init.headers)),
      ...(typeof init.body === 'string' && { body: init.body }),
      signal,
    });
    try {
      const body = await readBody(url, reply, LARGEST_ANSWER, signal);
      const { status } = reply;
      if (status < 200 || status > 299)
        throw hubFault({ status, header: (name) => reply.header(name), said: errorIn(body) }, asked);
      return new Response(new Uint8Array(body), { headers: { 'content-type': 'application/json' } });
    } finally {
      await reply.close();
    }
  };
}

/** The header that says who asks. */
export function tokenHeader({ token }: Pick<Asked, 'token'>): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token.value}` };
}

/** `{"error": "…"}`, the form of the hub's errors. */
function errorIn(body: Buffer): string {
  try {
    const answer: unknown = JSON.parse(body.toString('utf8'));
    const said = typeof answer === 'object' && answer !== null && 'error' in answer ? answer.error : '';
    return typeof said === 'string' ? said : '';
  } catch {
    return '';
  }
}
