import { readFileSync } from 'node:fs';
import nock from 'nock';
import * as z from 'zod';

/** Servers whose exchanges were recorded: one of each generation of the protocol. Those before 0.9.3 have no gemma3n. */
export const RECORDED = ['0.5.4', '0.5.13', '0.9.6', '0.10.0', '0.24.0', '0.33.0-rc2'] as const;
/** The oldest server that is supported: only its HTTP API was recorded, from a build without an engine. */
export const OLDEST = '0.1.34';
export type Recorded = typeof OLDEST | (typeof RECORDED)[number];

const Exchange = z.object({
  id: z.string(),
  request: z.object({ method: z.string(), path: z.string(), body: z.unknown().optional() }),
  response: z.object({
    status: z.int().nullable(),
    headers: z.record(z.string(), z.string()),
    body: z.string(),
    failure: z.string().optional(),
  }),
});
export type Exchange = z.infer<typeof Exchange>;

const Recording = z.object({
  server: z.object({ ollama: z.string() }),
  model: z.object({ digest: z.string(), sizeBytes: z.int() }),
  exchanges: z.array(Exchange),
});
type Recording = z.infer<typeof Recording>;

/** The recorded exchanges of one server, each to be replayed by its id. */
export interface Transcript {
  readonly version: string;
  readonly model: { readonly digest: `sha256:${string}`; readonly sizeBytes: number };
  readonly exchange: (id: string) => Exchange;
  /** Plans one exchange through nock. What the caller really sends is added to `sent`. */
  readonly replay: (id: string, options?: ReplayOptions) => void;
  /** Bodies that were sent, in order: parsed where they were JSON. */
  readonly sent: unknown[];
}

export interface ReplayOptions {
  /** Answers a request to another path of the same kind, such as another blob's. */
  readonly path?: string;
}

/**
 * Reads what was recorded with one server, to be replayed at `base`: the whole walk of a model from
 * `test/fixtures/transcripts/`, and its prompt, memory and schema from `prompt/` there.
 */
export function loadTranscript(version: Recorded, base: string): Transcript {
  const prompts = version === OLDEST ? [] : [recordingAt(`prompt/ollama-${version}.json`)];
  return transcriptOf([recordingAt(`ollama-${version}.json`), ...prompts], base);
}

/** The create of an F16 file by 0.33.0-rc2, which stores other bytes than it was given. */
export function loadRewritten(base: string): Transcript {
  return transcriptOf([recordingAt('rewritten-0.33.0-rc2.json')], base);
}

function transcriptOf(recordings: readonly [Recording, ...Recording[]], base: string): Transcript {
  const [{ server, model }] = recordings;
  const exchanges = recordings.flatMap((recording) => recording.exchanges);
  const sent: unknown[] = [];
  const exchange = (id: string): Exchange => {
    const found = exchanges.find((one) => one.id === id);
    if (found === undefined) throw new Error(`no exchange ${id} was recorded with ${server.ollama}`);
    return found;
  };
  return {
    version: server.ollama,
    model: { digest: `sha256:${model.digest.replace(/^sha256:/, '')}`, sizeBytes: model.sizeBytes },
    exchange,
    sent,
    replay: (id, options = {}) => plan(base, exchange(id), sent, options),
  };
}

function recordingAt(path: string): Recording {
  const file = new URL(`../fixtures/transcripts/${path}`, import.meta.url);
  return Recording.parse(JSON.parse(readFileSync(file, 'utf8')));
}

function plan(base: string, { request, response }: Exchange, sent: unknown[], options: ReplayOptions): void {
  const take = (body: unknown) => {
    sent.push(body);
    return true;
  };
  const path = options.path ?? request.path;
  const scope = nock(base);
  const interceptor =
    request.method === 'GET' || request.method === 'HEAD'
      ? scope.intercept(path, request.method)
      : scope.intercept(path, request.method, take);
  if (response.status === null) {
    interceptor.replyWithError(Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' }));
    return;
  }
  const { 'Content-Type': type } = response.headers;
  interceptor.reply(response.status, response.body, type === undefined ? {} : { 'Content-Type': type });
}
