import { afterEach, describe, expect, test } from 'vitest';
import { Stop } from '../../../src/cli/stop.ts';

const stops: Stop[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop.dispose();
});

function stopping(graceMs: number) {
  const seen: (string | number)[] = [];
  const over = Promise.withResolvers<void>();
  const stop = new Stop({
    late: (by) => seen.push(`late: ${by}`),
    exit: (code) => {
      seen.push(code);
      over.resolve();
    },
    graceMs,
  });
  stops.push(stop);
  return { stop, seen, over: over.promise };
}

describe.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s', (signal, code) => {
  test('row 28: aborts the work, and ends the process with a word when the work does not end', async () => {
    const { stop, seen, over } = stopping(10);
    process.emit(signal);
    expect([stop.by, stop.signal.aborted]).toEqual([signal, true]);
    await over;
    expect(seen).toEqual([`late: ${signal}`, code]);
  });

  test('a second one ends the process at once', () => {
    const { seen } = stopping(60_000);
    process.emit(signal);
    process.emit(signal);
    expect(seen).toEqual([code]);
  });
});
