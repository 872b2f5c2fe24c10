/** How long work may take to clean up after a signal before we leave anyway, in milliseconds. */
const GRACE_MS = 2000;

export type StopSignal = 'SIGINT' | 'SIGTERM';

interface StopOptions {
  /** Called before the process ends although its work has not: the last chance to say so. */
  readonly late: (by: StopSignal) => void;
  /** For tests; the process itself by default. */
  readonly exit?: (code: number) => void;
  readonly graceMs?: number;
}

/** Turns SIGINT and SIGTERM into one abort; a second signal, or work that does not listen, ends the process. */
export class Stop {
  readonly #controller = new AbortController();
  readonly #listeners: readonly [StopSignal, () => void][];
  readonly #options: Required<StopOptions>;
  by: StopSignal | undefined;

  constructor({ late, exit = (code) => process.exit(code), graceMs = GRACE_MS }: StopOptions) {
    this.#options = { late, exit, graceMs };
    this.#listeners = (['SIGINT', 'SIGTERM'] as const).map((name) => [name, () => this.#stop(name)]);
    for (const [name, listener] of this.#listeners) process.on(name, listener);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  dispose(): void {
    for (const [name, listener] of this.#listeners) process.off(name, listener);
  }

  #stop(name: StopSignal): void {
    const { late, exit, graceMs } = this.#options;
    const code = name === 'SIGINT' ? 130 : 143;
    if (this.by !== undefined) {
      exit(code);
      return;
    }
    this.by = name;
    setTimeout(() => {
      late(name);
      exit(code);
    }, graceMs).unref();
    this.#controller.abort(new DOMException(`stopped by ${name}`, 'AbortError'));
  }
}
