import { networkFault, wrongAnswer } from './errors.ts';
import { BodyTooLongError, type Http, type HttpReply, type HttpRequest, readWhole } from './http.ts';
import type { Reach } from './reach.ts';
import { follow, type Reached, type Send } from './redirects.ts';

export interface FollowRequest {
  readonly method: HttpRequest['method'];
  readonly url: URL;
  /** For the first server alone. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Where the server is that named the address, if the user did not. */
  readonly from?: Reach | undefined;
  readonly signal: AbortSignal;
}

const IDENTITY = { 'accept-encoding': 'identity' };

/**
 * Sends a request without a big body and follows redirects, by the rules that reading headers follows too. The answer is
 * the caller's to close. Throws `network`, `remote-fault`, `unsafe-redirect`; an abort throws the signal's reason.
 */
export function sendFollowing(http: Http, request: FollowRequest): Promise<Reached<HttpReply>> {
  const { method, url, secrets, headers = {}, body, from, signal } = request;
  const sent = { method, signal, ...(body !== undefined && { body }) };
  const send: Send<HttpReply> = (to, all, limit) =>
    http({ ...sent, ...limit, url: to.href, headers: { ...IDENTITY, ...all } });
  return follow(send, url, secrets, headers, signal, from);
}

/** A whole body of at most `limit` bytes. Throws `network`, `remote-fault`; an abort throws the signal's reason. */
export async function readBody(url: URL, reply: HttpReply, limit: number, signal: AbortSignal): Promise<Buffer> {
  const encoding = reply.header('content-encoding')?.trim().toLowerCase() ?? '';
  if (encoding !== '' && encoding !== 'identity')
    throw wrongAnswer(url, `the answer is compressed (${encoding.slice(0, 20)}) though that was not asked for`);
  try {
    return await readWhole(reply, limit);
  } catch (thrown) {
    signal.throwIfAborted();
    if (thrown instanceof BodyTooLongError) throw wrongAnswer(url, `the answer is longer than ${limit} bytes`);
    throw networkFault(url, thrown);
  }
}
