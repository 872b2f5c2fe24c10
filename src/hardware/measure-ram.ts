import { Worker } from 'node:worker_threads';
import type { MeasuredRam, MeasureRamOptions } from './bandwidth-ram.ts';

/** Time limit of the measurement: what was read until then counts. Milliseconds, like all times here. */
const LIMIT_MS = 440;

/** Threads that are not started by then are not started any more. */
const STARTING_MS = 150;

/** The first touch of memory is slow, on virtual machines very slow: what was not touched by then is left out. */
const TOUCHING_MS = 150;

const READING_MS = 130;

/** Reads are counted in steps of this time, and the best stretch of them counts: what else runs only ever takes away. */
const STEP_MS = 10;
const STRETCH = 5;

/** Bytes of one read; small enough to be counted in the right step. */
const PIECE = 1024 ** 2;

/** Below this a large part would come from caches. */
const LEAST_PIECES = 48;

/** Percent of the time; threads that ran less waited for other programs. A thread that is still reading is not counted. */
const LEAST_RAN = 80;

/** Places in the counters that threads share; from `STEPS` on, pieces read in each step. */
const READY = 0;
const TOUCHED = 1;
/** Percent of the time that the threads really ran while they read, as the last of them saw it. */
const RAN = 2;
const STEPS = 3;

/**
 * What a thread runs. It searches its share of the memory for a byte that is not there, which Node hands to the C
 * library's vectorised `memchr`: that reads faster than a loop in JavaScript could.
 */
const READER = `
const { memory, control, offset, pieces, threads } = require('node:worker_threads').workerData;
const counters = new Int32Array(control);
const share = Buffer.from(memory, offset, pieces * ${PIECE});
const began = performance.now();
let touched = 0;
for (; touched < pieces && performance.now() - began < ${TOUCHING_MS}; touched += 1) {
  share.fill(1, touched * ${PIECE}, (touched + 1) * ${PIECE});
}
Atomics.add(counters, ${TOUCHED}, touched);
if (Atomics.add(counters, ${READY}, 1) + 1 === threads) Atomics.notify(counters, ${READY});
for (let ready = 0; (ready = Atomics.load(counters, ${READY})) < threads; ) {
  if (Atomics.wait(counters, ${READY}, ready, ${TOUCHING_MS}) === 'timed-out') break;
}
const started = performance.now();
const before = process.cpuUsage();
for (let piece = 0; touched > 0; piece = (piece + 1) % touched) {
  share.subarray(piece * ${PIECE}, (piece + 1) * ${PIECE}).indexOf(0);
  const elapsed = performance.now() - started;
  if (elapsed >= ${READING_MS}) break;
  Atomics.add(counters, ${STEPS} + Math.floor(elapsed / ${STEP_MS}), 1);
}
const { user, system } = process.cpuUsage(before);
Atomics.store(counters, ${RAN}, Math.round((user + system) / 10 / threads / (performance.now() - started)));
`;

/**
 * Measures how fast all threads together read RAM. Undefined when threads cannot be started, when there is too little
 * memory for it, or when the host is too busy to do it within half a second.
 */
export async function measureRam({ threads, memoryBytes }: MeasureRamOptions): Promise<MeasuredRam | undefined> {
  const pieces = Math.floor(memoryBytes / threads / PIECE);
  if (threads < 1 || pieces * threads < LEAST_PIECES) return undefined;
  const workers: Worker[] = [];
  const began = performance.now();
  try {
    const memory = new SharedArrayBuffer(pieces * threads * PIECE);
    const control = new SharedArrayBuffer((STEPS + READING_MS / STEP_MS) * Int32Array.BYTES_PER_ELEMENT);
    while (workers.length < threads && performance.now() - began < STARTING_MS) {
      const offset = workers.length * pieces * PIECE;
      workers.push(new Worker(READER, { eval: true, workerData: { memory, control, offset, pieces, threads } }));
    }
    await allEnded(workers, LIMIT_MS - (performance.now() - began));
    const [ready = 0, touched = 0, ran = 0, ...steps] = new Int32Array(control);
    const bytesPerSecond = ready === threads && touched >= LEAST_PIECES ? best(steps) : 0;
    const busy = ran < LEAST_RAN;
    return bytesPerSecond > 0
      ? { schemaVersion: 1, bytesPerSecond, threads, busy, at: new Date().toISOString() }
      : undefined;
  } catch {
    return undefined;
  } finally {
    for (const worker of workers) void worker.terminate();
  }
}

/** Or the time is over. Throws when a thread could not start. */
async function allEnded(workers: readonly Worker[], limitMs: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  const ends = workers.map(
    (worker) =>
      new Promise<void>((resolve, reject) => {
        worker.once('error', reject);
        worker.once('exit', () => resolve());
      }),
  );
  try {
    await Promise.race([late, Promise.all(ends)]);
  } finally {
    clearTimeout(timer);
  }
}

/** Bytes per second in the best stretch. */
function best(steps: readonly number[]): number {
  const sums = steps.slice(0, 1 - STRETCH).map((_, at) => sum(steps.slice(at, at + STRETCH)));
  return (Math.max(0, ...sums) * PIECE * 1000) / (STRETCH * STEP_MS);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
