import type { ProvisionError } from '../../core/errors.ts';

/**
 * Why a request brought less than it was to bring, and what follows from it:
 * - `again`: the same request may succeed, after `waitMs` where the server says so;
 * - `no-ranges`: the server does not give parts, or not of what it has now: from the start, without asking for parts;
 * - `other-bytes`: what it gives is not the file: once more from nothing;
 * - `final`: asking again would change nothing.
 */
export type FailureKind = 'again' | 'no-ranges' | 'other-bytes' | 'final';

export class Failure extends Error {
  override readonly name = 'Failure';
  readonly kind: FailureKind;
  readonly fault: ProvisionError;
  readonly waitMs: number | undefined;

  constructor(kind: FailureKind, fault: ProvisionError, waitMs?: number) {
    super(fault.message, { cause: fault });
    this.kind = kind;
    this.fault = fault;
    this.waitMs = waitMs;
  }
}
