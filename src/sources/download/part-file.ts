import * as z from 'zod';
import { Digest } from '../../core/digest.ts';
import { errnoOf } from '../../core/errors.ts';
import { looseJson } from '../../core/parse.ts';
import { MIB } from '../../core/units.ts';
import type { Disk, OpenFile } from '../../disk/disk.ts';
import { OPEN_EMPTY, OPEN_OR_CREATE } from '../../disk/disk.ts';
import { cacheError } from '../cache/errors.ts';
import { stateFileOf } from './contract.ts';
import { Ranges } from './ranges.ts';

/**
 * The state of a partial file: a first line that says what file it is, then a line for every stretch that was written,
 * in the order of writing. Lines are only ever added, so that a process that is killed loses at most the last one.
 */

export const StateHead = z.strictObject({
  schemaVersion: z.literal(1),
  sizeBytes: z.int().nonnegative(),
  digest: Digest,
  /** What the server called these bytes: a strong ETag or a Last-Modified, to be sent as If-Range. */
  validator: z.string().max(1024).optional(),
});
export type StateHead = z.infer<typeof StateHead>;

export interface State {
  readonly head: StateHead;
  readonly ranges: Ranges;
}

export function headLine(head: StateHead): string {
  return `${JSON.stringify(StateHead.parse(head))}\n`;
}

export function rangeLine(start: number, end: number): string {
  return `${start} ${end}\n`;
}

/** Undefined for a file that is not a state file. A truncated last line is ignored, and so is an invalid range. */
export function parseState(text: string): State | undefined {
  const [first = '', ...lines] = text.split('\n');
  // Behind the last line end is nothing, or a line that was not finished.
  lines.pop();
  const head = StateHead.safeParse(looseJson(first)).data;
  if (head === undefined) return undefined;
  const ranges = new Ranges();
  for (const line of lines) {
    const [, start = '', end = ''] = /^(\d{1,15}) (\d{1,15})$/.exec(line) ?? [];
    if (end !== '' && Number(end) <= head.sizeBytes) ranges.add(Number(start), Number(end));
  }
  return { head, ranges };
}

const MODE = 0o600;

/** Written bytes are sent to the disk in the background whenever so many have come together. */
const SYNC_BYTES = 32 * MIB;

export interface Identity {
  readonly sizeBytes: number;
  readonly digest: Digest;
}

/** A file that is written in pieces, and the state file that lists the pieces that are complete. Throws `disk-full`, `file-access`. */
export class PartFile {
  readonly path: string;
  readonly #disk: Disk;
  readonly #identity: Identity;
  readonly #data: OpenFile;
  #state: OpenFile | undefined;
  #have = new Ranges();
  #validator: string | undefined;
  /** Where the next line of the state file goes. */
  #stateEnd = 0;
  /** Stretches that are written and not in the state file yet. */
  #unsaved: string[] = [];
  #saving: Promise<void> | undefined;
  #fault: unknown;
  /** Written since the last sync was begun. */
  #unsynced = 0;
  #syncing: Promise<void> | undefined;
  #finished = false;
  #rewriting = false;

  private constructor(disk: Disk, path: string, identity: Identity, data: OpenFile) {
    this.#disk = disk;
    this.path = path;
    this.#identity = identity;
    this.#data = data;
  }

  /** Opens what is there from an earlier run, or begins. What cannot be of this file is dropped. */
  static async open(disk: Disk, path: string, identity: Identity): Promise<PartFile> {
    const data = await opened(disk, path, OPEN_OR_CREATE);
    const part = new PartFile(disk, path, identity, data);
    try {
      await part.#load();
      return part;
    } catch (error) {
      await part.close();
      throw error;
    }
  }

  get have(): Ranges {
    return this.#have;
  }

  get validator(): string | undefined {
    return this.#validator;
  }

  /** Writes a stretch; it counts as being here when this resolves. */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#requireSaved();
    await this.#guarded(this.path, () => writeAll(this.#data, bytes, offset));
    this.#have.add(offset, offset + bytes.length);
    this.#unsaved.push(rangeLine(offset, offset + bytes.length));
    if (!this.#rewriting) this.#saving ??= this.#save();
    this.#unsynced += bytes.length;
    if (this.#unsynced >= SYNC_BYTES) this.#syncing ??= this.#syncBehind();
  }

  /** The state file is up to date when this resolves. */
  async flushState(): Promise<void> {
    while (this.#saving !== undefined) await this.#saving;
    this.#requireSaved();
  }

  /** Discards all bytes and starts over. */
  async restart(validator?: string): Promise<void> {
    this.#have = new Ranges();
    this.#validator = validator;
    await this.#guarded(this.path, () => this.#data.truncate(0));
    await this.#rewrite();
  }

  /** Stores the server's validator (ETag or Last-Modified) for these bytes. */
  async setValidator(validator: string | undefined): Promise<void> {
    if (validator === undefined || validator === this.#validator) return;
    this.#validator = validator;
    await this.#rewrite();
  }

  /** The file is whole: its bytes are on the disk, and the state file is gone. */
  async finish(): Promise<void> {
    await this.#syncing;
    await this.flushState();
    await this.#guarded(this.path, () => this.#data.sync());
    await this.#guarded(stateFileOf(this.path), () => this.#disk.unlink(stateFileOf(this.path)));
    this.#finished = true;
  }

  async close(): Promise<void> {
    await this.#syncing;
    await this.flushState().catch(() => {});
    await this.#data.close();
    await this.#state?.close();
    // An empty file cannot be resumed, so it is removed.
    if (this.#have.total === 0 && !this.#finished) await this.remove();
  }

  async remove(): Promise<void> {
    const state = stateFileOf(this.path);
    for (const path of [this.path, state, `${state}.new`]) {
      await this.#disk.unlink(path).catch((cause: unknown) => {
        if (errnoOf(cause) !== 'ENOENT') throw cacheError(path, 'remove', cause);
      });
    }
  }

  async #load(): Promise<void> {
    const size = Number((await this.#guarded(this.path, () => this.#data.stat({ bigint: true }))).size);
    const text = await this.#stateText();
    const state = text === undefined ? undefined : parseState(text);
    const mine = state?.head.digest === this.#identity.digest && state.head.sizeBytes === this.#identity.sizeBytes;
    if (size > this.#identity.sizeBytes || (text !== undefined && !mine)) return this.restart();
    // Without a state the file was written in order.
    if (!mine) this.#have.add(0, size);
    else for (const { start, end } of state.ranges.list) this.#have.add(start, Math.min(end, size));
    this.#validator = mine ? state.head.validator : undefined;
    await this.#rewrite();
  }

  async #stateText(): Promise<string | undefined> {
    const path = stateFileOf(this.path);
    try {
      return await this.#disk.readFile(path, 'utf8');
    } catch (cause) {
      if (errnoOf(cause) === 'ENOENT') return undefined;
      throw cacheError(path, 'read', cause);
    }
  }

  /** Rewrites the state file with one line for each range. The old one stays until the new one is complete. */
  async #rewrite(): Promise<void> {
    // From here on nothing is added to the old one.
    this.#rewriting = true;
    try {
      await this.flushState();
      await this.#replaceState();
    } finally {
      this.#rewriting = false;
    }
    if (this.#unsaved.length > 0) this.#saving ??= this.#save();
  }

  async #replaceState(): Promise<void> {
    const { sizeBytes, digest } = this.#identity;
    const validator = this.#validator;
    const head: StateHead = { schemaVersion: 1, sizeBytes, digest, ...(validator !== undefined && { validator }) };
    const text = headLine(head) + this.#have.list.map(({ start, end }) => rangeLine(start, end)).join('');
    const path = stateFileOf(this.path);
    this.#unsaved = [];
    this.#stateEnd = 0;
    const old = this.#state;
    this.#state = undefined;
    await old?.close();
    const fresh = await opened(this.#disk, `${path}.new`, OPEN_EMPTY);
    this.#state = fresh;
    await this.#guarded(path, async () => {
      await this.#append(fresh, text);
      await this.#disk.rename(`${path}.new`, path);
    });
  }

  async #save(): Promise<void> {
    try {
      while (this.#unsaved.length > 0 && this.#state !== undefined) {
        const text = this.#unsaved.join('');
        this.#unsaved = [];
        await this.#append(this.#state, text);
      }
    } catch (cause) {
      this.#fault = cacheError(stateFileOf(this.path), 'write', cause);
    } finally {
      this.#saving = undefined;
    }
  }

  /** The disk works while the network does, and has little left to do at the end. */
  async #syncBehind(): Promise<void> {
    this.#unsynced = 0;
    try {
      await this.#data.datasync();
    } catch (cause) {
      // A disk reports a lost write only once, so the error is kept.
      this.#fault = cacheError(this.path, 'write', cause);
    } finally {
      this.#syncing = undefined;
    }
  }

  async #append(state: OpenFile, text: string): Promise<void> {
    const bytes = Buffer.from(text, 'utf8');
    const at = this.#stateEnd;
    this.#stateEnd += bytes.length;
    await writeAll(state, bytes, at);
  }

  #requireSaved(): void {
    if (this.#fault !== undefined) throw this.#fault;
  }

  async #guarded<Result>(path: string, task: () => Promise<Result>): Promise<Result> {
    try {
      return await task();
    } catch (cause) {
      throw cacheError(path, 'write', cause);
    }
  }
}

async function opened(disk: Disk, path: string, flags: number): Promise<OpenFile> {
  try {
    return await disk.open(path, flags, MODE);
  } catch (cause) {
    throw cacheError(path, 'write', cause);
  }
}

/** The system may take less than it is given. */
async function writeAll(handle: OpenFile, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
