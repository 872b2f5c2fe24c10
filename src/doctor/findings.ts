import { ProvisionError } from '../core/errors.ts';
import type { CheckStatus } from './schema.ts';

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

export function isOneOf(error: unknown, codes: readonly string[]): error is ProvisionError {
  return error instanceof ProvisionError && codes.includes(error.code);
}
