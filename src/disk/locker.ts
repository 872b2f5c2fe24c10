/** Locks in files (`lock-row.ts`), for processes that share a folder, also over a network. */

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ProvisionError } from '../core/errors.ts';
import { formatDuration } from '../core/units.ts';
import { type Disk, realDisk } from './disk.ts';
import type { HeldLock, Locker } from './lock.ts';
import { LockRow, type Top } from './lock-row.ts';
import { LockHolder, nodeProcesses, type Processes } from './process-identity.ts';

/** A holder gives a sign of life this often, in ms. */
const BEAT_MS = 2_000;
/**
 * A holder that cannot be seen from here (another machine, another container, or a file without a holder) counts as dead
 * after this long without a sign of life, in ms by this process's own monotonic clock: no wall clock is compared. Longer
 * than the 60 s for which an NFS client may show an old time of a file.
 */
const SILENCE_MS = 90_000;
const POLL_MS = 150;
const DEFAULT_WAIT_MS = 15_000;
/** A run that came too late is faster than all others after so many turns, unless the folder is not what it should be. */
const TURNS_LOST = 10;

export interface LockTime {
  /** Milliseconds since any fixed point, whatever the wall clock does. */
  now(): number;
  pause(ms: number, signal: AbortSignal): Promise<void>;
  /** Returns what ends it. */
  every(ms: number, task: () => void): () => void;
}

export interface FileLockerOptions {
  /** Folder of the lock files; made when missing. */
  readonly dir: string;
  /** The command of this run, for others that wait for the lock: `install`. No arguments: a lock may be read by others. */
  readonly command: string;
  /**
   * How long to wait for a lock that is held, in ms; 15 s unless given. A holder that cannot be seen from here and has
   * given no sign of life since is waited for until that is decided, else no run would wait long enough to decide it.
   */
  readonly waitMs?: number;
  readonly silenceMs?: number;
  readonly processes?: Processes;
  readonly disk?: Disk;
  readonly time?: LockTime;
}

type Context = Required<FileLockerOptions>;

export function createFileLocker(options: FileLockerOptions): Locker {
  const context: Context = {
    waitMs: DEFAULT_WAIT_MS,
    silenceMs: SILENCE_MS,
    processes: options.processes ?? nodeProcesses(),
    disk: realDisk,
    time: realTime,
    ...options,
  };
  return { acquire: (name, signal) => acquire(context, name, signal) };
}

const realTime: LockTime = {
  now: () => performance.now(),
  pause: async (ms, signal) => sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted()),
  every(ms, task) {
    const timer = setInterval(task, ms);
    timer.unref();
    return () => clearInterval(timer);
  },
};

async function acquire(context: Context, name: string, signal: AbortSignal): Promise<HeldLock> {
  const { time, waitMs } = context;
  const row = new LockRow(context.dir, name, context.disk);
  const watch = new Watch(context);
  const deadline = time.now() + waitMs;
  let turnsLost = 0;
  await row.makeFolder();
  for (;;) {
    signal.throwIfAborted();
    const top = await row.look();
    const found = top === undefined || 'free' in top ? FREE : await watch.judge(top);
    const late = time.now() >= deadline;
    if (top !== undefined && found.verdict === 'free') {
      const held = await take(context, row, top.number + 1);
      if (held !== undefined) return held;
      turnsLost += 1;
      // Another was faster, and the next look shows who. Whatever the folder contains, the waiting ends.
      if (!late || turnsLost < TURNS_LOST) continue;
    }
    if (late && found.verdict !== 'undecided') throw busy(row.path(top?.number ?? 0), found.holder, waitMs);
    await time.pause(POLL_MS * (0.5 + Math.random()), signal);
  }
}

/** `undecided`: it may be dead, and its silence is not long enough yet to say so. */
interface Found {
  readonly verdict: 'free' | 'held' | 'undecided';
  readonly holder: LockHolder | undefined;
}
const FREE: Found = { verdict: 'free', holder: undefined };

/** Judges who holds a lock; remembers the signs of life of a holder that cannot be seen from here. */
class Watch {
  readonly #context: Context;
  #number = 0;
  #sign = '';
  #since = 0;
  #lives = false;

  constructor(context: Context) {
    this.#context = context;
  }

  async judge(top: Top): Promise<Found> {
    const holder = parseHolder(top.text);
    const liveness = holder === undefined ? 'unknown' : await this.#context.processes.livenessOf(holder, top.signMs);
    if (liveness === 'dead') return FREE;
    if (liveness === 'alive') return { verdict: 'held', holder };
    if (this.#silenceOf(top) >= this.#context.silenceMs) return FREE;
    return { verdict: this.#lives ? 'held' : 'undecided', holder };
  }

  #silenceOf({ number, sign }: Top): number {
    const now = this.#context.time.now();
    if (sign !== this.#sign) {
      this.#lives = number === this.#number;
      this.#number = number;
      this.#sign = sign;
      this.#since = now;
    }
    return now - this.#since;
  }
}

function parseHolder(text: string): LockHolder | undefined {
  try {
    return LockHolder.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Undefined when another was faster. */
async function take(context: Context, row: LockRow, number: number): Promise<HeldLock | undefined> {
  const identity = await context.processes.self();
  const since = new Date().toISOString();
  const holder: LockHolder = { ...identity, command: context.command, since, token: randomUUID() };
  return (await row.take(number, `${JSON.stringify(holder)}\n`)) ? hold(context, row, number) : undefined;
}

function hold(context: Context, row: LockRow, number: number): HeldLock {
  const lost = new AbortController();
  let released = false;
  const lose = (cause?: unknown) => {
    if (!released && !lost.signal.aborted) lost.abort(lockLost(row.path(number), cause));
  };
  const beat = async () => {
    await row.beat(number);
    if (await row.isPassed(number)) lose();
  };
  const stop = context.time.every(BEAT_MS, () => void beat().catch(lose));
  return {
    lost: lost.signal,
    async release() {
      if (released) return;
      released = true;
      stop();
      await row.release(number);
    },
  };
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
    `The lock ${path} was lost: this run was silent for too long, and another took over.`,
    {
      ...(cause !== undefined && { cause }),
      suggestions: ['Run the command again.'],
    },
  );
}
