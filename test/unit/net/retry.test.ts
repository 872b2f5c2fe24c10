import { describe, expect, test } from 'vitest';
import type { Http, HttpReply, HttpRequest } from '../../../src/net/http.ts';
import { patientHttp } from '../../../src/net/retry.ts';
import { never } from '../../helpers/failure.ts';

type Answer = { status: number; retryAfter?: string } | { errno: string };

function replyOf(status: number, retryAfter?: string): HttpReply & { closed: number } {
  const reply = {
    status,
    closed: 0,
    header: (name: string) => (name === 'retry-after' ? retryAfter : undefined),
    body: (async function* none(): AsyncGenerator<Uint8Array, void, undefined> {})(),
    close: () => {
      reply.closed += 1;
      return Promise.resolve();
    },
  };
  return reply;
}

/** Answers in turn, the last one for ever. */
function server(answers: readonly Answer[]) {
  const asked: HttpRequest[] = [];
  const replies: ReturnType<typeof replyOf>[] = [];
  const waits: number[] = [];
  const http: Http = (request) => {
    const answer = answers[Math.min(asked.length, answers.length - 1)] ?? { status: 200 };
    asked.push(request);
    if ('errno' in answer) return Promise.reject(Object.assign(new Error(answer.errno), { code: answer.errno }));
    const reply = replyOf(answer.status, answer.retryAfter);
    replies.push(reply);
    return Promise.resolve(reply);
  };
  const patient = patientHttp(http, {
    now: () => new Date('2026-05-06T07:08:00Z'),
    random: () => 0.5,
    sleep: (ms) => {
      waits.push(ms);
      return Promise.resolve();
    },
  });
  const ask = (more: Partial<HttpRequest> = {}) => patient({ method: 'GET', url: 'http://a/', signal: never, ...more });
  return { ask, asked, waits, replies };
}

describe('row 11: a server that is not well', () => {
  test.each<[string, Answer[], number[]]>([
    ['a burst of 5xx', [{ status: 502 }, { status: 503 }, { status: 200 }], [250, 500]],
    ['Retry-After in seconds', [{ status: 429, retryAfter: '2' }, { status: 200 }], [2250]],
    ['Retry-After as a date', [{ status: 503, retryAfter: 'Wed, 06 May 2026 07:08:05 GMT' }, { status: 200 }], [5250]],
    ['a connection that breaks', [{ errno: 'ECONNRESET' }, { status: 200 }], [250]],
    ['a busy name server', [{ errno: 'EAI_AGAIN' }, { status: 200 }], [250]],
  ])('row 11: %s is asked again after a while', async (_, answers, waits) => {
    const { ask, asked, waits: waited, replies } = server(answers);
    const reply = await ask();
    expect(reply.status).toBe(200);
    expect(asked).toHaveLength(answers.length);
    expect(waited).toEqual(waits);
    expect(replies.map(({ closed }) => closed)).toEqual(replies.map((each) => (each === reply ? 0 : 1)));
  });

  test('row 11: three times at most, then its last answer counts', async () => {
    const { ask, asked } = server([{ status: 500 }]);
    expect((await ask()).status).toBe(500);
    expect(asked).toHaveLength(3);
    const broken = server([{ errno: 'ECONNRESET' }]);
    await expect(broken.ask()).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(broken.asked).toHaveLength(3);
  });

  test.each<[string, Answer]>([
    ['a pause of a year', { status: 503, retryAfter: '31536000' }],
    ['a rate limit without a time', { status: 429 }],
    ['401', { status: 401 }],
    ['403', { status: 403, retryAfter: '1' }],
    ['404', { status: 404 }],
    ['a name that does not exist', { errno: 'ENOTFOUND' }],
    ['a closed port', { errno: 'ECONNREFUSED' }],
    ['a certificate', { errno: 'CERT_HAS_EXPIRED' }],
  ])('%s is not asked again', async (_, answer) => {
    const { ask, asked } = server([answer]);
    await ask().catch(() => undefined);
    expect(asked).toHaveLength(1);
  });

  test('nothing that sends bytes is sent twice', async () => {
    for (const more of [
      { method: 'PUT', body: 'x' },
      { method: 'PATCH', body: new Uint8Array(1) },
      { method: 'POST' },
    ] as const) {
      const { ask, asked } = server([{ status: 500 }]);
      expect((await ask(more)).status).toBe(500);
      expect(asked).toHaveLength(1);
    }
  });

  test('an abort ends it with its reason', async () => {
    const stop = new AbortController();
    const reason = new Error('stopped by the user');
    stop.abort(reason);
    const { ask, asked } = server([{ errno: 'ECONNRESET' }]);
    await expect(ask({ signal: stop.signal })).rejects.toBe(reason);
    expect(asked).toHaveLength(1);
  });
});
