import { ProvisionError } from '../core/errors.ts';
import { type Failure, failure, failureOf as failureWithCode, isAbort, mapTexts } from '../core/failure.ts';
import { safe } from './redaction.ts';
import type { StopSignal } from './stop.ts';
import { isUsageError, type Usage, usageFailure } from './usage.ts';

export interface FailureContext extends Usage {
  /** The signal's name when the user or the system interrupted us. */
  readonly interruptedBy?: StopSignal | undefined;
}

/** Turns whatever a command threw into a failure with a code that scripts can rely on, and without secrets. */
export function failureOf(thrown: unknown, context: FailureContext = {}): Failure {
  return mapTexts(identify(thrown, context), safe);
}

function identify(thrown: unknown, { interruptedBy, ...usage }: FailureContext): Failure {
  const isExpected = thrown instanceof ProvisionError && !isAbort(thrown);
  if (interruptedBy !== undefined && !isExpected) return interruption(interruptedBy);
  return isUsageError(thrown) ? usageFailure(thrown, usage) : failureWithCode(thrown);
}

function interruption(signal: StopSignal): Failure {
  const code = signal === 'SIGINT' ? 'interrupted' : 'terminated';
  return failure(code, `stopped by ${signal}`, ['Run the same command again; finished downloads are reused.']);
}

/** For work that did not end in the short time after a signal. */
export function lateInterruption(signal: StopSignal): Failure {
  const { code, message, suggestions } = interruption(signal);
  return failure(code, `${message} before everything could be rolled back: a journal has what is left`, [
    ...suggestions,
    'Any other command on the same name completes the rollback, too: gemma-provision gc lists what is left.',
  ]);
}
