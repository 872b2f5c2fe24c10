/** HTTP for tests: the real client without proxies, and a fake of the port that answers from a script. */
import { createHttp } from '../../src/net/client.ts';
import type { Http, HttpReply, HttpRequest } from '../../src/net/http.ts';
import type { ExchangeLimits } from '../../src/net/limits.ts';

/** The real client, as it is without a proxy in the environment. */
export const plainHttp: Http = createHttp({ env: {} }).http;

/** The real client with other limits for reading headers. */
export function headerHttp(limits: Partial<ExchangeLimits>): Http {
  return createHttp({ env: {}, limits: { header: limits } }).http;
}

export interface FakeReply extends HttpReply {
  /** How often it was closed. */
  closed: number;
}

/** A reply with these headers and pieces of body. */
export function replyWith(
  status: number,
  headers: Readonly<Record<string, string>> = {},
  body: AsyncIterable<Uint8Array> | readonly Uint8Array[] = [],
): FakeReply {
  const reply = {
    status,
    closed: 0,
    header: (name: string) => headers[name],
    body: (async function* pieces() {
      yield* body;
    })(),
    close: async () => {
      reply.closed += 1;
    },
  };
  return reply;
}

/** Answers every request by this function, and keeps the requests. */
export function fakeHttp(answer: (request: HttpRequest, count: number) => HttpReply | Error): {
  readonly http: Http;
  readonly requests: readonly HttpRequest[];
} {
  const requests: HttpRequest[] = [];
  const http: Http = async (request) => {
    const reply = answer(request, requests.length);
    requests.push(request);
    if (reply instanceof Error) throw reply;
    return reply;
  };
  return { http, requests };
}
