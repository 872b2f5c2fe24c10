/** A stretch of a file: `start` is in it, `end` is not. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** Which bytes of a file are there: stretches in order that neither touch nor overlap. */
export class Ranges {
  #list: Range[] = [];

  get list(): readonly Range[] {
    return this.#list;
  }

  get total(): number {
    return this.#list.reduce((sum, { start, end }) => sum + end - start, 0);
  }

  /** Where the stretch that begins at 0 ends. */
  get prefixEnd(): number {
    const [first] = this.#list;
    return first?.start === 0 ? first.end : 0;
  }

  add(start: number, end: number): void {
    if (start >= end) return;
    const from = this.#list.findIndex((range) => range.end >= start);
    if (from === -1) {
      this.#list.push({ start, end });
      return;
    }
    let to = from;
    let merged = { start, end };
    for (let range = this.#list[to]; range !== undefined && range.start <= end; range = this.#list[to]) {
      merged = { start: Math.min(merged.start, range.start), end: Math.max(merged.end, range.end) };
      to += 1;
    }
    this.#list.splice(from, to - from, merged);
  }

  clear(): void {
    this.#list = [];
  }

  /** The stretches before `size` that are not there. */
  missing(size: number): Range[] {
    const gaps: Range[] = [];
    let at = 0;
    for (const { start, end } of this.#list) {
      if (start >= size) break;
      if (start > at) gaps.push({ start: at, end: start });
      at = end;
    }
    if (at < size) gaps.push({ start: at, end: size });
    return gaps;
  }
}
