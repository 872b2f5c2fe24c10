import { causesOf, type ErrorCode, EXIT_CODE, fileErrorCode, messageOf, ProvisionError } from './errors.ts';
import { redactShapes } from './redact.ts';

/** Any failure in the form that both the terminal and `--json` show. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly suggestions: readonly string[];
  readonly causes: readonly string[];
  readonly exitCode: number;
}

/** Turns whatever was thrown into a failure with a code that scripts can rely on, without what looks like a secret. */
export function failureOf(thrown: unknown): Failure {
  const failure =
    thrown instanceof ProvisionError ? ofProvisionError(thrown) : (ofSystemError(thrown) ?? ofBug(thrown));
  return mapTexts(failure, redactShapes);
}

/** Applies a function to every text of a failure. */
export function mapTexts(failure: Failure, change: (text: string) => string): Failure {
  const { message, suggestions, causes } = failure;
  return { ...failure, message: change(message), suggestions: suggestions.map(change), causes: causes.map(change) };
}

function ofProvisionError(error: ProvisionError): Failure {
  const { code, message, suggestions, exitCode } = error;
  return { code, message, suggestions, causes: causesOf(error), exitCode };
}

/** Faults of the machine that may surface anywhere; named where the place that hit them could not say more. */
function ofSystemError(thrown: unknown): Failure | undefined {
  const code = fileErrorCode(thrown);
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

export function failure(code: ErrorCode, message: string, suggestions: readonly string[]): Failure {
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
