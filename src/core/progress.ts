/**
 * What long work reports while it runs. Use cases yield these and know nothing of terminals; one renderer (TTY, plain
 * lines or none) shows them.
 */
export type ProgressEvent =
  | {
      readonly type: 'phase';
      readonly id: string;
      readonly title: string;
      readonly status: PhaseStatus;
      readonly detail?: string;
    }
  /** `done` and `total` are bytes; `total` is absent while the size is unknown. */
  | { readonly type: 'bytes'; readonly id: string; readonly done: number; readonly total?: number }
  | { readonly type: 'warning'; readonly message: string }
  | {
      readonly type: 'check';
      readonly id: string;
      readonly level: string;
      readonly passed: boolean;
      /** A failure is only reported. */
      readonly advisory?: boolean;
      /** It could not be run here; `detail` says why. */
      readonly skipped?: boolean;
      readonly detail: string;
      readonly ms: number;
    };

export type PhaseStatus = 'started' | 'done' | 'skipped' | 'failed';

/** Long work: yields progress, returns its result. Never consume it with `for await`, which drops the result. */
export type Work<Result> = AsyncGenerator<ProgressEvent, Result, undefined>;

/** Runs work to its end, hands every event to `onEvent`, and returns the result. */
export async function drive<Result>(work: Work<Result>, onEvent: (event: ProgressEvent) => void): Promise<Result> {
  try {
    for (;;) {
      const step = await work.next();
      if (step.done) return step.value;
      onEvent(step.value);
    }
  } finally {
    // A throwing renderer must not leave the work's own `finally` blocks unrun.
    await work.return(undefined as never);
  }
}
