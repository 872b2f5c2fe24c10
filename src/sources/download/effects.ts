import type { Disk } from '../../disk/disk.ts';
import type { Http } from '../../net/http.ts';

export interface DownloadEffects {
  readonly http: Http;
  readonly files: Disk;
  /** Hashes a file while it is written. */
  readonly followHash: FollowHash;
  /** Milliseconds since any fixed point, never set back. */
  readonly clock: () => number;
  /** For a Retry-After that is a date. */
  readonly now: () => Date;
  /** Rejects with the signal's reason when it is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** From 0 to below 1. */
  readonly random: () => number;
}

/** The SHA-256 of a file of which more and more bytes are there, computed behind the writer's back. */
export interface HashFollower {
  /** All bytes before `end` are written. Cheap; never throws. */
  advance(end: number): void;
  /** The digest of the bytes before the last `end`, in 64 hex digits. Rejects with what reading failed with. */
  finish(): Promise<string>;
  /** Forgets it; nothing is read from the file any more when it resolves. */
  stop(): Promise<void>;
}

export type FollowHash = (path: string) => HashFollower;
