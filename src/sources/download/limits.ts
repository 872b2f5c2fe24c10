import { GIB, KIB, MIB } from '../../core/units.ts';
import { POLICIES } from '../../net/limits.ts';
import { RETRY, type RetryWaits } from '../../net/retry-policy.ts';

/** Times in ms, sizes in bytes. */
export interface DownloadLimits extends RetryWaits {
  /** From a request to the head of its answer. */
  readonly answerMs: number;
  /** A connection that receives nothing for this long is closed. */
  readonly silenceMs: number;
  /** A connection that receives less than `slowBytes` in this time is closed as well. */
  readonly slowMs: number;
  readonly slowBytes: number;
  /** The download fails when fewer than `progressBytes` arrive in this time, not counting waits that a server asked for. */
  readonly stallMs: number;
  readonly progressBytes: number;
  /** Requests in a row without progress. */
  readonly tries: number;
  /** A server that asks for a longer wait is not waited for. */
  readonly retryAfterCapMs: number;
  /** The maximum number of parallel connections. */
  readonly maxConnections: number;
  /** Throughput is measured over this time before connections are added. */
  readonly measureMs: number;
  /** Connections are not split into pieces smaller than this. */
  readonly minSplitBytes: number;
  /** The size of one range request: the least at first, later what a connection receives in some seconds. */
  readonly leastPieceBytes: number;
  readonly mostPieceBytes: number;
  readonly tickMs: number;
}

/**
 * The idle limit is curl's and pip's usual 30 s; the rest keeps a dead server below three minutes: five tries of 30 s and
 * their waits (at most 7.5 s), or 150 s of dripping.
 */
export const LIMITS: DownloadLimits = {
  answerMs: POLICIES.transfer.answerMs,
  silenceMs: POLICIES.transfer.silenceMs,
  slowMs: 60_000,
  slowBytes: 60 * KIB,
  stallMs: 150_000,
  progressBytes: 64 * KIB,
  tries: 5,
  waitMs: RETRY.waitMs,
  waitCapMs: RETRY.waitCapMs,
  retryAfterCapMs: RETRY.retryAfterCapMs,
  maxConnections: 24,
  measureMs: 150,
  minSplitBytes: 2 * MIB,
  leastPieceBytes: 64 * MIB,
  mostPieceBytes: GIB,
  tickMs: 50,
};
