/** HTTP for sources and headers: one client for a run, with the proxies and certificates of this machine. */
import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { messageOf, ProvisionError } from '../core/errors.ts';
import { Exchange } from './exchange.ts';
import type { Http, HttpReply, HttpRequest } from './http.ts';
import { goesThroughProxyInGo, proxyFor } from './proxies.ts';
import { loadAgent } from './undici.ts';

/** Connections to one origin: more than a download ever opens, fewer than a server minds. */
const MAX_CONNECTIONS = 32;
const DEFAULT_MS = 30_000;

export interface HttpOptions {
  /** For HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, in capitals or small letters. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Certificates in PEM that are trusted besides those of this machine. */
  readonly ca?: string;
}

export interface HttpClient {
  readonly http: Http;
  /** Ends all connections, also those in use. */
  close(): Promise<void>;
}

/**
 * A client that keeps connections for reuse, follows no redirect, and asks every GET for its bytes as they are. Loopback
 * is never reached through a proxy. `undici` is loaded with the first request.
 */
export function createHttp(options: HttpOptions): HttpClient {
  const dispatchers = new Map<string, Promise<Dispatcher>>();
  const dispatcherFor = (proxy: string | undefined): Promise<Dispatcher> => {
    const key = proxy ?? '';
    const known = dispatchers.get(key) ?? connect(proxy, options.ca);
    dispatchers.set(key, known);
    return known;
  };
  return {
    async http(request) {
      request.signal.throwIfAborted();
      const url = new URL(request.url);
      const proxy = goesThroughProxyInGo(url, options.env) ? proxyFor(url, options.env)?.value : undefined;
      const limit = new Limit(request);
      try {
        return await send(request, await dispatcherFor(proxy), limit);
      } catch (thrown) {
        limit.end();
        throw refusedByProxy(proxy, thrown) ?? thrown;
      }
    },
    async close() {
      const open = await Promise.allSettled(dispatchers.values());
      dispatchers.clear();
      await Promise.all(open.map((each) => (each.status === 'fulfilled' ? each.value.destroy() : undefined)));
    },
  };
}

async function connect(proxy: string | undefined, extra: string | undefined): Promise<Dispatcher> {
  const ca = await trusted(extra);
  const common = { connections: MAX_CONNECTIONS, allowH2: false, headersTimeout: 0, bodyTimeout: 0 };
  const tls = { ...(ca && { ca }) };
  if (proxy === undefined) {
    const Agent = await loadAgent();
    return new Agent({ ...common, connect: { ...tls, timeout: DEFAULT_MS } });
  }
  // `host:port` without a scheme is a common spelling.
  const uri = /^[a-z][a-z0-9+.-]*:\/\//i.test(proxy) ? proxy : `http://${proxy}`;
  if (!URL.canParse(uri)) {
    throw new ProvisionError('bad-configuration', 'The proxy of the environment is no address.', {
      suggestions: [
        'Set HTTPS_PROXY and HTTP_PROXY to an address such as http://proxy.example.com:3128, or unset them.',
      ],
    });
  }
  const { ProxyAgent } = await import('undici');
  return new ProxyAgent({ ...common, uri, requestTls: tls, proxyTls: tls, connectTimeout: DEFAULT_MS });
}

/** What is trusted when certificates are added: they add to those of Node and NODE_EXTRA_CA_CERTS, not replace them. */
async function trusted(extra: string | undefined): Promise<string[] | undefined> {
  if (extra === undefined) return undefined;
  const { getCACertificates } = await import('node:tls');
  return [...getCACertificates('default'), extra];
}

async function send(request: HttpRequest, dispatcher: Dispatcher, limit: Limit): Promise<HttpReply> {
  const exchange = new Exchange();
  limit.onEnd((reason) => exchange.abort(reason));
  const { origin, pathname, search } = new URL(request.url);
  const identity = request.method === 'GET' ? { 'accept-encoding': 'identity' } : {};
  const options: Dispatcher.DispatchOptions = {
    origin,
    path: pathname + search,
    method: request.method,
    headers: { ...request.headers, ...identity },
    ...(request.body !== undefined && { body: bodyFor(request.body) }),
  };
  dispatcher.dispatch(options, exchange);
  const { status, headers } = await exchange.head;
  limit.answered();
  return {
    status,
    header(name) {
      const value = headers[name];
      return typeof value === 'object' ? value.join(', ') : value;
    },
    body: bodyOf(exchange, limit),
    async close() {
      limit.end();
      exchange.abort(new Error('the answer was closed'));
    },
  };
}

function bodyFor(body: NonNullable<HttpRequest['body']>): Readable | string | Uint8Array {
  return typeof body === 'string' || body instanceof Uint8Array ? body : Readable.from(body, { objectMode: false });
}

async function* bodyOf(exchange: Exchange, limit: Limit): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for (;;) {
      limit.waiting();
      const chunk = await exchange.next();
      limit.served();
      if (chunk === undefined) return;
      yield chunk;
    }
  } finally {
    limit.end();
    exchange.abort(new Error('the answer was not read to its end'));
  }
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

/** Time limits and the caller's signal of one request, on one timer: it is set again for every chunk. */
class Limit {
  readonly #request: HttpRequest;
  readonly #forward: () => void;
  #stop: (reason: Error) => void = () => {};
  #timer: NodeJS.Timeout;
  #waiting = true;

  constructor(request: HttpRequest) {
    this.#request = request;
    const { signal } = request;
    this.#forward = () => this.#stop(signal.reason);
    signal.addEventListener('abort', this.#forward, { once: true });
    this.#timer = this.#arm(request.answerMs ?? DEFAULT_MS);
  }

  /** What to do when a limit runs out or the caller aborts. */
  onEnd(stop: (reason: Error) => void): void {
    this.#stop = stop;
    if (this.#request.signal.aborted) this.#forward();
  }

  /** The head of the answer is here; from now on the body is watched. */
  answered(): void {
    clearTimeout(this.#timer);
    this.#waiting = false;
    this.#timer = this.#arm(this.#request.silenceMs ?? DEFAULT_MS);
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
    this.#request.signal.removeEventListener('abort', this.#forward);
  }

  #arm(ms: number): NodeJS.Timeout {
    const timer = setTimeout(() => {
      if (this.#waiting) this.#stop(new DOMException(`no answer within ${ms} ms`, 'TimeoutError'));
    }, ms);
    timer.unref();
    return timer;
  }
}
