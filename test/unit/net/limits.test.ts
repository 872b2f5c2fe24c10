/** Every exchange ends, whatever the server sends. */
import { createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { createHttp } from '../../../src/net/client.ts';
import { networkFault } from '../../../src/net/errors.ts';
import { readWhole } from '../../../src/net/http.ts';
import { POLICIES, WHOLE_ANSWER_MS } from '../../../src/net/limits.ts';
import { never } from '../../helpers/failure.ts';
import { replyWith } from '../../helpers/http.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

/** A server that writes these texts to every connection, the last one again and again. */
async function dripping(everyMs: number, ...texts: readonly string[]): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let turn = 0;
    const timer = setInterval(() => {
      socket.write(texts[Math.min(turn, texts.length - 1)] ?? '');
      turn += 1;
    }, everyMs);
    socket.on('close', () => clearInterval(timer)).on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/`;
}

const QUESTIONS = ['metadata', 'probe', 'server', 'diagnosis'] as const;

describe('row 10: a server that drips', () => {
  test.each(QUESTIONS)('row 10: a question of the kind %s is over within a minute in all', async (kind) => {
    expect(POLICIES[kind].totalMs).toBeLessThanOrEqual(60_000);
    const url = await dripping(20, 'HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n', ' ');
    const { http, close } = createHttp({ env: {}, limits: { [kind]: { totalMs: 300 } } });
    open.push({ close });
    const reading = http({ method: 'GET', url, kind, signal: never }).then((reply) => readWhole(reply, 1e6));
    const thrown = await reading.catch((reason: unknown) => reason);
    expect(thrown).toMatchObject({ name: 'TimeoutError', missing: 'end' });
    expect(networkFault(new URL(url), thrown).message).toContain('the answer was not complete within');
  });

  test('row 10: a whole body, such as that of a refusal, is read for a minute at most in every kind of exchange', async () => {
    let clock = 0;
    const pieces = async function* pieces() {
      for (;;) {
        clock += 1000;
        yield Buffer.from(' ');
      }
    };
    const reading = readWhole(replyWith(500, {}, pieces()), 1e6, () => clock);
    await expect(reading).rejects.toMatchObject({ name: 'TimeoutError', ms: WHOLE_ANSWER_MS });
    expect(clock).toBeLessThanOrEqual(WHOLE_ANSWER_MS + 1000);
  });

  test('row 10: interim answers without end are no answer', async () => {
    const url = await dripping(1, 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(20));
    const { http, close } = createHttp({ env: {} });
    open.push({ close });
    for (const kind of ['metadata', 'chat'] as const) {
      const thrown = await http({ method: 'GET', url, kind, signal: never }).catch((reason: unknown) => reason);
      expect(thrown).toMatchObject({ message: 'more than 100 interim answers' });
    }
  });
});
