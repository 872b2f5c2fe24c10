import { Connection, type ConnectionParts } from './connection.ts';
import type { DownloadEffects } from './contract.ts';
import type { DownloadLimits } from './limits.ts';
import type { Range } from './ranges.ts';

export interface Ended {
  readonly connection: Connection;
  /** What it failed with. */
  readonly error?: unknown;
}

/** A range request covers what a connection receives in this time, in ms, so that the overhead of a request is small. */
const PIECE_MS = 8000;
/** What a connection brings within this time, in ms, is not worth another one. */
const WORTH_MS = 1500;

interface Watched {
  readonly connection: Connection;
  readonly began: number;
  /** What the connection had brought when it was last looked at closely. */
  bytes: number;
  since: number;
}

/** The connections of one download: none brings what another one brings. */
export class ConnectionPool {
  readonly #parts: ConnectionParts;
  readonly #effects: Pick<DownloadEffects, 'clock'>;
  readonly #limits: DownloadLimits;
  readonly #watched = new Map<Connection, Watched>();
  readonly #running = new Set<Promise<void>>();
  readonly #ended: Ended[] = [];
  /** The size of the next range request. */
  #pieceBytes: number;
  #wake: () => void = () => {};

  constructor(parts: ConnectionParts, effects: Pick<DownloadEffects, 'clock'>, limits: DownloadLimits) {
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
      const connection = new Connection(this.#parts, range, this.count, signal);
      const now = this.#effects.clock();
      this.#watched.set(connection, { connection, bytes: 0, began: now, since: now });
      const running = connection.run(ranged).then(
        () => this.#end({ connection }),
        (error: unknown) => this.#end({ connection, error }),
      );
      this.#running.add(running);
      running.finally(() => this.#running.delete(running)).catch(() => {});
    }
  }

  /** The connections that ended since the last call. */
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
      const { connection } = watched;
      if (connection.bytes - watched.bytes < slowBytes)
        connection.giveUp(this.#parts.client.tooSlow(slowBytes, slowMs));
      watched.bytes = connection.bytes;
      watched.since = now;
    }
  }

  /** Ends all; resolves when what they brought is written. */
  async stop(): Promise<void> {
    for (const connection of this.#watched.keys()) connection.giveUp(this.#parts.client.stopped());
    await Promise.all(this.#running);
    this.#ended.length = 0;
  }

  #end(ended: Ended): void {
    const { connection } = ended;
    const watched = this.#watched.get(connection);
    if (watched !== undefined && connection.bytes >= this.#limits.leastPieceBytes) {
      const { leastPieceBytes, mostPieceBytes } = this.#limits;
      const bytes = Math.round(this.#rateOf(watched) * PIECE_MS);
      this.#pieceBytes = Math.max(leastPieceBytes, Math.min(mostPieceBytes, bytes));
    }
    this.#watched.delete(connection);
    this.#ended.push(ended);
    this.#wake();
  }

  /** Bytes a ms. */
  #rateOf({ connection, began }: Watched): number {
    return connection.bytes / Math.max(1, this.#effects.clock() - began);
  }

  /** The first range that is missing and not assigned to a connection, at most as long as one request. */
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
      (each) =>
        each.connection.ranged &&
        each.connection.bytes > 0 &&
        length(each.connection.rest) > this.#rateOf(each) * WORTH_MS,
    );
    const most = slow.reduce<Watched | undefined>(
      (best, each) => (best === undefined || length(each.connection.rest) > length(best.connection.rest) ? each : best),
      undefined,
    )?.connection;
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
