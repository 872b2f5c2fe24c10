import { KIB, MIB } from '../../core/units.ts';
import type { RequestFailure } from './errors.ts';
import type { PartFile } from './part-file.ts';
import type { RangeClient, RangeReply } from './range-client.ts';
import type { Range } from './ranges.ts';

/**
 * Bytes are collected before they are written, in two buffers for a connection: one fills while the other is written.
 * What is in them is lost when the process is killed: at most a MiB for a connection, and less where there are many.
 */
const MOST_STAGED = 512 * KIB;
const LEAST_STAGED = 64 * KIB;
const ALL_STAGED = 2 * MIB;

export interface ConnectionParts {
  readonly client: RangeClient;
  readonly part: PartFile;
  /** Called with the number of bytes received. */
  readonly received: (bytes: number) => void;
  /** Called when some of them are written. */
  readonly written: () => void;
}

/** One connection that brings one stretch of the file. Its end may be moved towards its position while it runs. */
export class Connection {
  readonly #parts: ConnectionParts;
  readonly #stop = new AbortController();
  readonly #unlink: () => void;
  readonly #start: number;
  #end: number;
  #position: number;
  #bytes = 0;
  #stage: Buffer;
  #spare: Buffer;
  #staged = 0;
  #writing: Promise<void> | undefined;
  /** False where the server gives the file from its start and no part of it. */
  ranged = true;

  /** `others`: connections that there are besides. */
  constructor(parts: ConnectionParts, range: Range, others: number, signal: AbortSignal) {
    this.#parts = parts;
    this.#start = range.start;
    this.#position = range.start;
    this.#end = range.end;
    const staged = Math.max(LEAST_STAGED, Math.min(MOST_STAGED, Math.floor(ALL_STAGED / (others + 1))));
    this.#stage = Buffer.allocUnsafe(staged);
    this.#spare = Buffer.allocUnsafe(staged);
    const forward = (): void => this.#stop.abort(signal.reason);
    signal.addEventListener('abort', forward, { once: true });
    this.#unlink = () => signal.removeEventListener('abort', forward);
    if (signal.aborted) forward();
  }

  /** The range assigned to this connection, including what it has received. */
  get claim(): Range {
    return { start: this.#start, end: this.#end };
  }

  /** What is still to come. */
  get rest(): Range {
    return { start: this.#position, end: this.#end };
  }

  /** Bytes that it has brought so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Shortens the range: another connection fetches the bytes from `end` on. */
  shorten(end: number): void {
    this.#end = Math.max(this.#position, Math.min(this.#end, end));
  }

  /** Ends the connection: what it brought so far is kept. */
  giveUp(failure: RequestFailure): void {
    this.#stop.abort(failure);
  }

  /** Resolves when the stretch is written. Throws a `Failure`, what the disk refused, or the reason of an abort. */
  async run(ranged: boolean): Promise<void> {
    try {
      const { start, end } = this.rest;
      const validator = this.#parts.part.validator;
      const opened = await this.#parts.client.request({ start, end, ranged, validator }, this.#stop.signal);
      await this.#take(opened);
    } finally {
      this.#unlink();
      // What has come is kept, whatever happened then.
      await this.#flush();
    }
  }

  async #take(opened: RangeReply): Promise<void> {
    this.ranged = opened.ranged;
    try {
      await this.#parts.part.setValidator(opened.validator);
      // A server may send less than was requested.
      if (opened.ranged && opened.end !== undefined) this.shorten(opened.end);
      for await (const chunk of this.#chunks(opened)) {
        this.#parts.received(chunk.length);
        this.#bytes += chunk.length;
        const room = this.#end - this.#position;
        // One byte more than there should be is enough to know.
        if (chunk.length > room && !opened.ranged) throw this.#parts.client.tooLong(opened.url);
        await this.#keep(chunk.subarray(0, room));
        if (this.#position === this.#end && opened.ranged && opened.end !== this.#end) return;
        if (chunk.length > room) return;
      }
      // An answer that ends early without an error is as good as a cut.
      if (this.#position < this.#end) throw this.#parts.client.endedEarly(opened.url);
    } finally {
      await opened.close();
    }
  }

  async *#chunks(opened: RangeReply): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* opened.body;
    } catch (thrown) {
      this.#stop.signal.throwIfAborted();
      // Behind the last byte that is wanted nothing matters any more.
      if (this.#position < this.#end) throw this.#parts.client.failed(opened.url, thrown);
    }
  }

  async #keep(chunk: Uint8Array): Promise<void> {
    for (let taken = 0; taken < chunk.length; ) {
      const piece = chunk.subarray(taken, taken + this.#stage.length - this.#staged);
      this.#stage.set(piece, this.#staged);
      this.#staged += piece.length;
      this.#position += piece.length;
      taken += piece.length;
      if (this.#staged === this.#stage.length) await this.#write();
    }
  }

  /** Waits for the write before, then begins the next one. */
  async #write(): Promise<void> {
    await this.#writing;
    if (this.#staged === 0) return;
    const full = this.#stage.subarray(0, this.#staged);
    const writing = this.#parts.part.write(this.#position - full.length, full);
    [this.#stage, this.#spare] = [this.#spare, this.#stage];
    this.#staged = 0;
    this.#writing = writing;
    // A failure is thrown by the next `await` of this promise.
    writing.then(this.#parts.written, () => {});
  }

  async #flush(): Promise<void> {
    await this.#write();
    await this.#writing;
  }
}
