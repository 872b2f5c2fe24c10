import { type IncomingMessage, request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';

export interface HttpAnswer {
  readonly status: number;
  /** The `Date` header. */
  readonly date?: string;
  readonly text: string;
}

/** One GET without proxy; fails for a reply that is too large or too slow. */
export type HttpGet = (
  url: string,
  options: { readonly headers?: Readonly<Record<string, string>>; readonly signal: AbortSignal },
) => Promise<HttpAnswer>;

/** Lists of a server with thousands of models stay far below. */
const LARGEST_BYTES = 8 * 1024 ** 2;
const SILENCE_MS = 4_000;

/**
 * One GET on a connection of its own, without proxy. The transport of the Ollama adapter does not tell the `Date`
 * header, which is all that a server says of its clock.
 */
export const doctorGet: HttpGet = (url, { headers = {}, signal }) =>
  new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? secureRequest : plainRequest;
    const request = send(url, { headers: { ...headers }, signal, agent: false, timeout: SILENCE_MS });
    request.on('timeout', () => request.destroy(new Error(`no answer within ${SILENCE_MS / 1000} s`)));
    request.once('error', reject);
    request.once('response', (response) => answerOf(response).then(resolve, reject));
    request.end();
  });

async function answerOf(response: IncomingMessage): Promise<HttpAnswer> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of response) {
    size += piece.length;
    if (size > LARGEST_BYTES) {
      response.destroy();
      throw new Error(`an answer of more than ${LARGEST_BYTES / 1024 ** 2} MiB`);
    }
    pieces.push(piece);
  }
  const { date } = response.headers;
  const text = Buffer.concat(pieces).toString('utf8');
  return { status: response.statusCode ?? 0, text, ...(date !== undefined && { date }) };
}
