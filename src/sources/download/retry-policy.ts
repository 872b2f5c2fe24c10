import type { DownloadEffects } from './contract.ts';
import type { RequestFailure } from './errors.ts';
import type { DownloadLimits } from './limits.ts';

/** Decides how often and after what time a request is sent again. Progress makes it forget what went wrong before. */
export class RetryPolicy {
  readonly #effects: Pick<DownloadEffects, 'clock' | 'random'>;
  readonly #limits: DownloadLimits;
  #failures = 0;
  /** The most bytes that were here when progress was last seen: bytes that come a second time are none. */
  #best: number;
  /** Bytes that had come when enough had come last, also those that came a second time. */
  #moved: number;
  #since: number;

  /** `here`: bytes of the file that are here; `moved`: bytes that came for it so far. */
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

  /** Time that passed for another reason, in ms. */
  excludeTime(ms: number): void {
    this.#since += ms;
  }

  /** Too little came for too long. */
  get stalled(): boolean {
    return this.#effects.clock() - this.#since >= this.#limits.stallMs;
  }

  /** How long to wait, in ms, before the next try; undefined when there is none. */
  afterFailure({ kind, waitMs }: RequestFailure): number | undefined {
    if (kind !== 'again' || this.stalled) return undefined;
    this.#failures += 1;
    if (this.#failures >= this.#limits.tries) return undefined;
    const { waitMs: base, waitCapMs } = this.#limits;
    // Full jitter: many clients that were cut at once do not come back at once.
    const jitter = this.#effects.random() * Math.min(waitCapMs, base * 2 ** (this.#failures - 1));
    const wait = waitMs === undefined ? jitter : waitMs + this.#effects.random() * base;
    // Time that is waited is not the server's silence.
    this.#since += wait;
    return wait;
  }
}
