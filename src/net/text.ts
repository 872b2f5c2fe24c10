/** Small questions to one server whose replies are text. */
import { defined } from '../core/defined.ts';
import { type Http, type HttpRequest, readWhole, TimeoutError } from './http.ts';
import { LARGEST_LIST } from './limits.ts';

export interface TextReply {
  readonly status: number;
  readonly contentType?: string;
  /** The `Date` header, which is all that a server says of its clock. */
  readonly date?: string;
  readonly text: string;
}

/** Sends a request and reads its whole reply. Throws as `Http`, and `BodyTooLongError`. */
export async function askText(http: Http, request: HttpRequest): Promise<TextReply> {
  const reply = await http(request);
  try {
    const text = (await readWhole(reply, LARGEST_LIST)).toString('utf8');
    const { status } = reply;
    return defined({ status, contentType: reply.header('content-type'), date: reply.header('date'), text });
  } finally {
    await reply.close();
  }
}

export interface Question {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: object;
}

/** Asks one server. Throws as `askText`. */
export type Ask = (question: Question) => Promise<TextReply>;

export interface Asker {
  readonly ask: Ask;
  /** Ends what is still under way. */
  close(): void;
}

export interface Server {
  /** Base of every address, without a slash at its end. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Questions to one server, all of them answered `timeoutMs` from now. */
export function askWithin(http: Http, { url, headers }: Server, timeoutMs: number, signal: AbortSignal): Asker {
  const closed = new AbortController();
  const both = AbortSignal.any([signal, closed.signal]);
  const end = performance.now() + timeoutMs;
  return {
    async ask({ method, path, body }) {
      const leftMs = end - performance.now();
      if (leftMs <= 0) throw new TimeoutError(timeoutMs, 'end');
      const limits = { connectMs: timeoutMs, answerMs: timeoutMs, silenceMs: timeoutMs, totalMs: leftMs };
      const typed = body && { 'content-type': 'application/json' };
      const sent = { method, url: `${url}${path}`, headers: { ...headers, ...typed }, limits, signal: both };
      return askText(http, { ...sent, kind: 'server', ...(body && { body: JSON.stringify(body) }) });
    },
    close: () => closed.abort(new Error('the questions were closed')),
  };
}
