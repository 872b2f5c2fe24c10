import type { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import { type Disk, usedBytes } from '../../disk/disk.ts';
import { type Layout, regularFile } from './layout.ts';

/** Short work without progress. */
// biome-ignore lint/correctness/useYield: it has no progress to report
export async function* quiet<Result>(task: () => Promise<Result>): Work<Result> {
  return await task();
}

/**
 * Runs work while it holds a lock between processes. Throws `busy` when a living holder keeps the lock for longer than
 * the implementation waits; the caller may try again.
 */
export type Exclusive = <Result>(
  name: string,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Work<Result>,
) => Work<Result>;

export interface PatientParts {
  readonly disk: Disk;
  readonly layout: Layout;
  readonly exclusive: Exclusive;
  /** Milliseconds since any fixed point. */
  readonly clock: () => number;
}

/**
 * A process that holds the lock of a digest and writes nothing for this long, in ms, is no longer waited for. Longer than
 * a download may be silent with all its retries (three minutes) and than a 60 GiB file takes to be hashed.
 */
export const STALLED_MS = 600_000;

/** The lock of one file: its holder may write its partial and its blob. */
export function fetchLock(digest: Digest): string {
  return `fetch ${digest.slice('sha256:'.length)}`;
}

/**
 * Runs work under the lock of a digest. However long another process takes for the same file, this one waits as long as
 * that one makes progress, and reports its bytes. Throws `busy` when it does not.
 */
export async function* underFetchLock<Result>(
  parts: PatientParts,
  file: { readonly digest: Digest; readonly sizeBytes?: number },
  signal: AbortSignal,
  work: (signal: AbortSignal) => Work<Result>,
): Work<Result> {
  const watch = new ProgressWatch(parts, file.digest);
  const total = file.sizeBytes === undefined ? {} : { total: file.sizeBytes };
  for (;;) {
    try {
      return yield* parts.exclusive(fetchLock(file.digest), signal, work);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ProvisionError) || error.code !== 'busy') throw error;
      const done = await watch.look();
      if (watch.stalled()) throw error;
      yield { type: 'bytes', id: 'fetch', done, ...total };
    }
  }
}

/** Watches whether the process that fetches a file makes progress. */
class ProgressWatch {
  readonly #parts: PatientParts;
  readonly #digest: Digest;
  #mark = '';
  #since: number;

  constructor(parts: PatientParts, digest: Digest) {
    this.#parts = parts;
    this.#digest = digest;
    this.#since = parts.clock();
  }

  /** Bytes that the partial file takes on the disk. */
  async look(): Promise<number> {
    const facts = await regularFile(this.#parts.disk, this.#parts.layout.partialOf(this.#digest));
    const mark = facts === undefined ? 'none' : `${facts.ino}-${facts.size}-${facts.mtimeNs}`;
    if (mark !== this.#mark) this.#since = this.#parts.clock();
    this.#mark = mark;
    return facts === undefined ? 0 : usedBytes(facts);
  }

  stalled(): boolean {
    return this.#parts.clock() - this.#since >= STALLED_MS;
  }
}
