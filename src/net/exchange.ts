/** One request and its answer, on undici's dispatcher: without streams in between, which cost more than all the rest. */
import type { Dispatcher } from 'undici';
import { MOST_INTERIM } from './limits.ts';

/**
 * The connection is not read any further while this much waits for the reader, in bytes: two pieces as they come from
 * the socket. What waits longer survives into V8's old generation, where it stays long after it was read.
 */
const MOST_WAITING = 128 * 1024;

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface AnswerHead {
  readonly status: number;
  readonly headers: Headers;
}

/** A server that announces its answer without end, and never gives it. */
export class InterimFloodError extends Error {
  override readonly name = 'InterimFloodError';
}

/** The answer's body is read with `next`; it must be read to its end, or aborted. */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly head: Promise<AnswerHead>;
  #answer: (head: AnswerHead) => void = () => {};
  #refuse: (reason: unknown) => void = () => {};
  #controller: Dispatcher.DispatchController | undefined;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #ended = false;
  #failed: { readonly reason: unknown } | undefined;
  #wake: (() => void) | undefined;
  #interim = 0;

  readonly #release: () => void;

  /** `release` is called when the exchange is over. */
  constructor(release: () => void) {
    this.#release = release;
    this.head = new Promise((resolve, reject) => {
      this.#answer = resolve;
      this.#refuse = reject;
    });
    // An abort may come before anybody waits for it.
    this.head.catch(() => {});
  }

  get isConnected(): boolean {
    return this.#controller !== undefined;
  }

  /** The next chunk; undefined at the end. Throws what the connection failed with, or the reason of an abort. */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const chunk = this.#waiting.shift();
      if (chunk !== undefined) {
        this.#waitingBytes -= chunk.length;
        if (this.#waiting.length === 0 && this.#controller?.paused === true) this.#controller.resume();
        return chunk;
      }
      if (this.#failed !== undefined) throw this.#failed.reason;
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Ends the connection, unless all of the answer came already. */
  abort(reason: Error): void {
    if (!this.#ended && this.#failed === undefined) {
      this.#waiting = [];
      this.#fail(reason);
      this.#controller?.abort(reason);
    }
    this.#release();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#failed !== undefined) controller.abort(asError(this.#failed.reason));
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: Headers): void {
    if (status >= 200) this.#answer({ status, headers });
    // 1xx only announces the answer.
    else this.#interim += 1;
    if (this.#interim > MOST_INTERIM) this.abort(new InterimFloodError(`more than ${MOST_INTERIM} interim answers`));
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (this.#failed !== undefined) return;
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    if (this.#waitingBytes >= MOST_WAITING) controller.pause();
    this.#wake?.();
  }

  onResponseEnd(): void {
    this.#ended = true;
    this.#release();
    this.#wake?.();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#fail(error);
  }

  #fail(reason: unknown): void {
    this.#failed ??= { reason };
    this.#refuse(reason);
    this.#release();
    this.#wake?.();
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
