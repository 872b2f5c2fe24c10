import { type Disk, fileUsage } from '../../../disk/disk.ts';
import type { Taken } from './effects.ts';

/** What a file takes; nothing when it is gone meanwhile. */
export async function takenBy(files: Disk, path: string): Promise<Taken[]> {
  const facts = await fileUsage(files, path);
  if (facts === undefined) return [];
  const { inode, links, bytes } = facts;
  return [{ path, inode, links, bytes }];
}

/** What leftovers are large by themselves, in bytes. */
export function sizeOf(takes: readonly Taken[]): number {
  return takes.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** What is free once all these paths are gone, in bytes: a file with several links is freed by the last of them. */
export function freedBytes(takes: readonly Taken[]): number {
  const byInode = Map.groupBy(new Map(takes.map((each) => [each.path, each])).values(), ({ inode }) => inode);
  let sum = 0;
  for (const links of byInode.values()) {
    const [first] = links;
    if (first !== undefined && links.length >= first.links) sum += first.bytes;
  }
  return sum;
}
