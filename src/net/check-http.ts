import { type ClientRequest, request as plainRequest, type RequestOptions } from 'node:http';
import { Silence, Unreadable } from '../runtimes/ollama/faults.ts';
import type { HostAddress } from '../runtimes/ollama/host.ts';

export interface Question {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: object;
}

export interface Reply {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

/** One small HTTP exchange. Rejects with Node's own error, with `Silence` or with `Unreadable`. */
export type Ask = (question: Question) => Promise<Reply>;

export interface Asker {
  readonly ask: Ask;
  /** Drops what is still under way, so that nobody waits for it. */
  close(): void;
}

/** The list of a server with a thousand models stays below a megabyte. */
const LARGEST_REPLY = 8 * 1024 * 1024;

/**
 * Small questions to one server, all of them answered `timeoutMs` from now. Not the adapter's transport, which is made
 * for bodies of any size, waits as long as bytes flow, and loads TLS, which costs a start of `check` a third more.
 */
export function asker({ url, headers }: HostAddress, timeoutMs: number, signal: AbortSignal): Asker {
  const pending = new Set<Exchange>();
  const endAll = (reason: (exchange: Exchange) => unknown) => {
    for (const exchange of pending) exchange.fail(reason(exchange));
  };
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    endAll(({ connected }) => new Silence(timeoutMs, !connected));
  }, timeoutMs);
  signal.addEventListener('abort', () => endAll(() => signal.reason));
  const ask: Ask = async ({ method, path, body }) => {
    const open = url.startsWith('https:') ? (await import('node:https')).request : plainRequest;
    signal.throwIfAborted();
    if (late) throw new Silence(timeoutMs, false);
    const text = body === undefined ? undefined : JSON.stringify(body);
    const sized = text !== undefined && {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
    };
    const options: RequestOptions = { method, agent: false, headers: { ...headers, ...sized } };
    const exchange = new Exchange(open(`${url}${path}`, options));
    pending.add(exchange);
    return exchange.reply(text).finally(() => pending.delete(exchange));
  };
  const close = () => {
    clearTimeout(timer);
    endAll(() => new Error('nobody waits for it any more'));
  };
  return { ask, close };
}

/** One request under way. */
class Exchange {
  readonly #request: ClientRequest;
  /** True once a connection stands. */
  connected = false;

  constructor(request: ClientRequest) {
    this.#request = request;
    request.once('socket', (socket) => {
      const stands = () => {
        this.connected = true;
      };
      if (socket.connecting) socket.once('connect', stands);
      else stands();
    });
  }

  fail(reason: unknown): void {
    this.#request.destroy(reason instanceof Error ? reason : new Error(String(reason)));
  }

  reply(body: string | undefined): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.#request.once('error', reject);
      this.#request.once('response', (response) => {
        const pieces: Buffer[] = [];
        let size = 0;
        response.on('data', (piece: Buffer) => {
          pieces.push(piece);
          size += piece.length;
          if (size > LARGEST_REPLY) this.fail(new Unreadable(`a reply of more than ${LARGEST_REPLY} bytes`));
        });
        response.once('error', reject);
        response.once('end', () => {
          const text = Buffer.concat(pieces).toString('utf8');
          resolve({ status: response.statusCode ?? 0, contentType: response.headers['content-type'] ?? '', text });
        });
      });
      this.#request.end(body);
    });
  }
}
