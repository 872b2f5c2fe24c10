import { TimeoutError } from '../../net/http.ts';
import { CHAT } from '../../net/limits.ts';
import { UnreadableReply } from './server-errors.ts';

/**
 * The limits of one generated answer, from the tokens that were asked for and the speed of the first ones. A server may
 * be slow, or lie: with them an answer ends, and fits into memory. Only time that is spent waiting for the server counts.
 */
export class AnswerLimits {
  readonly #tokens: number;
  #lines = 0;
  #characters = 0;
  #waitedMs = 0;
  #allowedMs: number = CHAT.measuredWithinMs;

  /** `tokens`: as `num_predict` has it; not positive or undefined means until the context is full. */
  constructor(tokens: number | undefined) {
    this.#tokens = tokens !== undefined && tokens > 0 ? tokens : CHAT.unlimitedTokens;
  }

  /**
   * Counts one line of the stream, which has at least one token. `waitedMs`: since the line before it was read.
   * Throws `TimeoutError`, `UnreadableReply`.
   */
  add(piece: string, waitedMs: number): void {
    this.#lines += 1;
    this.#characters += piece.length;
    // Until the first line the model is loaded and the prompt is read, which has a limit of its own.
    if (this.#lines > 1) this.#waitedMs += waitedMs;
    if (this.#lines === CHAT.measuredTokens) this.#allowedMs = this.#whole();
    if (this.#waitedMs > this.#allowedMs) throw new TimeoutError(this.#allowedMs, 'end');
    // The last line has no token, and a server may count in another way.
    if (this.#lines > 2 * this.#tokens + CHAT.measuredTokens)
      throw new UnreadableReply(`more than the ${this.#tokens} tokens that were asked for`);
    if (this.#characters > (this.#tokens + CHAT.measuredTokens) * CHAT.longestToken)
      throw new UnreadableReply(`a longer text than the ${this.#tokens} tokens that were asked for`);
  }

  #whole(): number {
    const perToken = this.#waitedMs / (this.#lines - 1);
    return CHAT.graceMs + perToken * this.#tokens * CHAT.slowdown;
  }
}
