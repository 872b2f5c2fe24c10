/** Whose hands a path is in, for root: the owner of any folder on the way can put a link in its place. */

import { resolve, sep } from 'node:path';
import type { Disk } from './port.ts';

export interface Foreign {
  readonly path: string;
  readonly uid: number;
}

/** The first part of a path that does not belong to root, where links lead included. */
export async function findForeign(path: string, disk: Disk): Promise<Foreign | undefined> {
  const parts = resolve(path).split(sep);
  for (let count = 1; count <= parts.length; count += 1) {
    const at = parts.slice(0, count).join(sep) || sep;
    const facts = await disk.lstat(at, { bigint: true }).catch(() => undefined);
    if (facts === undefined) return undefined;
    if (facts.uid !== 0n && !(await isUnmapped(facts.uid, disk))) return { path: at, uid: Number(facts.uid) };
    if (!facts.isSymbolicLink()) continue;
    const target = await disk.realpath(at).catch(() => undefined);
    const behind = target === undefined ? undefined : await findForeign(target, disk);
    if (behind !== undefined) return behind;
  }
  return undefined;
}

/** What the system reports for an owner who does not exist in this container, and so cannot do anything in it. */
const OVERFLOW_UID = 65_534n;

async function isUnmapped(uid: bigint, disk: Disk): Promise<boolean> {
  if (uid !== OVERFLOW_UID) return false;
  const map = await disk.readFile('/proc/self/uid_map', 'utf8').catch(() => '');
  return map !== '' && !/^\s*0\s+0\s+4294967295\s*$/.test(map);
}
