import type { Digest } from '../../core/digest.ts';
import type { Work } from '../../core/progress.ts';
import type { Locker } from '../../disk/lock.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import type { HashFile, LocalFile } from '../../sources/contract.ts';
import type { RecoveryEffects } from '../install/effects.ts';
import type { Place } from './verify-bytes.ts';

/** The blobs of a runtime on this machine, for writing. */
export interface BlobStore {
  /**
   * Puts the bytes of a file in the place of a blob: written beside it, hashed on the way, renamed over it. Throws
   * `digest-mismatch`, `truncated-file`, `source-not-found`, `file-access`, `disk-full`; the blob is as before then.
   */
  replace(file: LocalFile & { readonly digest: Digest }, signal: AbortSignal): Work<void>;
  /** Removing what is not there is no error. */
  drop(digest: Digest): Promise<void>;
}

/** A runtime whose folder may be written to as well. */
export interface RepairPlace extends Place {
  readonly store?: BlobStore;
}

export interface RepairEffects extends RecoveryEffects {
  readonly locker: Locker;
  /** Reads every time: it remembers nothing. */
  readonly hash: HashFile;
  /** Looked at anew each time. */
  place(): Promise<RepairPlace>;
  /** Files of this machine that should have a digest, the likeliest first: nothing of them is proven. */
  copies(digest: Digest): Promise<readonly LocalFile[]>;
  /** Over the network, by the pinned reference, into our cache; undefined where that is not allowed or not possible. */
  fetch(source: InstallRecord['source']): Work<LocalFile | undefined>;
  /** Makes the model again under its name, from a file with the recorded bytes, and returns its new record. */
  again(record: InstallRecord, file: LocalFile): Work<InstallRecord>;
  /** What a broken record file can be rebuilt to; undefined when the runtime has no such model. */
  rebuild(name: string): Promise<InstallRecord | undefined>;
  /** Copies a broken record file beside itself; returns where to. */
  setAside(name: string): Promise<string>;
}
