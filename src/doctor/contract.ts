import type { Finding } from './findings.ts';
import type { DoctorView } from './view.ts';

/**
 * One thing that would fail or slow an install. It only looks: it changes nothing that outlives it. It may throw, which
 * costs itself alone; `signal` aborts when its time is up.
 */
export interface Check {
  /** Scripts rely on it: add checks freely, rename none. */
  readonly id: string;
  readonly title: string;
  run(view: DoctorView, signal: AbortSignal): Promise<Finding>;
}

export function defineCheck<C extends Check>(check: C): C {
  return check;
}
