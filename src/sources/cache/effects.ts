import type { Work } from '../../core/progress.ts';
import type { FileFacts, SourceFiles } from '../effects.ts';

/** What `lstat` tells. */
export interface LinkFacts extends FileFacts {
  /** Of 512 bytes: what a sparse file really takes. */
  readonly blocks: bigint;
  isSymbolicLink(): boolean;
}

/** What the cache needs of the file system; all but `freeBytes` as in `node:fs/promises`. */
export interface CacheDisk extends SourceFiles {
  lstat(path: string, options: { bigint: true }): Promise<LinkFacts>;
  realpath(path: string): Promise<string>;
  mkdir(path: string, options: { recursive: true; mode: number }): Promise<unknown>;
  chmod(path: string, mode: number): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Copies a file to a new place, without moving bytes where the file system can share them. */
  copyFile(from: string, to: string): Promise<void>;
  /** Makes what was written to a file, or to the names in a folder, last through a power cut. */
  sync(path: string): Promise<void>;
  /** What this user may still write where the path is; undefined where the system does not tell. */
  freeBytes(path: string): Promise<number | undefined>;
}

/**
 * Runs work while it holds a lock between processes. Throws `busy` when a living holder keeps the lock for longer than
 * the implementation waits; whoever calls may try again.
 */
export type Exclusive = <Result>(
  name: string,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Work<Result>,
) => Work<Result>;
