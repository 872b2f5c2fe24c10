import type { Work } from '../../core/progress.ts';
import type { Disk } from '../../disk/disk.ts';
import type { Http } from '../../net/http.ts';
import type { RemoteFile, StreamFile } from '../contract.ts';

/** What one download did. */
export interface Downloaded {
  /** Bytes received over the network, including those fetched again after a broken connection. */
  readonly bytesMoved: number;
}

export interface Downloader {
  /**
   * Brings a whole file to `path`, its digest checked and its bytes synced to the disk. While it is at work, `path` is a
   * partial file, perhaps with holes, and `stateFileOf(path)` beside it says which of its bytes are there; both stay when
   * the work ends early, so that the next call goes on, and the state file is gone when the file is whole. The caller
   * makes the folder, keeps other processes away from the path, and renames the file to where it belongs. A file at
   * `path` without a state file counts as written in order; it is hashed as a whole before anyone trusts it.
   *
   * Progress under the id `fetch`. Throws `network`, `remote-fault`, `unauthorised`, `source-not-found`,
   * `digest-mismatch`, `unsafe-redirect`, `disk-full`, `file-access`; an abort throws the signal's reason, at once.
   */
  fetch(remote: RemoteFile, path: string, signal: AbortSignal): Work<Downloaded>;
  /**
   * The bytes in order, read once, nothing kept on this machine; a connection that breaks is made again where it broke.
   * Ends with `digest-mismatch` instead of the last bytes when they are not the file's. Throws as `fetch`.
   */
  readonly stream: StreamFile;
}

/** Where the state of a partial file is kept: to be removed and counted together with it. */
export function stateFileOf(path: string): string {
  return `${path}.state`;
}

export interface DownloadEffects {
  readonly http: Http;
  readonly disk: Disk;
  /** Hashes a file while it is written. */
  readonly openHash: OpenStreamingHash;
  /** Milliseconds since any fixed point, never set back. */
  readonly clock: () => number;
  /** For a Retry-After that is a date. */
  readonly now: () => Date;
  /** Rejects with the signal's reason when it is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** From 0 to below 1. */
  readonly random: () => number;
}

/** The SHA-256 of a file, computed while the file is being written. */
export interface StreamingHash {
  /** All bytes before `end` are written. Cheap; never throws. */
  advance(end: number): void;
  /** The digest of the bytes before the last `end`, in 64 hex digits. Rejects with what reading failed with. */
  finish(): Promise<string>;
  /** Forgets it; nothing is read from the file any more when it resolves. */
  stop(): Promise<void>;
}

export type OpenStreamingHash = (path: string) => StreamingHash;
