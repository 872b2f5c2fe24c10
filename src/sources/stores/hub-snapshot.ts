import { basename, join } from 'node:path';
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

/**
 * Reads the Hugging Face cache as its clients left it: `refs/<branch>` has the commit, `snapshots/<commit>/<file>` is a link
 * to the blob, which is named by its SHA-256. For a hub that cannot be asked.
 */
export function createHubRecall(folder: string, disk: Pick<Disk, 'readFile' | 'realpath'>): RecallRef {
  return async (key) => {
    if (schemeOf(key) !== 'hf') return undefined;
    try {
      const { repo, revision, file } = parseHubRef(key);
      if (file === undefined) return undefined;
      const own = join(folder, `models--${repo.replace('/', '--')}`);
      const commit = isCommit(revision) ? revision : (await disk.readFile(join(own, 'refs', revision), 'utf8')).trim();
      if (!isCommit(commit)) return undefined;
      const blob = await disk.realpath(join(own, 'snapshots', commit, file));
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
