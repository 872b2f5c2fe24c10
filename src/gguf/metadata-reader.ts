import type { Metadata } from './metadata.ts';
import { quoteName, refusal } from './refusal.ts';
import type { Assumption } from './schema.ts';

/** Typed access to metadata: a key that is absent is undefined, a key of the wrong kind is `bad-gguf` naming it. */
export class MetadataReader {
  readonly #metadata: Metadata;
  readonly #assumed: Assumption[] = [];

  constructor(metadata: Metadata) {
    this.#metadata = metadata;
  }

  /** What was taken for keys that are not there, in the order of asking. */
  get assumed(): readonly Assumption[] {
    return this.#assumed;
  }

  /** Records that `value` was assumed for a missing key. */
  assume(key: string, value: number, basis: string): number {
    this.#assumed.push({ key, value, basis });
    return value;
  }

  has(key: string): boolean {
    return this.#metadata.has(key);
  }

  text(key: string): string | undefined {
    const entry = this.#metadata.get(key);
    if (entry === undefined || (entry.type === 'string' && entry.value === undefined)) return undefined;
    if (typeof entry.value !== 'string') throw this.#wrong(key, 'a text');
    return entry.value;
  }

  boolean(key: string): boolean | undefined {
    const entry = this.#metadata.get(key);
    if (entry === undefined) return undefined;
    if (typeof entry.value !== 'boolean') throw this.#wrong(key, 'true or false');
    return entry.value;
  }

  /** A whole number >= 0, also when a converter stored it as a float (`shared_kv_layers` of early Gemma 3n files). */
  count(key: string): number | undefined {
    const entry = this.#metadata.get(key);
    if (entry === undefined) return undefined;
    if (!isCount(entry.value)) throw this.#wrong(key, 'a whole number');
    return entry.value;
  }

  /** A whole number >= 1. */
  positive(key: string): number | undefined {
    const value = this.count(key);
    if (value === 0) throw this.#wrong(key, 'a whole number above 0');
    return value;
  }

  /** A whole number, or the largest of one per layer; undefined also where all are 0, as in models without attention. */
  largest(key: string): number | undefined {
    const value = this.#metadata.get(key)?.value;
    if (!Array.isArray(value)) return this.count(key) || undefined;
    const counts = value.filter(isCount);
    if (counts.length !== value.length) throw this.#wrong(key, 'whole numbers');
    return counts.reduce((max, count) => Math.max(max, count), 0) || undefined;
  }

  /**
   * A whole number, or one per layer where a list has exactly one for each of `blockCount` layers and they differ. Other
   * lists, and those with layers of 0 (no attention there), give their largest number, which is the upper bound.
   */
  perLayer(key: string, blockCount: number): number | number[] | undefined {
    const largest = this.largest(key);
    const value = this.#metadata.get(key)?.value;
    if (!Array.isArray(value) || value.length !== blockCount) return largest;
    const counts = value.filter(isCount);
    const differ = counts.some((count) => count !== largest);
    return differ && !counts.includes(0) ? counts : largest;
  }

  /** One truth value per layer, or undefined when the key holds something else or nothing. */
  flags(key: string): readonly boolean[] | undefined {
    const value = this.#metadata.get(key)?.value;
    if (!Array.isArray(value)) return undefined;
    const flags = value.filter((flag) => typeof flag === 'boolean');
    return flags.length > 0 && flags.length === value.length ? flags : undefined;
  }

  /** Length of a list that has one entry per layer; undefined for a single value. */
  listLength(key: string): number | undefined {
    return this.#metadata.get(key)?.count;
  }

  #wrong(key: string, wanted: string): Error {
    const entry = this.#metadata.get(key);
    const found = typeof entry?.value === 'number' ? `${entry.type} ${entry.value}` : entry?.type;
    return refusal(`the metadata key ${quoteName(key)} is ${found} and must be ${wanted}`, entry?.offset);
  }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
