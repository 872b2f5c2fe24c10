/** Web servers for tests of remote headers, and the reader as they use it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach } from 'vitest';

import { readRemoteHeader } from '../../../src/provision/plan/header.ts';
import { headerHttp } from '../../helpers/http.ts';
import { serve, type TestServer } from '../../helpers/http-server.ts';

/** Longer than any answer takes on a machine that is busy. */
export const PATIENCE = { answerMs: 15_000, silenceMs: 15_000, totalMs: 30_000 };

const servers: TestServer[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

/** A server that is closed after the test. */
export async function start(handler: Parameters<typeof serve>[0]): Promise<TestServer> {
  const server = await serve(handler);
  servers.push(server);
  return server;
}

export interface Ranged {
  readonly headers?: Readonly<Record<string, string | number>>;
  /** What to claim in place of the true Content-Range. */
  readonly contentRange?: string;
}

/** Answers as a server that knows ranges. */
export function sendRange(
  content: Uint8Array,
  request: IncomingMessage,
  response: ServerResponse,
  ranged: Ranged = {},
): void {
  const match = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  const first = Number(match?.[1]);
  const last = Math.min(Number(match?.[2]), content.length - 1);
  if (match === null || first > last) {
    response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end();
    return;
  }
  response.writeHead(206, {
    'content-range': ranged.contentRange ?? `bytes ${first}-${last}/${content.length}`,
    'content-length': last - first + 1,
    ...ranged.headers,
  });
  response.end(content.subarray(first, last + 1));
}

export function read(address: string, headers: Readonly<Record<string, string>> = {}) {
  return readRemoteHeader(address, { http: headerHttp(PATIENCE), headers });
}
