/** The file system for finding what nothing needs. */

import { lstat, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../core/errors.ts';
import type { GcFiles, StaleLock } from '../provision/maintain/gc/effects.ts';
import { realDisk } from './disk.ts';

export const gcFiles: GcFiles = {
  list: async (folder) => (await realDisk.list(folder)).sort(),
  async facts(path) {
    try {
      const facts = await lstat(path, { bigint: true });
      if (!facts.isFile()) return undefined;
      const taken = facts.blocks * 512n;
      return {
        inode: `${facts.dev}-${facts.ino}`,
        links: Number(facts.nlink),
        bytes: Number(taken < facts.size ? taken : facts.size),
        modifiedMs: Number(facts.mtimeNs / 1_000_000n),
        changedMs: Number(facts.ctimeNs / 1_000_000n),
      };
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
      throw error;
    }
  },
  readText: realDisk.readText,
  remove: (path) => rm(path, { force: true }),
};

/** Half-written lock files and locks in the form of earlier versions are nobody's after this time. Milliseconds. */
const STALE_MS = 24 * 3_600_000;
const HALF_WRITTEN = /\.lock\.[0-9a-f-]{36}\.tmp$/;
const EARLIER = /\.(?:holder\.json|lock\.takeover)$/;
const NUMBERED = /^(.*\.)(\d+)\.lock$/;

/** The highest file of a lock always stays, as it is the lock; see the locker. */
export async function listStaleLocks(folder: string, now: Date): Promise<StaleLock[]> {
  const names = await gcFiles.list(folder);
  const stale: StaleLock[] = [];
  for (const name of names) {
    const path = join(folder, name);
    const reason = isOutnumbered(name, names) ? 'a later lock took its place' : await reasonByAge(name, path, now);
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

async function reasonByAge(name: string, path: string, now: Date): Promise<string | undefined> {
  if (!HALF_WRITTEN.test(name) && !EARLIER.test(name)) return undefined;
  const facts = await gcFiles.facts(path);
  if (facts === undefined || now.getTime() - facts.modifiedMs < STALE_MS) return undefined;
  return HALF_WRITTEN.test(name) ? 'its writer is dead' : 'of an earlier version of this tool';
}
