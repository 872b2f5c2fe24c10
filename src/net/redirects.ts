/** Where a redirect may lead: one policy for headers and for whole files. */
import { networkFault, unsafeRedirect, wrongAnswer } from './errors.ts';
import { mayLead, type Reach, reachOfHost } from './reach.ts';

/** A hub answers with one or two redirects to its storage; more than these go in circles. */
const MAX_REDIRECTS = 10;
const REDIRECTS = [301, 302, 303, 307, 308];

const WORDS: Readonly<Record<Reach, string>> = {
  public: 'a public server',
  private: 'a private network',
  loopback: 'this machine',
  'link-local': 'the local link',
};

/** What following needs of an answer. */
export interface Redirecting {
  readonly status: number;
  readonly reach?: Reach;
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
  /** Where the first server is, when it sent us to another: to be given when more is asked for at `url`. */
  readonly from: Reach | undefined;
}

/** Sends one request, `from` as in `HttpRequest`. Throws what the network throws. */
export type Send<Reply> = (
  url: URL,
  headers: Readonly<Record<string, string>>,
  from: { readonly from?: Reach },
) => Promise<Reply>;

/**
 * Sends a request and follows redirects, at most ten. `secrets` are sent to the first origin only; `headers` everywhere.
 * Never from https to http, and never to a place nearer to this machine than the first server, by the addresses of both.
 * `from`: where the server is that named the start, if the user did not.
 * Throws `network`, `remote-fault`, `unsafe-redirect`; the signal's reason where it was aborted.
 */
export async function follow<Reply extends Redirecting>(
  send: Send<Reply>,
  start: URL,
  secrets: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
  from?: Reach,
): Promise<Reached<Reply>> {
  let url = start;
  let own = secrets;
  let bound = from;
  for (let requests = 1; requests <= MAX_REDIRECTS + 1; requests += 1) {
    // The user named the origin of the start, unless a server did.
    const limit = from === undefined && url.origin === start.origin ? undefined : bound;
    const limited = limit === undefined ? {} : { from: limit };
    const reply = await sendOne(() => send(url, { ...own, ...headers }, limited), url, signal);
    if (!REDIRECTS.includes(reply.status)) return { url, headers: own, reply, requests, from: limit };
    await reply.close();
    bound ??= reply.reach ?? reachOfHost(url.hostname);
    const next = targetOf(bound, url, reply);
    // Whatever the caller gave may be a secret between the user and the first server, also under a name of its own.
    if (next.origin !== url.origin) own = {};
    url = next;
  }
  throw wrongAnswer(start, `more than ${MAX_REDIRECTS} redirects`);
}

async function sendOne<Reply>(send: () => Promise<Reply>, url: URL, signal: AbortSignal | undefined): Promise<Reply> {
  try {
    return await send();
  } catch (thrown) {
    signal?.throwIfAborted();
    throw networkFault(url, thrown);
  }
}

function targetOf(from: Reach, url: URL, reply: Redirecting): URL {
  const location = reply.header('location');
  if (location === undefined) throw wrongAnswer(url, `a redirect to nowhere (HTTP ${reply.status})`);
  const next = URL.parse(location, url.href);
  if (next === null || !['http:', 'https:'].includes(next.protocol)) {
    throw wrongAnswer(url, 'a redirect to an address that is not a web address');
  }
  if (url.protocol === 'https:' && next.protocol === 'http:') {
    throw unsafeRedirect(url, 'a redirect from https to http, which anyone on the way could read and change');
  }
  if (!mayLead(from, reachOfHost(next.hostname))) {
    throw unsafeRedirect(url, `a redirect from ${WORDS[from]} to ${WORDS[reachOfHost(next.hostname)]} (${next.host})`);
  }
  next.username = '';
  next.password = '';
  return next;
}
