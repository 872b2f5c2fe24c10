/** The kinds of exchange that there are, and what each may take. A policy is changed here, and nowhere else. */
import { MIB } from '../core/units.ts';

/** Times in ms. */
export interface ExchangeLimits {
  /** Until the connection is made. */
  readonly connectMs: number;
  /** From the last byte of the request to the head of the reply; with a pooled connection, its making included. */
  readonly answerMs: number;
  /** Between two pieces of a body, sent or received. */
  readonly silenceMs: number;
  /** For the whole exchange: a server that sends a byte now and then ends here. */
  readonly totalMs?: number;
}

/** Other limits than those of this table, by kind of exchange. */
export type LimitChanges = Readonly<Partial<Record<ExchangeKind, Partial<ExchangeLimits>>>>;

export interface ExchangePolicy extends ExchangeLimits {
  /**
   * `pooled`: through the proxy of the environment, on a connection that is kept for the next request. `direct`: to a
   * server that the user named, without a proxy, on a connection of its own, so that a server that was restarted between
   * two requests is no error.
   */
  readonly connection: 'pooled' | 'direct';
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** Pooled connections are made within this time, whatever they are for. */
export const POOL_CONNECT_MS = 30 * SECOND;

/** An answer that is read as a whole, refusals of every kind of exchange included, is complete within this time. */
export const WHOLE_ANSWER_MS = MINUTE;

const POOLED = { connection: 'pooled', connectMs: POOL_CONNECT_MS } as const;
const DIRECT = { connection: 'direct', connectMs: 10 * SECOND } as const;

/**
 * Every exchange ends: a question and its answer after a minute in all; a transfer when too few bytes move; work of a
 * model server when it says nothing, where a byte that completes no line is nothing (`lines.ts`).
 */
export const POLICIES = {
  /** Small questions to hubs and registries: manifests, tokens, lists of files. */
  metadata: { ...POOLED, answerMs: 30 * SECOND, silenceMs: 30 * SECOND, totalMs: WHOLE_ANSWER_MS },
  /** Whether a registry speaks TLS. */
  probe: { ...POOLED, answerMs: 10 * SECOND, silenceMs: 30 * SECOND, totalMs: WHOLE_ANSWER_MS },
  /** Ranges of a remote header. A server that drips is not waited for. */
  header: { ...POOLED, answerMs: 20 * SECOND, silenceMs: 20 * SECOND, totalMs: 2 * MINUTE },
  /** Files to download, or to read in part. The downloader adds a minimum rate (`sources/download/limits.ts`). */
  transfer: { ...POOLED, answerMs: 30 * SECOND, silenceMs: 30 * SECOND },
  /** Files for a registry, which hashes and stores them before it answers. Each piece must be taken within the silence. */
  publication: { ...POOLED, answerMs: 10 * MINUTE, silenceMs: MINUTE },
  /** Small questions to a model server: version, show, tags, copy, delete. */
  server: { ...DIRECT, answerMs: MINUTE, silenceMs: MINUTE, totalMs: WHOLE_ANSWER_MS },
  /** A model server may convert or hash a large file for minutes without a word. */
  creation: { ...DIRECT, answerMs: 30 * MINUTE, silenceMs: 30 * MINUTE },
  /** A model server gives a stalled download up after 30 s itself and tries six times. */
  pull: { ...DIRECT, answerMs: 5 * MINUTE, silenceMs: 5 * MINUTE },
  /** After the last byte, a model server has to finish hashing. */
  upload: { ...DIRECT, answerMs: 5 * MINUTE, silenceMs: 5 * MINUTE },
  /** Loading a model and evaluating a long prompt on a slow processor; the answer then has limits of its own (`CHAT`). */
  chat: { ...DIRECT, answerMs: 15 * MINUTE, silenceMs: 15 * MINUTE },
  /** Questions of `doctor`, for which a slow answer is a finding. */
  diagnosis: { ...DIRECT, connectMs: 4 * SECOND, answerMs: 4 * SECOND, silenceMs: 4 * SECOND, totalMs: 8 * SECOND },
} as const satisfies Readonly<Record<string, ExchangePolicy>>;

export type ExchangeKind = keyof typeof POLICIES;

/** Lists of a server with thousands of models stay far below; so does what it says of one model with its licences. */
export const LARGEST_LIST = 8 * MIB;
export const LARGEST_DOCUMENT = 32 * MIB;
/** What is read of the body of a refusal. */
export const LARGEST_REFUSAL = 64 * 1024;
/** Entries of one list in an answer: models of a server, layers of a model. */
export const LONGEST_LIST = 10_000;
/** An answer announces itself with a few interim ones (1xx) at most. */
export const MOST_INTERIM = 100;

/**
 * An answer of a model that is generated. Its first tokens show the speed; the whole may take as long as all tokens that
 * were asked for at a fraction of that speed.
 */
export const CHAT = {
  /** Tokens that show the speed, and how long they may take: below two a minute nobody waits for the end. */
  measuredTokens: 16,
  measuredWithinMs: 10 * MINUTE,
  /** A long context, or other work on the machine, slows generation down by less than this. */
  slowdown: 4,
  graceMs: MINUTE,
  /** Where no number was asked for: the longest context of the catalog's models. */
  unlimitedTokens: 131_072,
  /** UTF-16 units of one token; Gemma's longest tokens have 48. */
  longestToken: 64,
} as const;
