import type { ServerFacts } from '../compat/lookup.ts';
import { ProvisionError } from '../core/errors.ts';
import type { CheckStatus } from './schema.ts';
import type { DoctorView } from './view.ts';

/** What one check found. */
export interface Finding {
  readonly status: CheckStatus;
  readonly detail: string;
  /** One step or way out a line. */
  readonly remedy?: string;
}

export function ok(detail: string): Finding {
  return { status: 'ok', detail };
}

export function warning(detail: string, remedy: string): Finding {
  return { status: 'warning', detail, remedy };
}

export function problem(detail: string, remedy: string): Finding {
  return { status: 'problem', detail, remedy };
}

export function skipped(detail: string, remedy?: string): Finding {
  return { status: 'skipped', detail, ...(remedy !== undefined && { remedy }) };
}

/** The finding that an error of a room stands for: its message, and its suggestions as the remedy. */
export function findingOf(status: CheckStatus, error: ProvisionError): Finding {
  const remedy = error.suggestions.join('\n');
  return { status, detail: error.message, ...(remedy !== '' && { remedy }) };
}

const RANK = { problem: 0, warning: 1, ok: 2, skipped: 3 } as const satisfies Record<CheckStatus, number>;

/**
 * Several findings of one check as one: the worst status, every detail (the worst first), every remedy once. Details
 * must be whole sentences.
 */
export function merged(findings: readonly [Finding, ...Finding[]]): Finding {
  const ordered = findings.toSorted((a, b) => RANK[a.status] - RANK[b.status]);
  const remedies = new Set(ordered.flatMap(({ remedy }) => (remedy === undefined ? [] : [remedy])));
  return {
    status: ordered[0]?.status ?? 'skipped',
    detail: ordered.map(({ detail }) => detail).join(' '),
    ...(remedies.size > 0 && { remedy: [...remedies].join('\n') }),
  };
}

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

/** Runs a check that only makes sense with an Ollama server that answers; the check of the server says why none does. */
export async function withServer(view: DoctorView, check: (facts: ServerFacts) => Promise<Finding>): Promise<Finding> {
  if (view.wanted.runtime === 'embedded') return skipped('No server is used.');
  let facts: ServerFacts;
  try {
    facts = await view.facts();
  } catch (error) {
    if (error instanceof ProvisionError) return skipped('No Ollama server answers.');
    throw error;
  }
  return check(facts);
}

/** The same for what shows only when the server is on this machine. */
export async function withLocalServer(
  view: DoctorView,
  check: (facts: ServerFacts) => Promise<Finding>,
): Promise<Finding> {
  return withServer(view, async (facts) => {
    if (!view.local()) return skipped('The server is on another machine: run doctor there.');
    return check(facts);
  });
}
