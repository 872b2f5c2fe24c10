import type { DownloadEffects } from './effects.ts';
import { Lane, type LaneParts } from './lane.ts';
import type { DownloadLimits } from './limits.ts';
import type { Range } from './ranges.ts';

export interface Ended {
  readonly lane: Lane;
  /** What it failed with. */
  readonly error?: unknown;
}

interface Watched {
  readonly lane: Lane;
  /** What the lane had brought when it was last looked at closely. */
  bytes: number;
  since: number;
}

/** The connections of one download: none brings what another one brings. */
export class Lanes {
  readonly #parts: LaneParts;
  readonly #effects: Pick<DownloadEffects, 'clock'>;
  readonly #limits: DownloadLimits;
  readonly #watched = new Map<Lane, Watched>();
  readonly #running = new Set<Promise<void>>();
  readonly #ended: Ended[] = [];
  #wake: () => void = () => {};

  constructor(parts: LaneParts, effects: Pick<DownloadEffects, 'clock'>, limits: DownloadLimits) {
    this.#parts = parts;
    this.#effects = effects;
    this.#limits = limits;
  }

  get count(): number {
    return this.#watched.size;
  }

  /** Every connection has brought something. */
  get flowing(): boolean {
    return [...this.#watched.keys()].every(({ bytes }) => bytes > 0);
  }

  /** Starts connections up to `target`, as far as there is something left to bring that is worth one. */
  fill(target: number, sizeBytes: number, ranged: boolean, signal: AbortSignal): void {
    while (this.count < target) {
      const range = this.#free(sizeBytes) ?? this.#split();
      if (range === undefined) return;
      const lane = new Lane(this.#parts, range, this.count, signal);
      this.#watched.set(lane, { lane, bytes: 0, since: this.#effects.clock() });
      const running = lane.run(ranged).then(
        () => this.#end({ lane }),
        (error: unknown) => this.#end({ lane, error }),
      );
      this.#running.add(running);
      running.finally(() => this.#running.delete(running)).catch(() => {});
    }
  }

  /** Those that ended since it was last asked. */
  takeEnded(): Ended[] {
    return this.#ended.splice(0);
  }

  /** Resolves when the next one ends. */
  next(): Promise<void> {
    if (this.#ended.length > 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Gives up those that drip. */
  dropSlow(): void {
    const { slowMs, slowBytes } = this.#limits;
    const now = this.#effects.clock();
    for (const watched of this.#watched.values()) {
      if (now - watched.since < slowMs) continue;
      const { lane } = watched;
      if (lane.bytes - watched.bytes < slowBytes) lane.giveUp(this.#parts.asker.tooSlow(slowBytes, slowMs));
      watched.bytes = lane.bytes;
      watched.since = now;
    }
  }

  /** Ends all; resolves when what they brought is written. */
  async stop(): Promise<void> {
    for (const lane of this.#watched.keys()) lane.giveUp(this.#parts.asker.stopped());
    await Promise.all(this.#running);
    this.#ended.length = 0;
  }

  #end(ended: Ended): void {
    this.#watched.delete(ended.lane);
    this.#ended.push(ended);
    this.#wake();
  }

  /** The first stretch that is not here and that nobody brings. */
  #free(sizeBytes: number): Range | undefined {
    const claims = [...this.#watched.keys()].map(({ claim }) => claim).sort((a, b) => a.start - b.start);
    for (const gap of this.#parts.part.have.missing(sizeBytes)) {
      let { start } = gap;
      for (const claim of claims) {
        if (claim.end <= start || claim.start >= gap.end) continue;
        if (claim.start > start) return { start, end: claim.start };
        start = claim.end;
      }
      if (start < gap.end) return { start, end: gap.end };
    }
    return undefined;
  }

  /** The second half of what the connection with the most to do has still to bring. */
  #split(): Range | undefined {
    let most: Lane | undefined;
    for (const lane of this.#watched.keys()) {
      if (lane.ranged && lane.bytes > 0 && length(lane.rest) > (most === undefined ? 0 : length(most.rest)))
        most = lane;
    }
    if (most === undefined || length(most.rest) < 2 * this.#limits.minSplitBytes) return undefined;
    const { start, end } = most.rest;
    const middle = start + Math.ceil((end - start) / 2);
    most.shorten(middle);
    return { start: middle, end };
  }
}

function length({ start, end }: Range): number {
  return end - start;
}
