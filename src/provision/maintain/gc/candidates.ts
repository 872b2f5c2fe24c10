/** What every part of the collection works with: its effects, and the candidates that it returns. */
import type { Digest } from '../../../core/digest.ts';
import type { ProvisionError } from '../../../core/errors.ts';
import { type Disk, fileUsage } from '../../../disk/disk.ts';
import type { Locker } from '../../../disk/lock.ts';
import type { StaleLock } from '../../../disk/stale-locks.ts';
import type { Registry } from '../../../registry/index.ts';
import type { Runtime, RuntimeIdentity, ServerFolder } from '../../../runtimes/contract.ts';
import type { Cache } from '../../../sources/cache/index.ts';
import type { GcKind } from './schema.ts';

/** Everything that the collection touches. */
export interface GcEffects {
  readonly identity: RuntimeIdentity;
  readonly runtime: Pick<Runtime, 'names' | 'find' | 'remove'>;
  readonly registry: Registry;
  readonly locker: Locker;
  /** Throws `busy` at once for a lock that is held. */
  readonly nonWaitingLocker: Locker;
  readonly cache: Pick<Cache, 'prune'>;
  /** Digests that records came from; `broken`: one that cannot be read. */
  digestsInUse(): Promise<{ readonly digests: ReadonlySet<Digest>; readonly broken?: ProvisionError }>;
  readonly disk: Disk;
  /** Folders of this tool in which state files lie. */
  readonly stateFolders: readonly string[];
  listStaleLocks(): Promise<readonly StaleLock[]>;
  /** Why the server's folder cannot be looked at, as a whole sentence; absent for a runtime that has none. */
  readonly folder?: ServerFolder | { readonly refused: string };
  /** A name that only exists while a file gets into the runtime. */
  isTransferName(name: string): boolean;
  readonly now: () => Date;
}

/** What something takes on a disk. */
export interface DiskUse {
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
  readonly takes: readonly DiskUse[];
  /** Looks again, then removes; returns why it stays. */
  remove(signal: AbortSignal): Promise<string | undefined>;
}

/** What one part of the collection found. */
export interface Findings {
  readonly candidates: readonly Candidate[];
  readonly notes: readonly string[];
}

export const NOTHING: Findings = { candidates: [], notes: [] };

/** What a file takes; nothing when it is gone meanwhile. */
export async function diskUseOf(disk: Disk, path: string): Promise<DiskUse[]> {
  const facts = await fileUsage(disk, path);
  if (facts === undefined) return [];
  const { inode, links, bytes } = facts;
  return [{ path, inode, links, bytes }];
}

/** What leftovers are large by themselves, in bytes. */
export function totalSize(takes: readonly DiskUse[]): number {
  return takes.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** What is free once all these paths are gone, in bytes: a file with several links is freed by the last of them. */
export function freedBytes(takes: readonly DiskUse[]): number {
  const byInode = Map.groupBy(new Map(takes.map((each) => [each.path, each])).values(), ({ inode }) => inode);
  let sum = 0;
  for (const links of byInode.values()) {
    const [first] = links;
    if (first !== undefined && links.length >= first.links) sum += first.bytes;
  }
  return sum;
}
