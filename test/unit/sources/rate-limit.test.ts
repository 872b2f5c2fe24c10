import { expect, test } from 'vitest';
import type { Http, HttpReply } from '../../../src/net/http.ts';
import { waitForRateLimit } from '../../../src/sources/huggingface/rate-limit.ts';
import { never } from '../../helpers/failure.ts';

function replies(...all: { status: number; headers?: Readonly<Record<string, string>> }[]) {
  const closed: number[] = [];
  const http: Http = async () => {
    const { status, headers = {} } = all.shift() ?? { status: 200 };
    const reply: Partial<HttpReply> = {
      status,
      header: (name) => headers[name],
      close: async () => void closed.push(status),
    };
    return reply as HttpReply;
  };
  return { http, closed };
}

async function ask(http: Http) {
  const waits: number[] = [];
  const told: number[] = [];
  const patient = waitForRateLimit(http, {
    sleep: async (ms) => void waits.push(ms),
    waiting: (ms) => told.push(ms),
  });
  const { status } = await patient({ method: 'GET', url: 'https://hub.example/', headers: {}, signal: never });
  expect(told).toEqual(waits);
  return { status, waits };
}

const limited = (t: number) => ({ status: 429, headers: { ratelimit: `"api";r=0;t=${t}` } });

test('waits as long as the hub says, and then asks again', async () => {
  const { http, closed } = replies(limited(55), { status: 429, headers: { 'retry-after': '3' } });
  expect(await ask(http)).toEqual({ status: 200, waits: [56_000, 4_000] });
  expect(closed).toEqual([429, 429]);
});

test.each([
  ['longer than a window of the hub', [limited(301)], 0],
  ['no time', [{ status: 429 }], 0],
  ['again and again', [limited(1), limited(1), limited(1), limited(1)], 3],
  ['another failure', [{ status: 503, headers: { ratelimit: '"api";r=0;t=5' } }], 0],
])('gives the refusal on: %s', async (_, given, waits) => {
  const answer = await ask(replies(...given).http);
  expect(answer.status).toBe(given[0]?.status);
  expect(answer.waits).toHaveLength(waits);
});
