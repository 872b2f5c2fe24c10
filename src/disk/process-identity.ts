/** Which process this is, and whether another one still lives, independent of the clock. */
import { execFile } from 'node:child_process';
import { readFile, readlink } from 'node:fs/promises';
import { hostname, uptime } from 'node:os';
import { promisify } from 'node:util';
import * as z from 'zod';
import { errnoOf } from '../core/errors.ts';

/** Which process holds a lock: enough to decide from any host whether it still lives. */
export const LockHolder = z.strictObject({
  pid: z.int().positive(),
  /** When the process started, in the system's own count: the same number later may be another process. */
  startedAt: z.string().optional(),
  /** Different after every start of the machine. */
  bootId: z.string().optional(),
  /** Machine and process namespace: only there does `pid` mean anything. */
  place: z.string(),
  /** The command without its arguments. An earlier version wrote those too, with passwords in addresses among them. */
  command: z.string().transform(withoutArguments),
  since: z.iso.datetime(),
  /** Different for every acquisition, so that a holder can check whether the lock is still its own. */
  token: z.string(),
});
export type LockHolder = z.infer<typeof LockHolder>;

/** `bundle install`, from the start of a command line. */
function withoutArguments(command: string): string {
  return /^[a-z]+(?: [a-z]+(?= |$))?(?= |$)/.exec(command)?.[0] ?? 'an unknown command';
}

export type ProcessIdentity = Pick<LockHolder, 'pid' | 'startedAt' | 'bootId' | 'place'>;

/** `unknown`: it cannot be seen from here (another machine, another container). */
export type Liveness = 'alive' | 'dead' | 'unknown';

export interface Processes {
  self(): Promise<ProcessIdentity>;
  /** `signMs`: when it gave its last sign of life, by the clock of its disk; ms since 1970. */
  livenessOf(other: ProcessIdentity, signMs: number): Promise<Liveness>;
}

/** The processes of this machine: from /proc on Linux, from `ps` elsewhere; on Windows a start time cannot be had. */
export function nodeProcesses(): Processes {
  let known: Promise<ProcessIdentity> | undefined;
  const self = (): Promise<ProcessIdentity> => {
    known ??= identify();
    return known;
  };
  return {
    self,
    async livenessOf(other, signMs) {
      const own = await self();
      if (other.place !== own.place) return 'unknown';
      if (other.bootId !== own.bootId) return (await isNamed()) && isBeforeThisBoot(signMs) ? 'dead' : 'unknown';
      if (!exists(other.pid)) return 'dead';
      if (other.startedAt === undefined) return 'alive';
      const startedAt = await startOf(other.pid);
      // Exists, but its start cannot be read: it would be guessing to call it another process.
      if (startedAt === undefined) return exists(other.pid) ? 'alive' : 'dead';
      return startedAt === other.startedAt ? 'alive' : 'dead';
    },
  };
}

async function identify(): Promise<ProcessIdentity> {
  const [startedAt, bootId, machine, namespace] = await Promise.all([
    startOf(process.pid),
    textOf('/proc/sys/kernel/random/boot_id'),
    textOf('/etc/machine-id'),
    readlink('/proc/self/ns/pid').catch(() => undefined),
  ]);
  const place = [hostname(), machine, namespace].filter((part) => part !== undefined && part !== '').join(' ');
  return { pid: process.pid, place, ...(startedAt && { startedAt }), ...(bootId && { bootId }) };
}

/** How far the clock of a disk on the network may be behind ours. Milliseconds. */
const CLOCK_SKEW_MS = 60_000;

/** Cloned machines share name and machine id: then another boot may be another machine, whose process lives. */
function isBeforeThisBoot(signMs: number): boolean {
  return signMs + CLOCK_SKEW_MS < Date.now() - uptime() * 1000;
}

/** Whether name and machine id distinguish this machine from all others but its clones. */
async function isNamed(): Promise<boolean> {
  const machine = await textOf('/etc/machine-id');
  return machine !== undefined && machine !== '' && !/^localhost\b/.test(hostname());
}

async function textOf(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  );
}

/** A process of another user exists as well. */
function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === 'EPERM';
  }
}

/** A text that differs for two processes that had one number; `gone` for one that is dead but not reaped yet. */
async function startOf(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') {
    const stat = await textOf(`/proc/${pid}/stat`);
    // The name before it may hold blanks and brackets. Fields from there: state is the first, the start in ticks the 20th.
    const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields !== undefined && /^[ZX]/.test(fields[0] ?? '') ? 'gone' : fields?.[19];
  }
  if (process.platform === 'win32') return undefined;
  const output = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)]).catch(() => undefined);
  return output?.stdout.trim() || undefined;
}
