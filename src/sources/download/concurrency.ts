/** A rate has to rise by this much for more connections to be worth it. */
const GAIN = 1.25;
/** Slower than this, in bytes a ms, is a server in trouble: more connections would not help it. */
const TROUBLE = 16;
/** A doubling that brings this much is as good as one. */
const LIMITED = 1.75;
/** One connection that brings so much, in bytes a ms (100 MiB/s), is not what limits a download. */
const PLENTY = 105_000;
/** What would be done within this time, in ms, is not worth another connection. */
const WORTH_MS = 1500;

/** What did not help is tried again after so many measurements, then after four times as many, … */
const PAUSE = 10;

export interface ConcurrencyLimits {
  readonly measureMs: number;
  readonly maxConnections: number;
}

/**
 * How many connections are worth having: one at first, twice as many while each doubling raises the throughput by a
 * quarter, and four times as many once a doubling doubled it. A server that limits every connection gets as many as are
 * allowed, one that limits the whole keeps one.
 */
export class ConcurrencyController {
  readonly #limits: ConcurrencyLimits;
  #target = 1;
  /** The target before the last rise and its rate, in bytes a ms. */
  #before: { readonly target: number; readonly rate: number } | undefined;
  #window: { readonly at: number; readonly bytes: number } | undefined;
  #settled = false;
  #pauseMs: number;
  /** Nothing is tried before. */
  #notBefore = 0;

  constructor(limits: ConcurrencyLimits) {
    this.#limits = limits;
    this.#settled = limits.maxConnections <= 1;
    this.#pauseMs = limits.measureMs * PAUSE;
  }

  get target(): number {
    return this.#target;
  }

  /** Never more than this from now on. */
  limitTo(target: number): void {
    this.#target = Math.max(1, Math.min(target, this.#limits.maxConnections));
    this.#settled = true;
  }

  /** `bytes` came in all so far, `left` are to come; `flowing` when every connection has brought some. */
  measure(at: number, bytes: number, left: number, flowing: boolean): void {
    if (this.#settled || at < this.#notBefore) return;
    if (!flowing || this.#window === undefined) {
      this.#window = { at, bytes };
      return;
    }
    const ms = at - this.#window.at;
    if (ms < this.#limits.measureMs) return;
    const rate = (bytes - this.#window.bytes) / ms;
    this.#window = undefined;
    const before = this.#before;
    if (before !== undefined && rate < before.rate * GAIN) {
      this.#stepBack(at, before.target);
      return;
    }
    if (this.#target >= this.#limits.maxConnections) {
      this.limitTo(this.#target);
      return;
    }
    if (before === undefined && rate > PLENTY * this.#target) {
      this.#stepBack(at, this.#target);
      return;
    }
    // Shortly before the end everything stays as it is.
    if (rate < TROUBLE || left < rate * WORTH_MS) return;
    // Twice the connections brought twice as much: it is each of them that is limited.
    const each = before !== undefined && rate > before.rate * LIMITED;
    this.#before = { target: this.#target, rate };
    this.#target = Math.min(this.#target * (each ? 4 : 2), this.#limits.maxConnections);
  }

  /** For a time: what else the line carried at that moment may be the reason. */
  #stepBack(at: number, target: number): void {
    this.#target = target;
    this.#before = undefined;
    this.#notBefore = at + this.#pauseMs;
    this.#pauseMs *= 4;
  }
}
