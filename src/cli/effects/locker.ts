/**
 * Locks in files, for processes that share a folder, also over a network. A lock is a row of files, `NAME.1.lock`,
 * `NAME.2.lock`, …: the one with the highest number counts, and says who holds the lock or that nobody does. Whoever wants
 * a lock that is free, or whose holder is dead, makes the next file, which only one can; then it removes the lower ones.
 * The highest file is never removed, so a process that slept between looking and making can never hold what another
 * holds: after making its file it looks again, and gives way to a higher one.
 */
import { randomUUID } from 'node:crypto';
import { link, mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { digestOf } from '../../core/digest-of.ts';
import { errnoOf, messageOf, ProvisionError } from '../../core/errors.ts';
import { formatDuration } from '../../core/units.ts';
import type { HeldLock, Locker } from '../../registry/lock.ts';
import { LockHolder } from '../../registry/schema.ts';
import { nodeProcesses, type Processes } from './process-identity.ts';

/** A holder gives a sign of life this often, in ms. */
const BEAT_MS = 2_000;
/**
 * A holder that cannot be seen from here (another machine, another container, or a file that names nobody) counts as dead
 * after this long without a sign of life, in ms by this process's own monotonic clock: no wall clock is compared. Longer
 * than the 60 s for which an NFS client may show an old time of a file.
 */
const SILENCE_MS = 90_000;
const POLL_MS = 150;
const DEFAULT_WAIT_MS = 15_000;
const RELEASED = 'released\n';

export interface FileLockerOptions {
  /** Folder of the lock files; made when missing. */
  readonly dir: string;
  /** How this run calls itself to others: `install gemma-3n-e4b`. */
  readonly command: string;
  /** How long a lock that is held is waited for, in ms; 15 s unless given. */
  readonly waitMs?: number;
  readonly silenceMs?: number;
  readonly processes?: Processes;
}

export function createFileLocker(options: FileLockerOptions): Locker {
  const processes = options.processes ?? nodeProcesses();
  return { acquire: (name, signal) => acquire({ ...options, processes }, name, signal) };
}

interface Context extends FileLockerOptions {
  readonly processes: Processes;
}

async function acquire(options: Context, name: string, signal: AbortSignal): Promise<HeldLock> {
  const row = new Row(options.dir, name);
  const watch = new Watch(options);
  const waitMs = options.waitMs ?? DEFAULT_WAIT_MS;
  const deadline = performance.now() + waitMs;
  await makeFolder(options.dir);
  for (;;) {
    signal.throwIfAborted();
    const top = await row.top();
    const found = top === 0 ? FREE : await watch.look(row, top);
    if (found.free) {
      const held = await take(options, row, top + 1);
      if (held !== undefined) return held;
      continue;
    }
    if (performance.now() >= deadline) throw busy(row.path(top), found.holder, waitMs);
    await sleep(POLL_MS * (0.5 + Math.random()), undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

/** The files of one lock. */
class Row {
  readonly #dir: string;
  readonly #base: string;

  constructor(dir: string, name: string) {
    this.#dir = dir;
    // The hash keeps apart what the readable part makes alike.
    const readable = name.replace(/[^A-Za-z0-9._-]+/g, '-').slice(0, 120);
    this.#base = `${readable}-${digestOf(name).slice(7, 17)}.`;
  }

  path(number: number): string {
    return join(this.#dir, `${this.#base}${number}.lock`);
  }

  async numbers(): Promise<number[]> {
    const names = await readdir(this.#dir).catch((cause: unknown) => Promise.reject(cannotLock(this.#dir, cause)));
    return names
      .filter((name) => name.startsWith(this.#base) && /^\d+\.lock$/.test(name.slice(this.#base.length)))
      .map((name) => Number.parseInt(name.slice(this.#base.length), 10));
  }

  async top(): Promise<number> {
    return Math.max(0, ...(await this.numbers()));
  }
}

interface Found {
  readonly free: boolean;
  readonly holder?: LockHolder;
}
const FREE: Found = { free: true };

/** Looks at who holds a lock; remembers the last sign of life of a holder that cannot be seen from here. */
class Watch {
  readonly #options: Context;
  #sign = '';
  #since = 0;

  constructor(options: Context) {
    this.#options = options;
  }

  async look(row: Row, number: number): Promise<Found> {
    const path = row.path(number);
    const [text, beat] = await Promise.all([readIfThere(path), beatOf(path)]);
    // Gone: a higher one has come.
    if (text === undefined || beat === undefined) return { free: false };
    if (text.startsWith(RELEASED)) return FREE;
    const holder = parseHolder(text);
    const told = holder && { holder };
    const liveness = holder === undefined ? 'unknown' : await this.#options.processes.livenessOf(holder);
    if (liveness === 'dead') return { free: true, ...told };
    return { free: liveness === 'unknown' && this.#isSilent(`${number} ${beat}`), ...told };
  }

  #isSilent(sign: string): boolean {
    const now = performance.now();
    if (sign !== this.#sign) {
      this.#sign = sign;
      this.#since = now;
    }
    return now - this.#since >= (this.#options.silenceMs ?? SILENCE_MS);
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((cause: unknown) => {
    if (errnoOf(cause) === 'ENOENT') return undefined;
    throw cannotLock(path, cause);
  });
}

async function beatOf(path: string): Promise<bigint | undefined> {
  return stat(path, { bigint: true }).then(
    ({ mtimeNs }) => mtimeNs,
    () => undefined,
  );
}

function parseHolder(text: string): LockHolder | undefined {
  try {
    return LockHolder.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Makes the next file of a row. Undefined when another was faster. */
async function take(options: Context, row: Row, number: number): Promise<HeldLock | undefined> {
  const path = row.path(number);
  const { command } = options;
  const identity = await options.processes.self();
  const holder: LockHolder = { ...identity, command, since: new Date().toISOString(), token: randomUUID() };
  if (!(await makeFile(path, `${JSON.stringify(holder)}\n`))) return undefined;
  const numbers = await row.numbers();
  if (numbers.some((each) => each > number)) {
    await rm(path, { force: true });
    return undefined;
  }
  for (const lower of numbers.filter((each) => each < number)) await rm(row.path(lower), { force: true });
  return hold(row, number);
}

/** File systems that have no hard links, by what they answer. */
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP']);

/** Makes a file with its content in one step; false when it is there already. */
async function makeFile(path: string, text: string): Promise<boolean> {
  const written = `${path}.${randomUUID()}.tmp`;
  try {
    await writeFile(written, text, { flag: 'wx' });
    return await link(written, path).then(
      () => true,
      (cause: unknown) => {
        if (NO_LINKS.has(errnoOf(cause) ?? '')) return writeNew(path, text);
        if (errnoOf(cause) === 'EEXIST') return false;
        throw cause;
      },
    );
  } catch (cause) {
    throw cannotLock(path, cause);
  } finally {
    await rm(written, { force: true });
  }
}

/** For a moment the file is there and empty: whoever is killed just then blocks others until its silence was long enough. */
async function writeNew(path: string, text: string): Promise<boolean> {
  return writeFile(path, text, { flag: 'wx' }).then(
    () => true,
    (cause: unknown) => {
      if (errnoOf(cause) === 'EEXIST') return false;
      throw cause;
    },
  );
}

function hold(row: Row, number: number): HeldLock {
  const path = row.path(number);
  const lost = new AbortController();
  let released = false;
  const timer = setInterval(() => {
    void beat().catch((cause: unknown) => lose(cause));
  }, BEAT_MS);
  timer.unref();
  const lose = (cause?: unknown) => {
    if (!released && !lost.signal.aborted) lost.abort(lockLost(path, cause));
  };
  const beat = async () => {
    const now = new Date();
    await utimes(path, now, now);
    if ((await row.top()) > number) lose();
  };
  return {
    lost: lost.signal,
    async release() {
      if (released) return;
      released = true;
      clearInterval(timer);
      // A folder that was taken away meanwhile needs no lock any more; after a takeover another holds it.
      if ((await row.top().catch(() => number)) > number) return;
      // Over the beginning, in one write: nobody sees a file that says nothing.
      await writeFile(path, RELEASED, { flag: 'r+' }).catch(() => undefined);
    },
  };
}

async function makeFolder(dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true });
  } catch (cause) {
    throw cannotLock(dir, cause);
  }
}

function busy(path: string, holder: LockHolder | undefined, waitMs: number): ProvisionError {
  const who = holder === undefined ? 'another run' : `${holder.command} (process ${holder.pid}, since ${holder.since})`;
  return new ProvisionError('busy', `The lock is held by ${who}; waited ${formatDuration(waitMs)}.`, {
    suggestions: ['Wait until that run has ended, then run the command again.', `The lock: ${path}`],
  });
}

function lockLost(path: string, cause: unknown): ProvisionError {
  return new ProvisionError(
    'busy',
    `The lock ${path} was lost: this run gave no sign of life, and another took over.`,
    {
      ...(cause !== undefined && { cause }),
      suggestions: ['Run the command again.'],
    },
  );
}

function cannotLock(path: string, cause: unknown): ProvisionError {
  const full = ['ENOSPC', 'EDQUOT'].includes(errnoOf(cause) ?? '');
  return new ProvisionError(full ? 'disk-full' : 'file-access', `Cannot lock ${path}: ${messageOf(cause)}.`, {
    cause,
    suggestions: ['Check that this user may write in that folder, and that the disk is not full.'],
  });
}
