import { Worker } from 'node:worker_threads';
import type { FollowHash, HashFollower } from './effects.ts';

/** What both threads see: how far the file is written, and what is to be done there; 0 is to wait for more. */
const END = 0;
const ORDER = 1;
const FINISH = 1n;
const STOP = 2n;

/**
 * Hashes on a thread of its own what was written to a file, so that neither waits for the other. The thread costs some
 * 30 ms and 10 MiB: not worth it for small files.
 */
export const followHashInThread: FollowHash = (path) => new ThreadFollower(path);

class ThreadFollower implements HashFollower {
  readonly #shared = new BigInt64Array(new SharedArrayBuffer(16));
  readonly #path: string;
  #worker: Worker | undefined;
  #outcome: Promise<string> | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  advance(end: number): void {
    if (end === 0) return;
    void this.#start();
    Atomics.store(this.#shared, END, BigInt(end));
    Atomics.notify(this.#shared, END);
  }

  finish(): Promise<string> {
    const outcome = this.#start();
    this.#order(FINISH);
    return outcome;
  }

  async stop(): Promise<void> {
    if (this.#worker === undefined) return;
    this.#order(STOP);
    await this.#worker.terminate();
  }

  #order(order: bigint): void {
    Atomics.store(this.#shared, ORDER, order);
    // The thread waits for the end to change: it is told in the same place.
    Atomics.notify(this.#shared, END);
  }

  #start(): Promise<string> {
    this.#outcome ??= new Promise<string>((resolve, reject) => {
      const data = { path: this.#path, shared: this.#shared };
      const worker = new Worker(`(${hashInThread.toString()})()`, { eval: true, workerData: data });
      this.#worker = worker;
      worker.once('message', (hex: unknown) => resolve(String(hex)));
      worker.once('error', reject);
      worker.once('exit', () => reject(new Error('the thread that hashes ended early')));
    });
    // Whoever never asks for the digest has no use for what went wrong.
    this.#outcome.catch(() => {});
    return this.#outcome;
  }
}

/** Runs in the thread, from its own text: it can use nothing of this module. Reads at most a MiB at a time. */
function hashInThread(): void {
  const { workerData, parentPort } = process.getBuiltinModule('node:worker_threads');
  const { openSync, readSync } = process.getBuiltinModule('node:fs');
  const shared: BigInt64Array<SharedArrayBuffer> = workerData.shared;
  const hash = process.getBuiltinModule('node:crypto').createHash('sha256');
  const buffer = Buffer.allocUnsafe(1048576);
  const file = openSync(workerData.path, 'r');
  let done = 0;
  for (;;) {
    const order = Atomics.load(shared, 1);
    const end = Number(Atomics.load(shared, 0));
    if (order === 2n) return;
    if (done < end) {
      const read = readSync(file, buffer, 0, Math.min(buffer.length, end - done), done);
      if (read === 0) throw new Error(`the file ends at ${done} bytes`);
      hash.update(buffer.subarray(0, read));
      done += read;
    } else if (order === 1n) {
      parentPort?.postMessage(hash.digest('hex'));
      return;
    } else {
      // For a while only: an order given between the look and the wait would be missed.
      Atomics.wait(shared, 0, BigInt(end), 50);
    }
  }
}
