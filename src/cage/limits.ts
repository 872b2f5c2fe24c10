/** What a program of somebody else may use. */
export const CAGE_LIMITS = {
  /** Wall clock. Real templates and schemas take milliseconds. */
  runMs: 2000,
  /** Of V8's heap. Buffers do not count towards it, but nothing that runs in the cage can make one. */
  heapMiB: 128,
  /** Characters that go in: far more than any context holds. */
  inputLength: 8 * 1024 * 1024,
  /** Characters that come out. */
  outputLength: 8 * 1024 * 1024,
  /** Until the child process has loaded what it needs, which is our own doing and slow on a busy machine. */
  startMs: 30_000,
} as const;
