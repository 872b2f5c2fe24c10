import { causesOf, type ErrorCode, EXIT_CODE, errnoOf, messageOf, ProvisionError } from '../core/errors.ts';
import { nearest } from '../core/suggest.ts';
import { safe } from './redaction.ts';

/** Any failure in the form that both the terminal and `--json` show. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly suggestions: readonly string[];
  readonly causes: readonly string[];
  readonly exitCode: number;
}

export interface FailureContext {
  /** The signal's name when the user or the system interrupted us. */
  readonly interruptedBy?: 'SIGINT' | 'SIGTERM' | undefined;
  /** Long flags of the command, for nearest matches. */
  readonly flags?: readonly string[];
}

/** Turns whatever was thrown into a failure with a code that scripts can rely on, and without secrets. */
export function failureOf(thrown: unknown, context: FailureContext = {}): Failure {
  const told = failureWith(thrown, context);
  const { message, suggestions, causes } = told;
  return { ...told, message: safe(message), suggestions: suggestions.map(safe), causes: causes.map(safe) };
}

function failureWith(thrown: unknown, context: FailureContext): Failure {
  if (context.interruptedBy !== undefined && (isAbort(thrown) || !(thrown instanceof ProvisionError))) {
    return interruption(context.interruptedBy);
  }
  if (thrown instanceof ProvisionError) return ofProvisionError(thrown);
  if (isUsageError(thrown)) return ofUsageError(thrown, context.flags ?? []);
  return ofSystemError(thrown) ?? ofBug(thrown);
}

function ofProvisionError(error: ProvisionError): Failure {
  const { code, message, suggestions, exitCode } = error;
  return { code, message, suggestions, causes: causesOf(error), exitCode };
}

function interruption(signal: 'SIGINT' | 'SIGTERM'): Failure {
  const code = signal === 'SIGINT' ? 'interrupted' : 'terminated';
  return failure(code, `stopped by ${signal}`, ['Run the same command again: it takes up where this one stopped.']);
}

/** oclif's parse errors carry `parse`; its unknown-command error carries exit 2 and no class of its own. */
function isUsageError(thrown: unknown): thrown is Error {
  if (!(thrown instanceof Error) || !('oclif' in thrown)) return false;
  const { oclif } = thrown;
  return 'parse' in thrown || (typeof oclif === 'object' && oclif !== null && 'exit' in oclif && oclif.exit === 2);
}

function ofUsageError(error: Error, flags: readonly string[]): Failure {
  const message = error.message.replace(/\n?See more help with --help/, '').trim();
  const unknown = /Nonexistent flags?: (.+)/.exec(message)?.[1]?.split(', ') ?? [];
  const suggestions = unknown.flatMap((typed) => {
    const near = nearest(typed.replace(/^-+/, ''), flags);
    return near === undefined ? [] : [`Did you mean --${near}?`];
  });
  return failure('bad-usage', message, [...suggestions, 'See --help.']);
}

/** Faults of the machine that may surface anywhere; named where the place that hit them could not say more. */
const SYSTEM_CODES: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'disk-full',
  EDQUOT: 'disk-full',
  EACCES: 'file-access',
  EPERM: 'file-access',
  EROFS: 'file-access',
  ENOENT: 'file-not-found',
  ENOTDIR: 'file-not-found',
};

function ofSystemError(thrown: unknown): Failure | undefined {
  const code = SYSTEM_CODES[errnoOf(thrown) ?? ''];
  return code === undefined ? undefined : { ...failure(code, messageOf(thrown), []), causes: causesOf(thrown) };
}

function ofBug(thrown: unknown): Failure {
  return {
    ...failure('bug', `unexpected error: ${messageOf(thrown)}`, [
      'Run again with --verbose and report what it prints.',
    ]),
    causes: causesOf(thrown),
  };
}

function failure(code: ErrorCode, message: string, suggestions: readonly string[]): Failure {
  return { code, message, suggestions, causes: [], exitCode: EXIT_CODE[code] };
}

/** True for the error that an aborted signal raises, however deep it is wrapped. */
export function isAbort(thrown: unknown): boolean {
  for (let error = thrown, depth = 0; error instanceof Error && depth < 8; depth += 1) {
    if (error.name === 'AbortError' || ('code' in error && error.code === 'ABORT_ERR')) return true;
    error = error.cause;
  }
  return false;
}
