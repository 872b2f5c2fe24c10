import { Ollama } from 'ollama';
import { type FailureContext, failureOf } from './errors.ts';
import { CutShort, cleaned, ServerSaid, Unreadable } from './faults.ts';
import type { HostAddress } from './host.ts';
import { checkedLines, throwIfError } from './lines.ts';
import type { HttpReply, Transport } from './transport.ts';

/** How long each kind of call may stay silent, in milliseconds. */
export interface Patience {
  readonly connectMs: number;
  /** Version, show, tags, copy, delete. */
  readonly answerMs: number;
  /** Between two lines of create: converting or hashing a large file says nothing for minutes. */
  readonly createMs: number;
  /** Load of a model and evaluation of a long prompt on a slow processor. */
  readonly chatMs: number;
  /** The server itself gives a stalled download up after 30 s and tries six times. */
  readonly pullMs: number;
  /** After the last byte of an upload, the server has to finish hashing. */
  readonly uploadMs: number;
  /** How long a server that died under a store may take to come back before that is given up. */
  readonly reconnectMs: number;
}

export const PATIENCE: Patience = {
  connectMs: 10_000,
  answerMs: 60_000,
  createMs: 30 * 60_000,
  chatMs: 15 * 60_000,
  pullMs: 5 * 60_000,
  uploadMs: 5 * 60_000,
  reconnectMs: 10_000,
};

/** One server with everything that a call to it needs. */
export interface Connection {
  readonly host: HostAddress;
  readonly transport: Transport;
  readonly patience: Patience;
}

/** What a call is for: its words appear in the error, its limits hold for the reply. */
export interface Call extends FailureContext {
  readonly signal: AbortSignal;
  readonly silenceMs: number;
}

/** Largest reply that is read as one piece: a show of a model with its licences stays far below. */
const LARGEST_REPLY = 32 * 1024 * 1024;
const LARGEST_ERROR = 64 * 1024;

type Shape = 'json' | 'nothing' | 'lines';

/** One unary call through the ollama client. Throws a `ProvisionError` that says what the failure means. */
export async function ask(
  connection: Connection,
  call: Call,
  use: (ollama: Ollama) => Promise<unknown>,
  shape: 'json' | 'nothing' = 'json',
): Promise<unknown> {
  try {
    return await use(clientFor(connection, call, call.signal, shape));
  } catch (thrown) {
    throw failureOf(thrown, call);
  }
}

/**
 * One streamed call through the ollama client: yields every line, ends at the line with `success` or `done`. Throws a
 * `ProvisionError` at the first error line, at a stream that ends too early, at anything that is not Ollama's.
 */
export async function* stream(
  connection: Connection,
  call: Call,
  use: (ollama: Ollama) => Promise<AsyncIterable<unknown>>,
): AsyncGenerator<unknown, void, undefined> {
  const ended = new AbortController();
  try {
    yield* await use(clientFor(connection, call, AbortSignal.any([call.signal, ended.signal]), 'lines'));
  } catch (thrown) {
    throw failureOf(early(thrown), call);
  } finally {
    // The client leaves the rest of a stream unread; the connection must not outlive the call.
    ended.abort();
  }
}

/** The client's own word for a stream without an end is a plain Error. */
function early(thrown: unknown): unknown {
  const cut = thrown instanceof Error && thrown.message.startsWith('Did not receive done or success');
  return cut ? new CutShort('the stream ended before it said that it was done', { cause: thrown }) : thrown;
}

function clientFor({ host, transport, patience }: Connection, call: Call, signal: AbortSignal, shape: Shape): Ollama {
  return new Ollama({
    host: host.url,
    headers: { ...host.headers },
    fetch: async (input, init = {}) => {
      const reply = await transport({
        method: methodOf(init.method),
        url: input instanceof Request ? input.url : String(input),
        headers: Object.fromEntries(new Headers(init.headers)),
        ...(typeof init.body === 'string' && { body: withModel(init.body) }),
        silenceMs: call.silenceMs,
        connectMs: patience.connectMs,
        signal,
      });
      return responseOf(reply, shape);
    },
  });
}

/** The client names the model of a pull and of a delete only in `name`, which newer servers call deprecated. */
function withModel(body: string): string {
  if (!body.startsWith('{"name":')) return body;
  const request: { name: unknown } = JSON.parse(body);
  return JSON.stringify({ model: request.name, ...request });
}

function methodOf(method: string | undefined): 'GET' | 'POST' | 'DELETE' {
  return method === 'POST' || method === 'DELETE' ? method : 'GET';
}

/** Throws on every error itself, so that the client's own handling, which prints to stdout, is never reached. */
async function responseOf(reply: HttpReply, shape: Shape): Promise<Response> {
  if (reply.status < 200 || reply.status > 299) throw await errorOf(reply);
  if (shape === 'lines') return new Response(ReadableStream.from(checkedLines(reply.body)));
  const text = await readText(reply, LARGEST_REPLY);
  if (shape === 'json') throwIfError(jsonOf(text, reply));
  return new Response(text);
}

function jsonOf(text: string, { contentType }: HttpReply): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const what = contentType === '' ? 'something' : cleaned(contentType);
    throw new Unreadable(`${what} that is not JSON: ${cleaned(text.slice(0, 200))}`, { cause });
  }
}

/** The error that a reply with a bad status carries: JSON, plain text or a proxy's page. */
export async function errorOf(reply: HttpReply): Promise<ServerSaid> {
  const text = await readText(reply, LARGEST_ERROR).catch(() => '');
  try {
    throwIfError(JSON.parse(text), reply.status);
  } catch (thrown) {
    // The status of the reply counts, not one that the body repeats.
    if (thrown instanceof ServerSaid) return new ServerSaid(reply.status, thrown.message);
  }
  return new ServerSaid(reply.status, cleaned(text));
}

async function readText(reply: HttpReply, limit: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of reply.body) {
    size += piece.length;
    if (size > limit) {
      reply.close();
      throw new Unreadable(`a reply of more than ${limit} bytes`);
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}
