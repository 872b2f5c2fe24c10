import type { ByteSource } from './byte-source.ts';
import { FIRST_CHUNK_BYTES, MAX_CHUNK_BYTES, MAX_HEADER_BYTES, MAX_WINDOW_BYTES } from './limits.ts';
import { refusal, truncation } from './refusal.ts';

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const LENIENT_UTF8 = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * Reads little-endian values front to back through a window of bounded size. `need(n)` fetches, everything else is
 * synchronous, so that a quarter of a million strings cost one await a chunk and not one a string.
 */
export class Cursor {
  readonly #source: ByteSource;
  readonly #fileBytes: number | undefined;
  /** Where the source ends, as far as that is known. */
  #end: number;
  #window: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  /** Memory of the window, once it is more than one piece: taken in one go, so that it never moves and leaves no garbage. */
  #memory: Uint8Array | undefined;
  /** File offset of the first byte of the window. */
  #start = 0;
  #position = 0;
  #chunk = FIRST_CHUNK_BYTES;

  constructor(source: ByteSource, fileBytes?: number) {
    this.#source = source;
    this.#fileBytes = fileBytes;
    this.#end = fileBytes ?? Number.POSITIVE_INFINITY;
  }

  /** File offset of the next byte. */
  get position(): number {
    return this.#position;
  }

  has(bytes: number): boolean {
    return this.#position >= this.#start && this.#position + bytes <= this.#start + this.#window.length;
  }

  /** Makes `bytes` bytes readable. `bytes` must be bounded by the caller. Throws `truncated-file` where the file ends first. */
  async need(bytes: number, what: string): Promise<void> {
    if (this.has(bytes)) return;
    this.claim(bytes, what);
    const windowEnd = this.#start + this.#window.length;
    // A short gap is read, not jumped over: a contiguous window costs no second read when a token is looked up.
    if (this.#position < this.#start || this.#position > windowEnd + this.#chunk) {
      this.#hold(this.#memory?.subarray(0, 0) ?? new Uint8Array(0), this.#position);
    }
    while (!this.has(bytes)) {
      const missing = this.#position + bytes - (this.#start + this.#window.length);
      if (!(await this.#grow(missing))) throw this.#endsEarly(what, this.#start + this.#window.length);
    }
  }

  /** What can be had without an error, up to `bytes`: for looking at files that may be no GGUF at all. */
  async peek(bytes: number): Promise<Uint8Array> {
    while (!this.has(bytes) && (await this.#grow(bytes)));
    const from = this.#position - this.#start;
    return this.#window.subarray(from, from + bytes);
  }

  /** Throws unless `bytes` more bytes can exist: `bad-gguf` beyond any header, `truncated-file` beyond this file. */
  claim(bytes: number, what: string): void {
    const end = this.#position + bytes;
    if (end > MAX_HEADER_BYTES) {
      throw refusal(`${what} would need ${bytes} bytes, more than any GGUF header has`, this.#position);
    }
    if (this.#fileBytes !== undefined && end > this.#fileBytes) throw this.#endsEarly(what, this.#fileBytes);
  }

  skip(bytes: number, what: string): void {
    this.claim(bytes, what);
    this.#position += bytes;
  }

  /**
   * Steps over texts with their lengths in front that lie in the window, at most `count` of them and none longer than
   * `limit` bytes; says how many.
   */
  skipTexts(count: number, limit: number): number {
    if (this.#position < this.#start) return 0;
    const view = this.#view;
    const end = view.byteLength;
    let at = this.#position - this.#start;
    let done = 0;
    while (done < count && at + 8 <= end) {
      const length = view.getUint32(at, true);
      const next = at + 8 + length;
      if (length > limit || next > end || view.getUint32(at + 4, true) !== 0) break;
      at = next;
      done += 1;
    }
    this.#position = this.#start + at;
    return done;
  }

  seek(position: number): void {
    this.#position = position;
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  i8(): number {
    return this.#view.getInt8(this.#advance(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  i16(): number {
    return this.#view.getInt16(this.#advance(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  i32(): number {
    return this.#view.getInt32(this.#advance(4), true);
  }

  f32(): number {
    return this.#view.getFloat32(this.#advance(4), true);
  }

  f64(): number {
    return this.#view.getFloat64(this.#advance(8), true);
  }

  /** Exact up to 2^53 - 1; anything larger comes out as a number that is not a safe integer. */
  u64(): number {
    const at = this.#advance(8);
    return this.#view.getUint32(at + 4, true) * 2 ** 32 + this.#view.getUint32(at, true);
  }

  /** Exact within ±(2^53 - 1). */
  i64(): number {
    return Number(this.#view.getBigInt64(this.#advance(8), true));
  }

  /** Throws `bad-gguf` when the bytes are no UTF-8. */
  strictText(bytes: number, what: string): string {
    const offset = this.#position;
    try {
      return UTF8.decode(this.#take(bytes));
    } catch {
      throw refusal(`${what} is not UTF-8`, offset);
    }
  }

  /** Bytes that are no UTF-8 become U+FFFD: such a text is odd, but llama.cpp loads the file. */
  text(bytes: number): string {
    return LENIENT_UTF8.decode(this.#take(bytes));
  }

  #take(bytes: number): Uint8Array {
    const at = this.#advance(bytes);
    return this.#window.subarray(at, at + bytes);
  }

  /** Index in the window of the next byte; moves behind `bytes` bytes. */
  #advance(bytes: number): number {
    const at = this.#position - this.#start;
    this.#position += bytes;
    return at;
  }

  /** Reads on by a chunk, or by `atLeast` bytes if that is more; false at the end of the file. */
  async #grow(atLeast: number): Promise<boolean> {
    const piece = await this.#fetch(Math.max(atLeast, this.#chunk));
    if (piece.length > 0) this.#append(piece);
    this.#chunk = Math.min(this.#chunk * 2, MAX_CHUNK_BYTES);
    return piece.length > 0;
  }

  async #fetch(length: number): Promise<Uint8Array> {
    const offset = this.#start + this.#window.length;
    const wanted = Math.min(length, this.#end - offset);
    if (wanted <= 0) return new Uint8Array(0);
    const piece = (await this.#source.read(offset, wanted, this.#roomFor(wanted))).subarray(0, wanted);
    if (piece.length < wanted) this.#end = offset + piece.length;
    return piece;
  }

  /** Free memory behind the window; drops what lies behind the cursor when there is no room left. None for a first piece. */
  #roomFor(bytes: number): Uint8Array | undefined {
    if (this.#window.length === 0 && this.#memory === undefined) return undefined;
    const memory = this.#memory ?? this.#allocate();
    if (this.#window.length + bytes > memory.length) {
      const dropped = Math.min(this.#position - this.#start, this.#window.length);
      memory.copyWithin(0, dropped, this.#window.length);
      this.#hold(memory.subarray(0, this.#window.length - dropped), this.#start + dropped);
    }
    return memory.subarray(this.#window.length, this.#window.length + bytes);
  }

  #allocate(): Uint8Array {
    const memory = new Uint8Array(MAX_WINDOW_BYTES);
    memory.set(this.#window);
    this.#memory = memory;
    this.#hold(memory.subarray(0, this.#window.length), this.#start);
    return memory;
  }

  #append(piece: Uint8Array): void {
    const memory = this.#memory;
    if (memory === undefined) {
      this.#hold(piece, this.#start);
      return;
    }
    const { length } = this.#window;
    const inPlace = piece.buffer === memory.buffer && piece.byteOffset === memory.byteOffset + length;
    if (!inPlace) memory.set(piece, length);
    this.#hold(memory.subarray(0, length + piece.length), this.#start);
  }

  #hold(window: Uint8Array, start: number): void {
    this.#window = window;
    this.#view = new DataView(window.buffer, window.byteOffset, window.byteLength);
    this.#start = start;
  }

  #endsEarly(what: string, end: number): Error {
    return truncation(`the file ends after ${end} bytes, inside its header, where ${what} should be`);
  }
}
