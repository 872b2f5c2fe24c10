import { backoffMs } from '../../net/retry-policy.ts';
import type { DownloadEffects } from './contract.ts';
import type { RequestFailure } from './errors.ts';
import type { DownloadLimits } from './limits.ts';

/** Decides how often and after what delay a request is retried. Progress resets the count of failures. */
export class RetryPolicy {
  readonly #effects: Pick<DownloadEffects, 'clock' | 'random'>;
  readonly #limits: DownloadLimits;
  #failures = 0;
  /** The most bytes stored at the last progress: bytes received twice do not count. */
  #best: number;
  /** Bytes received at the last sufficient progress, including those received twice. */
  #moved: number;
  #since: number;

  /** `here`: bytes of the file that are stored; `moved`: bytes received for it so far. */
  constructor(effects: Pick<DownloadEffects, 'clock' | 'random'>, limits: DownloadLimits, here: number, moved: number) {
    this.#effects = effects;
    this.#limits = limits;
    this.#best = here;
    this.#moved = moved;
    this.#since = effects.clock();
  }

  recordProgress(here: number, moved: number): void {
    const { progressBytes } = this.#limits;
    if (moved >= this.#moved + progressBytes) {
      this.#moved = moved;
      this.#since = this.#effects.clock();
    }
    if (here < this.#best + progressBytes) return;
    this.#best = here;
    this.#failures = 0;
  }

  /** Excludes time, in ms, that passed for another reason. */
  excludeTime(ms: number): void {
    this.#since += ms;
  }

  /** Too few bytes arrived for too long. */
  get stalled(): boolean {
    return this.#effects.clock() - this.#since >= this.#limits.stallMs;
  }

  /** How long to wait, in ms, before the next try; undefined when there is none. */
  afterFailure({ kind, waitMs }: RequestFailure): number | undefined {
    if (kind !== 'again' || this.stalled) return undefined;
    this.#failures += 1;
    if (this.#failures >= this.#limits.tries) return undefined;
    const { random } = this.#effects;
    const wait =
      waitMs === undefined
        ? backoffMs(this.#failures, random, this.#limits)
        : waitMs + backoffMs(1, random, this.#limits);
    // Waiting does not count as silence of the server.
    this.#since += wait;
    return wait;
  }
}
