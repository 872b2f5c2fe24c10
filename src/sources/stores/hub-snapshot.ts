import { basename, join, sep } from 'node:path';
import { Digest } from '../../core/digest.ts';
import type { Disk } from '../../disk/port.ts';
import { formatHubRef, isCommit, parseHubRef } from '../huggingface/reference.ts';
import { schemeOf } from '../reference.ts';

/** What another tool's store has under a reference. */
export interface RecalledRef {
  readonly pinnedRef: string;
  /** As the store names the file; its bytes are not verified yet. */
  readonly digest: Digest;
}

/** Finds what a reference in its full spelling meant when another tool fetched it; undefined where none did. Never throws. */
export type RecallRef = (key: string) => Promise<RecalledRef | undefined>;

/** A commit and the end of a line. */
const LONGEST_REF = 64n;

interface Parts {
  readonly disk: Pick<Disk, 'readFile' | 'realpath' | 'lstat'>;
  /** Of this process; absent where the system has no user numbers. */
  readonly uid?: number | undefined;
}

/**
 * Reads the Hugging Face cache as its clients left it: `refs/<branch>` has the commit, `snapshots/<commit>/<file>` is a link
 * to the blob, which is named by its SHA-256. For a hub that cannot be asked. What another user wrote there, or what leads
 * out of the repository's folder, says nothing.
 */
export function createHubRecall(folder: string, parts: Parts): RecallRef {
  const { disk } = parts;
  return async (key) => {
    if (schemeOf(key) !== 'hf') return undefined;
    try {
      const { repo, revision, file } = parseHubRef(key);
      if (file === undefined) return undefined;
      const own = await disk.realpath(join(folder, `models--${repo.replace('/', '--')}`));
      const commit = isCommit(revision) ? revision : await commitIn(join(own, 'refs', revision), own, parts);
      if (commit === undefined || !isCommit(commit)) return undefined;
      const link = join(own, 'snapshots', commit, file);
      const { uid } = await disk.lstat(link, { bigint: true });
      const blob = await disk.realpath(link);
      if (!isOurs(uid, parts) || !blob.startsWith(own + sep)) return undefined;
      const digest = Digest.safeParse(`sha256:${basename(blob)}`);
      return digest.success
        ? { pinnedRef: formatHubRef({ repo, revision: commit, file }), digest: digest.data }
        : undefined;
    } catch {
      // It was never fetched here.
      return undefined;
    }
  };
}

/** Only of a short regular file: a pipe in its place would wait for ever. */
async function commitIn(path: string, own: string, { disk, uid }: Parts): Promise<string | undefined> {
  const facts = await disk.lstat(path, { bigint: true });
  const isUsable = facts.isFile() && facts.size <= LONGEST_REF && isOurs(facts.uid, { uid });
  if (!isUsable || !(await disk.realpath(path)).startsWith(own + sep)) return undefined;
  return (await disk.readFile(path, 'utf8')).trim();
}

function isOurs(owner: bigint, { uid }: Pick<Parts, 'uid'>): boolean {
  return uid === undefined || [0, uid].includes(Number(owner));
}
