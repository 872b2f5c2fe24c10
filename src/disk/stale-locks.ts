import { join } from 'node:path';
import { type Disk, fileUsage } from './disk.ts';

/** A file of the locks that no run uses any more. */
export interface StaleLock {
  readonly path: string;
  /** As the end of a sentence. */
  readonly reason: string;
}

/** Half-written lock files and locks in the form of earlier versions belong to no run after this time. Milliseconds. */
const STALE_MS = 24 * 3_600_000;
const HALF_WRITTEN = /\.lock\.[0-9a-f-]{36}\.tmp$/;
const EARLIER = /\.(?:holder\.json|lock\.takeover)$/;
const NUMBERED = /^(.*\.)(\d{1,15})\.lock$/;

/** The highest file of a lock always stays, as it is the lock; see the locker. */
export async function listStaleLocks(disk: Disk, folder: string, now: Date): Promise<StaleLock[]> {
  const names = (await disk.list(folder)).sort();
  const stale: StaleLock[] = [];
  for (const name of names) {
    const path = join(folder, name);
    const reason = isOutnumbered(name, names) ? 'replaced by a later lock' : await reasonByAge(disk, name, path, now);
    if (reason !== undefined) stale.push({ path, reason });
  }
  return stale;
}

function isOutnumbered(name: string, all: readonly string[]): boolean {
  const [, base, number] = NUMBERED.exec(name) ?? [];
  if (base === undefined) return false;
  return all.some((other) => {
    const [, otherBase, higher] = NUMBERED.exec(other) ?? [];
    return otherBase === base && Number(higher) > Number(number);
  });
}

async function reasonByAge(disk: Disk, name: string, path: string, now: Date): Promise<string | undefined> {
  if (!HALF_WRITTEN.test(name) && !EARLIER.test(name)) return undefined;
  const facts = await fileUsage(disk, path);
  if (facts === undefined || now.getTime() - facts.modifiedMs < STALE_MS) return undefined;
  return HALF_WRITTEN.test(name) ? 'its writer is dead' : 'of an earlier version of this tool';
}
