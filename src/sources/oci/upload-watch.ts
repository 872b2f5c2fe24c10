/** What goes on while a large body is sent: how far it is, and whether it still moves. */
import type { Work } from '../../core/progress.ts';

/** The registry takes nothing for this long: it hangs. */
const SILENCE_MS = 60_000;
/** It has all bytes, and hashes and stores them before it answers. */
const COMMIT_MS = 10 * 60_000;

/** Ends a request whose other side takes nothing any more. */
export class Watch {
  readonly #stop = new AbortController();
  readonly #outer: AbortSignal;
  readonly #forward: () => void;
  #timer: NodeJS.Timeout;
  #limitMs = SILENCE_MS;

  constructor(outer: AbortSignal) {
    this.#outer = outer;
    this.#forward = () => this.#stop.abort(outer.reason);
    if (outer.aborted) this.#forward();
    outer.addEventListener('abort', this.#forward, { once: true });
    this.#timer = this.#arm();
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  finishing(): void {
    this.#limitMs = COMMIT_MS;
    this.moved();
  }

  moved(): void {
    clearTimeout(this.#timer);
    this.#timer = this.#arm();
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#outer.removeEventListener('abort', this.#forward);
    // Whoever gives up waiting wants nothing sent any more; a request that is over is not touched by it.
    this.#stop.abort();
  }

  reasonFor(thrown: unknown): unknown {
    return this.#stop.signal.aborted ? this.#stop.signal.reason : thrown;
  }

  #arm(): NodeJS.Timeout {
    const timer = setTimeout(
      () => this.#stop.abort(new DOMException(`nothing moved for ${this.#limitMs} ms`, 'TimeoutError')),
      this.#limitMs,
    );
    timer.unref();
    return timer;
  }
}

/** Hands what the body's reader sees to whoever drives the work: the newest count, not every one. */
export class Progress {
  readonly #total: number;
  #done = 0;
  #wake: () => void = () => {};

  constructor(total: number) {
    this.#total = total;
  }

  tell(done: number): void {
    this.#done = done;
    this.#wake();
  }

  async *until(ended: Promise<unknown>): Work<void> {
    let told = -1;
    let isOver = false;
    const over = ended.then(() => {
      isOver = true;
    });
    while (!isOver) {
      const moved = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      if (this.#done !== told) {
        told = this.#done;
        yield { type: 'bytes', id: 'upload', done: told, total: this.#total };
      }
      await Promise.race([moved, over]);
    }
  }
}
