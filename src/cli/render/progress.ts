import type { ProgressEvent } from '../../core/progress.ts';
import { formatBytes, formatDuration, formatRate } from '../../core/units.ts';
import { paint, type Terminal } from '../terminal.ts';

/** Shows progress on stderr; picked once per run. `stop` leaves the terminal as it was found. */
export interface ProgressRenderer {
  show(event: ProgressEvent): void;
  stop(): void;
}

export interface ProgressOptions {
  readonly terminal: Terminal;
  /** Milliseconds since any fixed point. */
  readonly now: () => number;
  readonly mode: 'bar' | 'lines' | 'none';
}

export function progressRenderer(options: ProgressOptions): ProgressRenderer {
  if (options.mode === 'none') return { show: () => undefined, stop: () => undefined };
  return new LineRenderer(options, options.mode === 'bar' ? new Bar(options) : undefined);
}

/** Phases and checks as lines; bytes as a bar that redraws, or as a line every ten percent without a terminal. */
class LineRenderer implements ProgressRenderer {
  readonly #options: ProgressOptions;
  readonly #bar: Bar | undefined;
  readonly #told = new Map<string, number>();
  #lastUnrun: string | undefined;

  constructor(options: ProgressOptions, bar: Bar | undefined) {
    this.#options = options;
    this.#bar = bar;
  }

  show(event: ProgressEvent): void {
    if (event.type === 'bytes') {
      this.#bytes(event);
      return;
    }
    // One reason for many checks is one line.
    const unrun = event.type === 'check' && event.ms === 0 && !event.passed ? event.detail : undefined;
    if (unrun !== undefined && unrun === this.#lastUnrun) return;
    this.#lastUnrun = unrun;
    const line = lineOf(event, this.#options.terminal);
    if (line === undefined) return;
    this.#bar?.clear();
    this.#options.terminal.err.text(`${line}\n`);
  }

  stop(): void {
    this.#bar?.clear();
  }

  #bytes(event: Extract<ProgressEvent, { type: 'bytes' }>): void {
    if (this.#bar) {
      this.#bar.draw(event);
      return;
    }
    if (event.total === undefined || event.total === 0) return;
    const tenth = Math.floor((event.done / event.total) * 10);
    if (tenth <= (this.#told.get(event.id) ?? 0)) return;
    this.#told.set(event.id, tenth);
    const { err } = this.#options.terminal;
    err.text(`  ${event.id}: ${formatBytes(event.done)} of ${formatBytes(event.total)} (${tenth * 10} %)\n`);
  }
}

function lineOf(event: Exclude<ProgressEvent, { type: 'bytes' }>, terminal: Terminal): string | undefined {
  if (event.type === 'warning') return `${paint(terminal, 'yellow', '!')} ${event.message}`;
  if (event.type === 'check') {
    const mark = checkMark(event, terminal);
    return `  ${mark} ${event.id} (${event.level}) ${paint(terminal, 'dim', `${event.detail}, ${formatDuration(event.ms)}`)}`;
  }
  const detail = event.detail === undefined ? '' : paint(terminal, 'dim', `  ${event.detail}`);
  switch (event.status) {
    case 'started':
      return `${paint(terminal, 'cyan', '›')} ${event.title}${detail}`;
    case 'skipped':
      return `${paint(terminal, 'dim', '–')} ${event.title}${detail}`;
    case 'failed':
      return `${paint(terminal, 'red', '✗')} ${event.title}${detail}`;
    case 'done':
      return event.detail === undefined ? undefined : `  ${event.detail}`;
  }
}

type CheckEvent = Extract<ProgressEvent, { type: 'check' }>;

function checkMark({ passed, skipped, advisory }: CheckEvent, terminal: Terminal): string {
  if (skipped === true) return paint(terminal, 'dim', '–');
  if (passed) return paint(terminal, 'green', '✓');
  return advisory === true ? paint(terminal, 'yellow', '!') : paint(terminal, 'red', '✗');
}

const BAR_WIDTH = 24;
const REDRAW_MS = 80;

/** One line that redraws itself: bar, amount, rate and remaining time. */
class Bar {
  readonly #options: ProgressOptions;
  #startedAt = 0;
  #startedWith = 0;
  #id: string | undefined;
  #drawnAt = Number.NEGATIVE_INFINITY;
  #visible = false;

  constructor(options: ProgressOptions) {
    this.#options = options;
  }

  draw(event: Extract<ProgressEvent, { type: 'bytes' }>): void {
    const now = this.#options.now();
    if (event.id !== this.#id) {
      this.#id = event.id;
      this.#startedAt = now;
      this.#startedWith = event.done;
      this.#drawnAt = Number.NEGATIVE_INFINITY;
    }
    const finished = event.total !== undefined && event.done >= event.total;
    if (!finished && now - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = now;
    const rate = (event.done - this.#startedWith) / Math.max(0.001, (now - this.#startedAt) / 1000);
    const { terminal } = this.#options;
    // A line as wide as the terminal would wrap, and could not be redrawn.
    const columns = Math.max(20, terminal.columns - 1);
    terminal.err.redraw(barText(event, rate, columns).slice(0, columns));
    this.#visible = true;
  }

  clear(): void {
    if (this.#visible) this.#options.terminal.err.redraw('');
    this.#visible = false;
  }
}

/** `  upload [████░░░░] 1.20 GiB / 3.94 GiB  412.3 MiB/s  6.8 s left`; the bar gives way to the words where `columns` are few. */
export function barText(
  event: { id: string; done: number; total?: number },
  bytesPerSecond: number,
  columns = Number.POSITIVE_INFINITY,
): string {
  const { id, done, total } = event;
  if (total === undefined || total === 0) return `  ${id} ${formatBytes(done)}  ${formatRate(bytesPerSecond)}`;
  const left = bytesPerSecond > 0 ? `  ${formatDuration(((total - done) / bytesPerSecond) * 1000)} left` : '';
  const words = ` ${formatBytes(done)} / ${formatBytes(total)}  ${formatRate(bytesPerSecond)}${left}`;
  const room = columns - `  ${id} []${words}`.length;
  const width = Math.max(4, Math.min(BAR_WIDTH, room));
  const filled = Math.round(Math.min(1, done / total) * width);
  return `  ${id} [${'█'.repeat(filled)}${'░'.repeat(width - filled)}]${words}`;
}
