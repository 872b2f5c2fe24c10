import type { HttpGet, HttpReply } from './http-effects.ts';
import { networkFault, wrongAnswer } from './http-faults.ts';

/** A hub answers with one or two redirects to its storage; more than these go in circles. */
const MAX_REDIRECTS = 5;
const REDIRECTS = [301, 302, 303, 307, 308];
/** Names of headers that are a secret between the user and one server. */
const SECRET = ['authorization', 'cookie'];

/** Where the bytes are, how to ask for them, and what was answered. */
export interface Reached {
  readonly url: URL;
  /** Headers of the caller that may be sent there. */
  readonly headers: Readonly<Record<string, string>>;
  readonly reply: HttpReply;
  /** Requests that it took. */
  readonly requests: number;
}

/**
 * Sends a GET and follows redirects. Secrets are sent to the first server only, and never from https to http.
 * Throws `network` and `remote-fault`; the signal's reason where it was aborted.
 */
export async function follow(
  get: HttpGet,
  start: URL,
  secrets: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<Reached> {
  let url = start;
  let own = secrets;
  for (let requests = 1; requests <= MAX_REDIRECTS + 1; requests += 1) {
    const reply = await send(get, url, { ...own, ...headers }, signal);
    if (!REDIRECTS.includes(reply.status)) return { url, headers: own, reply, requests };
    await reply.close();
    const next = targetOf(url, reply);
    if (next.origin !== url.origin) own = withoutSecrets(own);
    url = next;
  }
  throw wrongAnswer(start, `more than ${MAX_REDIRECTS} redirects`);
}

async function send(
  get: HttpGet,
  url: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<HttpReply> {
  try {
    return await get(url, headers, signal);
  } catch (thrown) {
    signal?.throwIfAborted();
    throw networkFault(url, thrown);
  }
}

function targetOf(url: URL, reply: HttpReply): URL {
  const location = reply.header('location');
  if (location === undefined) throw wrongAnswer(url, `a redirect to nowhere (HTTP ${reply.status})`);
  const next = URL.parse(location, url.href);
  if (next === null || !['http:', 'https:'].includes(next.protocol)) {
    throw wrongAnswer(url, 'a redirect to an address that is no web address');
  }
  if (url.protocol === 'https:' && next.protocol === 'http:') {
    throw wrongAnswer(url, 'a redirect from https to http, which anyone on the way could have written', [
      'Give the address of the file itself.',
    ]);
  }
  next.username = '';
  next.password = '';
  return next;
}

function withoutSecrets(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !SECRET.includes(name.toLowerCase())));
}
