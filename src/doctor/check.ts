import type { ServerFacts } from '../compat/lookup.ts';
import { ProvisionError } from '../core/errors.ts';
import type { CheckStatus } from './schema.ts';
import type { DoctorView } from './view.ts';

/** What one check found. */
export interface Finding {
  readonly status: CheckStatus;
  readonly detail: string;
  /** One step or alternative per line. */
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

/** The finding for an error: its message, and its suggestions as the remedy. */
export function findingOf(status: CheckStatus, error: ProvisionError): Finding {
  const remedy = error.suggestions.join('\n');
  return { status, detail: sentenceOf(error.message), ...(remedy !== '' && { remedy }) };
}

/** A message with a list in it as one sentence, which others can follow. */
function sentenceOf(message: string): string {
  const [head = '', ...items] = message.split('\n').map((line) => line.trim());
  const text = items.length === 0 ? head : `${head} ${items.join('; ')}`;
  return /[.!?…]$/.test(text) ? text : `${text}.`;
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
 * Looks for one cause that would make an install fail or be slow. It leaves nothing changed. When it throws, only this
 * check fails; `signal` aborts when its time is up.
 */
export interface Check {
  /** Scripts rely on it: checks may be added, but not renamed. */
  readonly id: string;
  readonly title: string;
  run(view: DoctorView, signal: AbortSignal): Promise<Finding>;
}

export function defineCheck<C extends Check>(check: C): C {
  return check;
}

/** Runs a check that needs an Ollama server that answers; the check of the server reports why none does. */
export async function withServer(view: DoctorView, check: (facts: ServerFacts) => Promise<Finding>): Promise<Finding> {
  if (!view.wanted.usesServer) return skipped('No server is used.');
  let facts: ServerFacts;
  try {
    facts = await view.facts();
  } catch (error) {
    if (error instanceof ProvisionError) return skipped('No Ollama server answers.');
    throw error;
  }
  return check(facts);
}

/** The same for facts that are visible only when the server is on this machine. */
export async function withLocalServer(
  view: DoctorView,
  check: (facts: ServerFacts) => Promise<Finding>,
): Promise<Finding> {
  return withServer(view, async (facts) => {
    if (!view.local()) return skipped('The server is on another machine: run doctor there.');
    return check(facts);
  });
}
