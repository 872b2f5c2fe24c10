/** The HTTP client of a run, on undici, with the proxies and certificates of this machine. */
import type { LookupFunction } from 'node:net';
import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { messageOf, ProvisionError } from '../core/errors.ts';
import { Exchange } from './exchange.ts';
import { type Http, type HttpReply, type HttpRequest, TimeoutError } from './http.ts';
import { type ExchangePolicy, type LimitChanges, POLICIES, POOL_CONNECT_MS } from './limits.ts';
import { judgedLookup, type LookUp, lookUpName } from './lookup.ts';
import { goesThroughProxyInGo, proxyFor } from './proxies.ts';
import { outermost, type Reach, reachOfHost } from './reach.ts';

/** Connections to one origin: more than a download ever opens, fewer than a server refuses. */
const MAX_CONNECTIONS = 32;
/** undici has no limits of its own here: an `ExchangeTimer` has them, which knows what the exchange is for. */
const UNLIMITED = { allowH2: false, headersTimeout: 0, bodyTimeout: 0 } as const;

export interface HttpOptions {
  /** For HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, in capitals or small letters. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Certificates in PEM that are trusted besides those of this machine, for pooled connections. */
  readonly ca?: string;
  /** Replaces limits of all exchanges of a kind. */
  readonly limits?: LimitChanges;
  /** The system's, unless given. */
  readonly lookUp?: LookUp;
}

export interface HttpClient {
  readonly http: Http;
  /** Ends all pooled connections, also those in use. */
  close(): Promise<void>;
}

/** What an exchange is sent on. */
interface Line {
  readonly dispatcher: Dispatcher;
  /** Called when the exchange is over. */
  release(): void;
}

/**
 * Loopback is never reached through a proxy, and every GET asks for its bytes as they are. `undici` is loaded with the
 * first request.
 */
export function createHttp(options: HttpOptions): HttpClient {
  const pools = new Map<string, Promise<Dispatcher>>();
  const reaches = new Map<string, Reach>();
  const found = (name: string, reach: Reach): void => {
    reaches.set(name, outermost([reach, reaches.get(name) ?? reach]));
  };
  // A connection of a request without a bound is not used for one with a bound, which would not look its name up again.
  const poolFor = (proxy: string | undefined, from: Reach | undefined): Promise<Dispatcher> => {
    const key = proxy ?? `from ${from}`;
    const lookup = judgedLookup(options.lookUp ?? lookUpName, from, found);
    const known = pools.get(key) ?? openPool(proxy, options.ca, lookup);
    pools.set(key, known);
    return known;
  };
  return {
    async http(request) {
      request.signal.throwIfAborted();
      const kind = request.kind ?? 'metadata';
      const policy: ExchangePolicy = { ...POLICIES[kind], ...options.limits?.[kind], ...request.limits };
      const url = new URL(request.url);
      const isDirect = policy.connection === 'direct';
      const proxy = !isDirect && goesThroughProxyInGo(url, options.env) ? proxyFor(url, options.env)?.value : undefined;
      const timer = new ExchangeTimer(request.signal, policy, typeof request.body === 'object');
      try {
        const line = isDirect
          ? await openDirect(url, policy.connectMs)
          : { dispatcher: await poolFor(proxy, request.from), release() {} };
        const reply = await send(request, line, timer);
        const reach = proxy === undefined ? (reaches.get(url.hostname) ?? reachOfHost(url.hostname)) : undefined;
        return { ...reply, ...(reach && { reach }) };
      } catch (thrown) {
        timer.end();
        throw refusedByProxy(proxy, thrown) ?? connectTimeout(thrown, policy) ?? thrown;
      }
    },
    async close() {
      const open = await Promise.allSettled(pools.values());
      pools.clear();
      await Promise.all(open.map((each) => (each.status === 'fulfilled' ? each.value.destroy() : undefined)));
    },
  };
}

/** A connection for one exchange, without a proxy. */
async function openDirect({ origin }: URL, connectMs: number): Promise<Line> {
  const { Client } = await import('undici');
  const client = new Client(origin, { ...UNLIMITED, connect: { timeout: connectMs } });
  // undici may be in the middle of parsing when the exchange ends, hence the microtask.
  return { dispatcher: client, release: () => queueMicrotask(() => void client.destroy().catch(() => {})) };
}

async function openPool(
  proxy: string | undefined,
  extra: string | undefined,
  lookup: LookupFunction,
): Promise<Dispatcher> {
  const { Agent, ProxyAgent } = await import('undici');
  const ca = await trusted(extra);
  const common = { ...UNLIMITED, connections: MAX_CONNECTIONS };
  const tls = { ...(ca && { ca }) };
  if (proxy === undefined) return new Agent({ ...common, connect: { ...tls, timeout: POOL_CONNECT_MS, lookup } });
  // `host:port` without a scheme is a common spelling.
  const uri = /^[a-z][a-z0-9+.-]*:\/\//i.test(proxy) ? proxy : `http://${proxy}`;
  if (!URL.canParse(uri)) {
    throw new ProvisionError('bad-configuration', 'The proxy of the environment is not a valid address.', {
      suggestions: [
        'Set HTTPS_PROXY and HTTP_PROXY to an address such as http://proxy.example.com:3128, or unset them.',
      ],
    });
  }
  return new ProxyAgent({ ...common, uri, requestTls: tls, proxyTls: tls, connectTimeout: POOL_CONNECT_MS });
}

/** What is trusted when certificates are added: they add to those of Node and NODE_EXTRA_CA_CERTS, not replace them. */
async function trusted(extra: string | undefined): Promise<string[] | undefined> {
  if (extra === undefined) return undefined;
  const { getCACertificates } = await import('node:tls');
  return [...getCACertificates('default'), extra];
}

async function send(request: HttpRequest, { dispatcher, release }: Line, timer: ExchangeTimer): Promise<HttpReply> {
  const exchange = new Exchange(release);
  timer.onEnd(
    (reason) => exchange.abort(reason),
    () => exchange.isConnected,
  );
  const { origin, pathname, search } = new URL(request.url);
  const identity = request.method === 'GET' ? { 'accept-encoding': 'identity' } : {};
  const options: Dispatcher.DispatchOptions = {
    origin,
    path: pathname + search,
    method: request.method,
    headers: { ...request.headers, ...identity },
    reset: timer.policy.connection === 'direct',
    ...(request.body !== undefined && { body: bodyFor(request.body, timer) }),
  };
  dispatcher.dispatch(options, exchange);
  const { status, headers } = await exchange.head;
  timer.answered();
  return {
    status,
    header(name) {
      const value = headers[name];
      return typeof value === 'object' ? value.join(', ') : value;
    },
    body: bodyOf(exchange, timer),
    async close() {
      timer.end();
      exchange.abort(new Error('the reply was closed'));
    },
  };
}

function bodyFor(body: NonNullable<HttpRequest['body']>, timer: ExchangeTimer): Readable | string | Uint8Array {
  if (typeof body === 'string' || body instanceof Uint8Array) return body;
  return Readable.from(watched(body, timer), { objectMode: false, highWaterMark: 1 });
}

/** Every piece that the connection takes shows that the server still reads. */
async function* watched(body: AsyncIterable<Uint8Array>, timer: ExchangeTimer) {
  for await (const piece of body) {
    timer.waiting();
    yield piece;
  }
  timer.sent();
}

async function* bodyOf(exchange: Exchange, timer: ExchangeTimer): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for (;;) {
      timer.waiting();
      const chunk = await exchange.next();
      timer.served();
      if (chunk === undefined) return;
      yield chunk;
    }
  } finally {
    timer.end();
    exchange.abort(new Error('the reply was not read to its end'));
  }
}

/** undici's own word for a connection that was not made in time, in ours. */
function connectTimeout(thrown: unknown, { connectMs }: ExchangePolicy): TimeoutError | undefined {
  const late = thrown instanceof Error && 'code' in thrown && thrown.code === 'UND_ERR_CONNECT_TIMEOUT';
  return late ? new TimeoutError(connectMs, 'connection') : undefined;
}

/** A proxy that wants another user or password; its own are not shown. */
function refusedByProxy(proxy: string | undefined, thrown: unknown): ProvisionError | undefined {
  if (proxy === undefined || !/\(407\)/.test(messageOf(thrown))) return undefined;
  const shown = URL.parse(proxy) ?? URL.parse(`http://${proxy}`);
  const user = shown?.username ? `${shown.username}:…@` : '';
  return new ProvisionError(
    'unauthorised',
    `The proxy ${user}${shown?.host ?? ''} wants a user and a password (HTTP 407).`,
    {
      suggestions: [
        'Put them into HTTPS_PROXY and HTTP_PROXY: http://USER:PASSWORD@HOST:PORT, special characters as %XX.',
      ],
    },
  );
}

/** The limits and the caller's signal of one exchange. One timer serves all phases: it is set again for every chunk. */
class ExchangeTimer {
  readonly policy: ExchangePolicy;
  readonly #signal: AbortSignal;
  readonly #forward: () => void;
  readonly #total: NodeJS.Timeout | undefined;
  #stop: (reason: Error) => void = () => {};
  #isConnected = () => false;
  #timer: NodeJS.Timeout;
  #waiting = true;

  constructor(signal: AbortSignal, policy: ExchangePolicy, streams: boolean) {
    this.policy = policy;
    this.#signal = signal;
    this.#forward = () => this.#stop(signal.reason);
    signal.addEventListener('abort', this.#forward, { once: true });
    this.#timer = this.#arm(streams ? policy.silenceMs : policy.answerMs);
    const { totalMs } = policy;
    if (totalMs !== undefined) {
      this.#total = setTimeout(() => this.#timeOut(totalMs, 'end'), totalMs);
      this.#total.unref();
    }
  }

  /** What to do when a limit runs out or the caller aborts. */
  onEnd(stop: (reason: Error) => void, isConnected: () => boolean): void {
    this.#stop = stop;
    this.#isConnected = isConnected;
    if (this.#signal.aborted) this.#forward();
  }

  /** The request is out: now the server may take its time to answer. */
  sent(): void {
    clearTimeout(this.#timer);
    this.#timer = this.#arm(this.policy.answerMs);
  }

  /** The head of the reply is here; from now on the body is watched. */
  answered(): void {
    clearTimeout(this.#timer);
    this.#waiting = false;
    this.#timer = this.#arm(this.policy.silenceMs);
  }

  waiting(): void {
    this.#waiting = true;
    this.#timer.refresh();
  }

  /** A slow reader is not the server's silence. */
  served(): void {
    this.#waiting = false;
  }

  end(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#total);
    this.#signal.removeEventListener('abort', this.#forward);
  }

  #timeOut(ms: number, missing: 'byte' | 'end'): void {
    this.#stop(new TimeoutError(ms, this.#isConnected() ? missing : 'connection'));
  }

  #arm(ms: number): NodeJS.Timeout {
    const timer = setTimeout(() => {
      if (this.#waiting) this.#timeOut(ms, 'byte');
    }, ms);
    timer.unref();
    return timer;
  }
}
