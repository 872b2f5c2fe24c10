/** Where a redirect may lead: one policy for headers and for whole files. */
import { ProvisionError } from '../core/errors.ts';
import { networkFault, shownUrl, wrongAnswer } from './errors.ts';
import { isPrivateHost } from './private-addresses.ts';

/** A hub answers with one or two redirects to its storage; more than these go in circles. */
const MAX_REDIRECTS = 10;
const REDIRECTS = [301, 302, 303, 307, 308];

/** What following needs of an answer. */
export interface Redirecting {
  readonly status: number;
  header(name: string): string | undefined;
  close(): Promise<void>;
}

/** Where the bytes are, how to ask for them, and what was answered. */
export interface Reached<Reply> {
  readonly url: URL;
  /** Headers of the caller that may be sent there: all at its own origin, no secrets elsewhere. */
  readonly headers: Readonly<Record<string, string>>;
  readonly reply: Reply;
  /** Requests that it took. */
  readonly requests: number;
}

/** Sends one request. Throws what the network throws. */
export type Send<Reply> = (url: URL, headers: Readonly<Record<string, string>>) => Promise<Reply>;

/**
 * Sends a request and follows redirects, at most ten. `secrets` are sent to the first origin only; `headers` everywhere.
 * Never from https to http, and from a public server never to this machine or its private network.
 * Throws `network`, `remote-fault`, `unsafe-redirect`; the signal's reason where it was aborted.
 */
export async function follow<Reply extends Redirecting>(
  send: Send<Reply>,
  start: URL,
  secrets: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<Reached<Reply>> {
  let url = start;
  let own = secrets;
  for (let requests = 1; requests <= MAX_REDIRECTS + 1; requests += 1) {
    const reply = await sendOne(send, url, { ...own, ...headers }, signal);
    if (!REDIRECTS.includes(reply.status)) return { url, headers: own, reply, requests };
    await reply.close();
    const next = targetOf(start, url, reply);
    // Whatever the caller gave may be a secret between the user and the first server, also under a name of its own.
    if (next.origin !== url.origin) own = {};
    url = next;
  }
  throw wrongAnswer(start, `more than ${MAX_REDIRECTS} redirects`);
}

async function sendOne<Reply>(
  send: Send<Reply>,
  url: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<Reply> {
  try {
    return await send(url, headers);
  } catch (thrown) {
    signal?.throwIfAborted();
    throw networkFault(url, thrown);
  }
}

function targetOf(start: URL, url: URL, reply: Redirecting): URL {
  const location = reply.header('location');
  if (location === undefined) throw wrongAnswer(url, `a redirect to nowhere (HTTP ${reply.status})`);
  const next = URL.parse(location, url.href);
  if (next === null || !['http:', 'https:'].includes(next.protocol)) {
    throw wrongAnswer(url, 'a redirect to an address that is not a web address');
  }
  if (url.protocol === 'https:' && next.protocol === 'http:') {
    throw unsafe(url, 'a redirect from https to http, which anyone on the way could read and change');
  }
  if (isPrivateHost(next.hostname) && !isPrivateHost(start.hostname)) {
    throw unsafe(url, `a redirect from a public server into a private network (${next.host})`);
  }
  next.username = '';
  next.password = '';
  return next;
}

function unsafe(url: URL, what: string): ProvisionError {
  return new ProvisionError('unsafe-redirect', `${shownUrl(url)}: ${what}`, {
    suggestions: [
      'Give the address of the file itself.',
      'If you run that server, correct where it sends its clients.',
    ],
  });
}
