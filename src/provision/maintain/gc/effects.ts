import type { Digest } from '../../../core/digest.ts';
import type { ProvisionError } from '../../../core/errors.ts';
import type { Locker } from '../../../disk/lock.ts';
import type { Registry } from '../../../registry/index.ts';
import type { Runtime, RuntimeIdentity } from '../../../runtimes/contract.ts';
import type { FolderContents } from '../../../runtimes/ollama/folder/read.ts';
import type { Cache } from '../../../sources/cache/index.ts';
import type { GcKind } from './schema.ts';

/** What the file system tells of a regular file, links not followed. */
export interface GcFileFacts {
  /** The same for every link to one file. */
  readonly inode: string;
  readonly links: number;
  /** What it takes on its disk, in bytes; less than its size for one with holes. */
  readonly bytes: number;
  /** When it was last written to, and when it or its links were last changed; ms since 1970. */
  readonly modifiedMs: number;
  readonly changedMs: number;
}

export interface GcFiles {
  /** Names in a folder; empty when there is no such folder. */
  list(folder: string): Promise<string[]>;
  /** Undefined for what is not there and for what is no regular file. */
  facts(path: string): Promise<GcFileFacts | undefined>;
  readText(path: string): Promise<string | undefined>;
  /** Removing what is not there is no error. */
  remove(path: string): Promise<void>;
}

/** A file of the locks that no run uses any more. */
export interface StaleLock {
  readonly path: string;
  /** As the end of a sentence. */
  readonly reason: string;
}

/** The server's own models folder, proven to be its own. */
export interface ServerFolder {
  read(): Promise<FolderContents>;
  /** OLLAMA_NOPRUNE is set for the server. */
  readonly keepsAll: boolean;
}

/** Everything that the collection touches. */
export interface GcEffects {
  readonly identity: RuntimeIdentity;
  readonly runtime: Pick<Runtime, 'names' | 'find' | 'remove'>;
  readonly registry: Registry;
  readonly locker: Locker;
  /** Throws `busy` at once for a lock that is held. */
  readonly impatient: Locker;
  readonly cache: Pick<Cache, 'prune'>;
  /** Digests that records came from; `broken`: one that cannot be read. */
  digestsInUse(): Promise<{ readonly digests: ReadonlySet<Digest>; readonly broken?: ProvisionError }>;
  readonly files: GcFiles;
  /** Folders of this tool in which state files lie. */
  readonly stateFolders: readonly string[];
  listStaleLocks(): Promise<readonly StaleLock[]>;
  /** Why the server's folder cannot be looked at, as a whole sentence; absent for a runtime that has none. */
  readonly folder?: ServerFolder | { readonly refused: string };
  /** A name that only exists while a file gets into the runtime. */
  isTransferName(name: string): boolean;
  /** A file of this tool beside the server's blobs. */
  isTemporary(name: string): boolean;
  readonly now: () => Date;
}

/** What something takes on a disk. */
export interface Taken {
  readonly path: string;
  readonly inode: string;
  readonly links: number;
  readonly bytes: number;
}

/** A leftover, before anything was done about it. */
export interface Candidate {
  readonly kind: GcKind;
  readonly path?: string;
  readonly name?: string;
  readonly reason: string;
  readonly takes: readonly Taken[];
  /** Looks again, then removes; returns why it stays. */
  remove(signal: AbortSignal): Promise<string | undefined>;
}

/** What one part of the collection found. */
export interface Found {
  readonly candidates: readonly Candidate[];
  readonly notes: readonly string[];
}

export const NOTHING: Found = { candidates: [], notes: [] };
