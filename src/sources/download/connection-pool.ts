import { Lane, type LaneParts } from './connection.ts';
import type { DownloadEffects } from './contract.ts';
import type { DownloadLimits } from './limits.ts';
import type { Range } from './ranges.ts';

export interface Ended {
  readonly lane: Lane;
  /** What it failed with. */
  readonly error?: unknown;
}

/** A connection is asked for so much at once as it brings in this time, in ms: then the question costs next to nothing. */
const PIECE_MS = 8000;
/** What a connection brings within this time, in ms, is not worth another one. */
const WORTH_MS = 1500;

interface Watched {
  readonly lane: Lane;
  readonly began: number;
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
  /** How much the next connection is asked for. */
  #pieceBytes: number;
  #wake: () => void = () => {};

  constructor(parts: LaneParts, effects: Pick<DownloadEffects, 'clock'>, limits: DownloadLimits) {
    this.#parts = parts;
    this.#effects = effects;
    this.#limits = limits;
    this.#pieceBytes = limits.leastPieceBytes;
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
      const now = this.#effects.clock();
      this.#watched.set(lane, { lane, bytes: 0, began: now, since: now });
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
    const { lane } = ended;
    const watched = this.#watched.get(lane);
    if (watched !== undefined && lane.bytes >= this.#limits.leastPieceBytes) {
      const { leastPieceBytes, mostPieceBytes } = this.#limits;
      const bytes = Math.round(this.#rateOf(watched) * PIECE_MS);
      this.#pieceBytes = Math.max(leastPieceBytes, Math.min(mostPieceBytes, bytes));
    }
    this.#watched.delete(lane);
    this.#ended.push(ended);
    this.#wake();
  }

  /** Bytes a ms. */
  #rateOf({ lane, began }: Watched): number {
    return lane.bytes / Math.max(1, this.#effects.clock() - began);
  }

  /** The first stretch that is not here and that nobody brings, as far as one connection is asked for at once. */
  #free(sizeBytes: number): Range | undefined {
    const claims = [...this.#watched.keys()].map(({ claim }) => claim).sort((a, b) => a.start - b.start);
    for (const gap of this.#parts.part.have.missing(sizeBytes)) {
      let { start } = gap;
      for (const claim of claims) {
        if (claim.end <= start || claim.start >= gap.end) continue;
        if (claim.start > start) return this.#piece(start, claim.start);
        start = claim.end;
      }
      if (start < gap.end) return this.#piece(start, gap.end);
    }
    return undefined;
  }

  #piece(start: number, end: number): Range {
    return { start, end: Math.min(end, start + this.#pieceBytes) };
  }

  /**
   * The second half of what the connection with the most to do has still to bring. That connection is cut at its new
   * end, and what is under way behind it is lost: not worth it for what it would bring soon by itself.
   */
  #split(): Range | undefined {
    const slow = [...this.#watched.values()].filter(
      (each) => each.lane.ranged && each.lane.bytes > 0 && length(each.lane.rest) > this.#rateOf(each) * WORTH_MS,
    );
    const most = slow.reduce<Watched | undefined>(
      (best, each) => (best === undefined || length(each.lane.rest) > length(best.lane.rest) ? each : best),
      undefined,
    )?.lane;
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
