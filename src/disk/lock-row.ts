/**
 * One lock as a row of files, `NAME.1.lock`, `NAME.2.lock`, …: the one with the highest number counts, and states who holds
 * the lock or that it is free. A process that wants a lock that is free, or whose holder is dead, makes the next file, which
 * only one can; then it removes the lower ones. The highest file is never removed, so a process that slept between
 * looking and making can never hold what another holds: after making its file it looks again, and gives way to a higher
 * one.
 */

import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { digestOf } from '../core/digest.ts';
import { errnoOf, ProvisionError } from '../core/errors.ts';
import { diskError } from './errors.ts';
import { PRIVATE_FILE, PRIVATE_FOLDER, tighten } from './folders.ts';
import type { Disk } from './port.ts';

const RELEASED = 'released\n';

/** The content of the highest file of a row. `sign` changes with every sign of life. */
export interface Top {
  readonly number: number;
  readonly text: string;
  readonly sign: string;
  /** When it was last written or touched, by the clock of its disk; ms since 1970. */
  readonly signMs: number;
}

export class LockRow {
  readonly #dir: string;
  readonly #base: string;
  readonly #disk: Disk;

  constructor(dir: string, name: string, disk: Disk) {
    this.#dir = dir;
    this.#disk = disk;
    // The hash keeps apart what the readable part makes alike.
    const readable = name.replace(/[^A-Za-z0-9._-]+/g, '-').slice(0, 120);
    this.#base = `${readable}-${digestOf(name).slice(7, 17)}.`;
  }

  path(number: number): string {
    return join(this.#dir, `${this.#base}${number}.lock`);
  }

  async makeFolder(): Promise<void> {
    try {
      const made = await this.#disk.mkdir(this.#dir, { recursive: true, mode: PRIVATE_FOLDER });
      if (made === undefined && (await tighten(this.#disk, this.#dir))) await this.#clearReleased();
    } catch (cause) {
      throw cannotLock(this.#dir, cause);
    }
  }

  /** In a folder of an earlier version, which left in released locks what the runs were called with. */
  async #clearReleased(): Promise<void> {
    for (const name of (await this.#disk.readdir(this.#dir)).filter((each) => each.endsWith('.lock'))) {
      const path = join(this.#dir, name);
      const text = await this.#disk.readFile(path, 'utf8').catch(() => '');
      if (text.startsWith(RELEASED) && text !== RELEASED) await clear(this.#disk, path).catch(() => undefined);
    }
  }

  /** The highest file; `free` when no process holds the lock; undefined when it went away while it was read. */
  async look(): Promise<Top | { readonly number: number; readonly free: true } | undefined> {
    const number = await this.#top();
    if (number === 0) return { number, free: true };
    const path = this.path(number);
    try {
      const [text, { mtimeNs }] = await Promise.all([
        this.#disk.readFile(path, 'utf8'),
        this.#disk.stat(path, { bigint: true }),
      ]);
      if (text.startsWith(RELEASED)) return { number, free: true };
      return { number, text, sign: `${number} ${mtimeNs}`, signMs: Number(mtimeNs / 1_000_000n) };
    } catch (cause) {
      if (errnoOf(cause) === 'ENOENT') return undefined;
      throw cannotLock(path, cause);
    }
  }

  /** Makes the next file of the row and removes the lower ones; false when another was faster. */
  async take(number: number, text: string): Promise<boolean> {
    const path = this.path(number);
    if (number > LAST_NUMBER) throw numbersUsedUp(path);
    try {
      if (!(await this.#make(path, text))) return false;
      if (await this.isPassed(number)) {
        await this.#disk.rm(path, { force: true });
        return false;
      }
      await this.#sweep(number);
      return true;
    } catch (cause) {
      throw cannotLock(path, cause);
    }
  }

  /**
   * Whether a higher file is there. Looks twice: a listing may miss a file that is made while it runs, and one that is
   * removed while it runs has been followed by a higher one, which the second listing sees.
   */
  async isPassed(number: number): Promise<boolean> {
    return (await this.#top()) > number || (await this.#top()) > number;
  }

  async beat(number: number): Promise<void> {
    await this.#disk.utimes(this.path(number), new Date(), new Date());
  }

  /** Marks the lock as free. After a takeover another does, and nothing is written. */
  async release(number: number): Promise<void> {
    // A folder that was taken away meanwhile needs no lock any more.
    if (await this.isPassed(number).catch(() => false)) return;
    await clear(this.#disk, this.path(number)).catch(() => undefined);
  }

  async #top(): Promise<number> {
    return Math.max(0, ...(await this.#numbered()).map(({ number }) => number));
  }

  /** The files of this row: the lock files, and what was written on the way to one. */
  async #numbered(also: RegExp = LOCK): Promise<{ name: string; number: number }[]> {
    const names = await this.#disk.readdir(this.#dir).catch((cause: unknown) => {
      throw cannotLock(this.#dir, cause);
    });
    return names
      .filter((name) => name.startsWith(this.#base) && also.test(name.slice(this.#base.length)))
      .map((name) => ({ name, number: Number.parseInt(name.slice(this.#base.length), 10) }));
  }

  /** Lower files count no more; a process that is still creating one notices. */
  async #sweep(number: number): Promise<void> {
    for (const { name, number: lower } of await this.#numbered(LOCK_OR_WRITTEN))
      if (lower < number) await this.#disk.rm(join(this.#dir, name), { force: true });
  }

  /** Makes a file with its content in one step; false when it is there already. */
  async #make(path: string, text: string): Promise<boolean> {
    const written = `${path}.${randomUUID()}.tmp`;
    try {
      await this.#disk.writeFile(written, text, { flag: 'wx', mode: PRIVATE_FILE });
      return await this.#link(written, path, text);
    } finally {
      await this.#disk.rm(written, { force: true });
    }
  }

  async #link(written: string, path: string, text: string): Promise<boolean> {
    try {
      await this.#disk.link(written, path);
      return true;
    } catch (cause) {
      const errno = errnoOf(cause) ?? '';
      if (NO_LINKS.has(errno)) return this.#writeNew(path, text);
      // Removed by the holder of a higher file.
      if (errno === 'ENOENT') return false;
      if (errno !== 'EEXIST') throw cause;
      // A network file system whose answer got lost asks again, and then meets its own link.
      return this.#disk.stat(written, { bigint: true }).then(
        ({ nlink }) => nlink === 2n,
        () => false,
      );
    }
  }

  /** For a moment the file is there and empty: a process killed at that moment blocks others until the silence limit. */
  async #writeNew(path: string, text: string): Promise<boolean> {
    return this.#disk.writeFile(path, text, { flag: 'wx', mode: PRIVATE_FILE }).then(
      () => true,
      (cause: unknown) => {
        if (errnoOf(cause) === 'EEXIST') return false;
        throw cause;
      },
    );
  }
}

/** Marks a lock as free, and leaves nothing in it of the run that held it. */
async function clear(disk: Disk, path: string): Promise<void> {
  const file = await disk.open(path, 'r+');
  try {
    // Over the beginning, in one write, before it is cut there: no process sees an empty file.
    await file.write(Buffer.from(RELEASED), 0, RELEASED.length, 0);
    await file.truncate(RELEASED.length);
  } finally {
    await file.close();
  }
}

/** Larger numbers are no longer counted one by one; no row of ours reaches this one. */
const LAST_NUMBER = 999_999_999_999_999;
const LOCK = /^\d{1,15}\.lock$/;
const LOCK_OR_WRITTEN = /^\d{1,15}\.lock(?:\.[0-9a-f-]{36}\.tmp)?$/;
/** File systems that have no hard links, by what they answer. */
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP']);

function numbersUsedUp(path: string): ProvisionError {
  return new ProvisionError('busy', `The lock cannot be taken: no number is left after the one in ${path}.`, {
    suggestions: ['No run of this tool made the file with the number before it. Remove the files of this lock.'],
  });
}

function cannotLock(path: string, cause: unknown): ProvisionError {
  const advice = ['Check that this user may write in that folder, and that the disk is not full.'];
  return diskError('lock', path, cause, { full: advice, otherwise: advice });
}
