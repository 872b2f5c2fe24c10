import * as z from 'zod';
import { parseBounded, TooManyValuesError } from '../../core/parse.ts';
import { type Http, type HttpReply, readWhole } from '../../net/http.ts';
import {
  type ExchangeKind,
  type ExchangeLimits,
  LARGEST_DOCUMENT,
  LARGEST_REFUSAL,
  type LimitChanges,
  POLICIES,
} from '../../net/limits.ts';
import type { HostAddress } from './host.ts';
import { readLines, throwIfError } from './lines.ts';
import {
  cleanText,
  type FailureContext,
  failureOf,
  IncompleteStream,
  ServerError,
  UnreadableReply,
} from './server-errors.ts';

/** One server with everything that a call to it needs. */
export interface Connection {
  readonly host: HostAddress;
  readonly http: Http;
  /** Other limits than the table's. */
  readonly limits?: LimitChanges;
  /** How long a server that died under a store may take to come back before that is given up. Milliseconds. */
  readonly reconnectMs: number;
}

/** What a call is for: its words appear in the error, its limits hold for the reply. */
export interface Call extends FailureContext {
  readonly signal: AbortSignal;
  /** `server` unless given. */
  readonly kind?: ExchangeKind;
  /** Other limits than those of the kind. */
  readonly limits?: Partial<ExchangeLimits>;
}

/** A request of Ollama's API. */
export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Such as `/api/show`. */
  readonly path: string;
  readonly body?: object;
}

const StreamEnd = z.object({ done: z.unknown().optional(), status: z.unknown().optional() });

/** One call that is answered as a whole. Throws a `ProvisionError` that says what the failure means. */
export async function ask(
  connection: Connection,
  call: Call,
  request: ApiRequest,
  shape: 'json' | 'nothing' = 'json',
): Promise<unknown> {
  try {
    const reply = await send(connection, call, request, call.signal);
    const text = (await readWhole(reply, LARGEST_DOCUMENT)).toString('utf8');
    if (shape === 'nothing') return undefined;
    const value = parseJson(text, reply);
    throwIfError(value);
    return value;
  } catch (thrown) {
    throw failureOf(thrown, call);
  }
}

/**
 * One call that is answered line by line: yields every line, ends at the line with `success` or `done`. Throws a
 * `ProvisionError` at the first error line, at a stream that ends too early, at anything that is not Ollama's.
 */
export async function* stream(
  connection: Connection,
  call: Call,
  request: ApiRequest,
): AsyncGenerator<unknown, void, undefined> {
  const ended = new AbortController();
  const signal = AbortSignal.any([call.signal, ended.signal]);
  try {
    const reply = await send(connection, call, { ...request, body: { ...request.body, stream: true } }, signal);
    for await (const line of readLines(reply.body, limitsOf(connection, call).silenceMs)) {
      yield line;
      const end = StreamEnd.safeParse(line).data;
      if (end?.done === true || end?.status === 'success') return;
    }
    throw new IncompleteStream('the stream ended before it said that it was done');
  } catch (thrown) {
    throw failureOf(thrown, call);
  } finally {
    // The connection must not outlive the call.
    ended.abort();
  }
}

/** The kind of a call and the limits that are not the table's, for its request. */
export function exchangeFor({ limits }: Pick<Connection, 'limits'>, { kind = 'server', limits: own }: ExchangeChoice) {
  return { kind, limits: { ...limits?.[kind], ...own } };
}

type ExchangeChoice = Pick<Call, 'kind' | 'limits'>;

function limitsOf(connection: Connection, call: Call): ExchangeLimits {
  const { kind, limits } = exchangeFor(connection, call);
  return { ...POLICIES[kind], ...limits };
}

async function send(
  connection: Connection,
  call: Call,
  { method, path, body }: ApiRequest,
  signal: AbortSignal,
): Promise<HttpReply> {
  const { host, http } = connection;
  const reply = await http({
    method,
    url: `${host.url}${path}`,
    headers: { ...host.headers, accept: 'application/json', 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
    ...exchangeFor(connection, call),
    signal,
  });
  if (reply.status < 200 || reply.status > 299) throw await errorOf(reply);
  return reply;
}

function parseJson(text: string, reply: HttpReply): unknown {
  try {
    return parseBounded(text);
  } catch (cause) {
    if (cause instanceof TooManyValuesError) throw new UnreadableReply(`a reply of ${cause.message}`, { cause });
    const what = cleanText(reply.header('content-type') ?? '') || 'something';
    throw new UnreadableReply(`${what} that is not JSON: ${cleanText(text.slice(0, 200))}`, { cause });
  }
}

/** The error that a reply with a bad status carries: JSON, plain text or a proxy's page. */
export async function errorOf(reply: HttpReply): Promise<ServerError> {
  const body = await readWhole(reply, LARGEST_REFUSAL).catch(() => Buffer.alloc(0));
  const text = body.toString('utf8');
  try {
    throwIfError(JSON.parse(text), reply.status);
  } catch (thrown) {
    // The status of the reply counts, not one that the body repeats.
    if (thrown instanceof ServerError) return new ServerError(reply.status, thrown.message);
  }
  return new ServerError(reply.status, cleanText(text));
}
