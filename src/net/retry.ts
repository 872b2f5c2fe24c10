import { errnoOf } from '../core/errors.ts';
import type { Http, HttpReply, HttpRequest } from './http.ts';
import { backoffMs, parseRetryAfter, RETRY } from './retry-policy.ts';

export interface PatienceEffects {
  readonly now: () => Date;
  /** Rejects with the signal's reason when it is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** From 0 to below 1. */
  readonly random: () => number;
}

/** Times that a question is put, the first one included. */
const TRIES = 3;
/** A connection that broke, and a name server that was busy. What is refused or unknown is so a second later, too. */
const BROKEN = ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET', 'EAI_AGAIN'];

/**
 * For small questions to servers: puts one again when the server was overloaded or the connection broke. A refusal is
 * final, and so is everything that sends a body of more than a few words. What it gives up on is what `http` gave last.
 */
export function patientHttp(http: Http, effects: PatienceEffects): Http {
  return async (request) => {
    if (!isQuestion(request)) return http(request);
    for (let tried = 1; ; tried += 1) {
      const outcome = await attempt(http, request);
      const waitMs = tried < TRIES ? waitAfter(outcome, tried, effects) : undefined;
      if (waitMs === undefined) return settled(outcome);
      if ('reply' in outcome) await outcome.reply.close();
      await effects.sleep(waitMs, request.signal);
    }
  };
}

type Outcome = { readonly reply: HttpReply } | { readonly thrown: unknown };

async function attempt(http: Http, request: HttpRequest): Promise<Outcome> {
  try {
    return { reply: await http(request) };
  } catch (thrown) {
    request.signal.throwIfAborted();
    return { thrown };
  }
}

function settled(outcome: Outcome): HttpReply {
  if ('reply' in outcome) return outcome.reply;
  throw outcome.thrown;
}

/** Undefined where it is not worth trying again. */
function waitAfter(outcome: Outcome, tried: number, { now, random }: PatienceEffects): number | undefined {
  const jitter = backoffMs(tried, random);
  if ('thrown' in outcome) return BROKEN.includes(errnoOf(outcome.thrown) ?? '') ? jitter : undefined;
  const { status } = outcome.reply;
  const wanted = parseRetryAfter(outcome.reply.header('retry-after'), now());
  if (wanted !== undefined && wanted > RETRY.retryAfterCapMs) return undefined;
  // Who has asked too often and is not told when to come back would only ask too often again.
  if (status === 429) return wanted === undefined ? undefined : wanted + jitter;
  return RETRY.statuses.includes(status) ? (wanted ?? 0) + jitter : undefined;
}

function isQuestion({ method, body }: HttpRequest): boolean {
  return method === 'GET' || method === 'HEAD' || (method === 'POST' && typeof body === 'string');
}
