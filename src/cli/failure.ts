import { ProvisionError } from '../core/errors.ts';
import { type Failure, failure, failureOf as failureWithCode, isAbort, mapTexts } from '../core/failure.ts';
import { nearest } from '../core/suggest.ts';
import { safe } from './redaction.ts';

export interface FailureContext {
  /** The signal's name when the user or the system interrupted us. */
  readonly interruptedBy?: 'SIGINT' | 'SIGTERM' | undefined;
  /** Long flags of the command, for nearest matches. */
  readonly flags?: readonly string[];
}

/** Turns whatever a command threw into a failure with a code that scripts can rely on, and without secrets. */
export function failureOf(thrown: unknown, context: FailureContext = {}): Failure {
  return mapTexts(identify(thrown, context), safe);
}

function identify(thrown: unknown, { interruptedBy, flags = [] }: FailureContext): Failure {
  const isExpected = thrown instanceof ProvisionError && !isAbort(thrown);
  if (interruptedBy !== undefined && !isExpected) return interruption(interruptedBy);
  return isUsageError(thrown) ? ofUsageError(thrown, flags) : failureWithCode(thrown);
}

function interruption(signal: 'SIGINT' | 'SIGTERM'): Failure {
  const code = signal === 'SIGINT' ? 'interrupted' : 'terminated';
  return failure(code, `stopped by ${signal}`, ['Run the same command again; finished downloads are reused.']);
}

/** oclif's parse errors carry `parse`; its unknown-command error carries exit 2 and no class of its own. */
function isUsageError(thrown: unknown): thrown is Error {
  if (!(thrown instanceof Error) || !('oclif' in thrown)) return false;
  const { oclif } = thrown;
  return 'parse' in thrown || (typeof oclif === 'object' && oclif !== null && 'exit' in oclif && oclif.exit === 2);
}

function ofUsageError(error: Error, flags: readonly string[]): Failure {
  const message = error.message
    .replace(/\n?See more help with --help/, '')
    .replace(/\n?Note: --.* allow multiple values\.[^\n]*/, '')
    .replace(/Nonexistent flag/, 'Unknown flag')
    .trim();
  const unknown = /Unknown flags?: (.+)/.exec(message)?.[1]?.split(', ') ?? [];
  const suggestions = unknown.flatMap((typed) => {
    const near = nearest(typed.replace(/^-+/, ''), flags);
    return near === undefined ? [] : [`Did you mean --${near}?`];
  });
  return failure('bad-usage', message, [...suggestions, 'See --help.']);
}
