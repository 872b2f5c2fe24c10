import type { Checkpoint } from '../../src/provision/install/crash.ts';
import type { TransactionEffects } from '../../src/provision/install/effects.ts';
import type { Journal } from '../../src/registry/index.ts';
import type { InstallRecord } from '../../src/registry/schema.ts';
import { openCage } from './cage.ts';
import { FakeRuntime } from './fake-runtime.ts';
import { TINY_DIGEST } from './plans.ts';

/** Thrown at a checkpoint where the process dies; what it does afterwards is undone by `MemoryState.atCrash`. */
export class Crash extends Error {}

/** Runtime, records and journals in memory: all that outlives a process of this tool. */
export class MemoryState {
  readonly runtime = new FakeRuntime();
  readonly records = new Map<string, InstallRecord>();
  readonly journals = new Map<string, Journal>();
  /** Names of the locks that are held. */
  readonly held: string[] = [];
  /** The checkpoints of the last run. */
  readonly passed: Checkpoint[] = [];
  /** Where the next run dies. */
  crashAt: Checkpoint | undefined;
  #ticks = 0;
  #snapshot: (() => void) | undefined;

  effects(): TransactionEffects {
    const { runtime, records, journals, held } = this;
    return {
      runtime,
      cage: openCage,
      records: {
        find: async (name) => records.get(name),
        put: async (record) => void records.set(record.name, record),
        drop: async (name) => void records.delete(name),
      },
      journals: {
        async find(name) {
          const journal = journals.get(name);
          return journal && { journal };
        },
        put: async (journal) => void journals.set(journal.name, structuredClone(journal)),
        drop: async (name) => void journals.delete(name),
      },
      // biome-ignore lint/correctness/useYield: a hash that has nothing to tell
      hash: async function* () {
        return TINY_DIGEST;
      },
      async *fetch(file) {
        yield { type: 'bytes', id: 'fetch', done: file.sizeBytes, total: file.sizeBytes };
        return { ...file, path: `/cache/${file.fileName}`, immutable: true, bytesMoved: file.sizeBytes };
      },
      async *stream() {},
      locker: {
        async acquire(name) {
          held.push(name);
          return { lost: new AbortController().signal, release: async () => void held.splice(held.indexOf(name), 1) };
        },
      },
      now: () => new Date('2026-01-02T03:04:05.000Z'),
      clock: () => {
        this.#ticks += 10;
        return this.#ticks;
      },
      toolVersion: '9.9.9',
      reconnect: { windowMs: 0, pauseMs: 1 },
      checkpoint: (name) => this.#reached(name),
    };
  }

  #reached(name: Checkpoint): void {
    this.passed.push(name);
    if (name !== this.crashAt) return;
    this.crashAt = undefined;
    const [models, blobs] = [new Map(this.runtime.models), new Set(this.runtime.blobs)];
    const [records, journals] = [new Map(this.records), new Map(this.journals)];
    this.#snapshot = () => {
      refill(this.runtime.models, models);
      refill(this.records, records);
      refill(this.journals, journals);
      this.runtime.blobs.clear();
      for (const blob of blobs) this.runtime.blobs.add(blob);
    };
    throw new Crash(name);
  }

  /** Puts everything back to the moment of the crash; false when there was none. */
  atCrash(): boolean {
    const back = this.#snapshot;
    this.#snapshot = undefined;
    back?.();
    return back !== undefined;
  }
}

function refill<Key, Value>(map: Map<Key, Value>, content: ReadonlyMap<Key, Value>): void {
  map.clear();
  for (const [key, value] of content) map.set(key, value);
}
