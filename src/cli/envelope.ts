import type { Failure } from '../core/failure.ts';

/** The one object that `--json` prints on stdout. Fields may be added; none is renamed or removed. */
export const SCHEMA_VERSION = 1;

interface Context {
  readonly command: string;
  readonly warnings: readonly string[];
}

export function successEnvelope(data: unknown, ok: boolean, context: Context) {
  return { schemaVersion: SCHEMA_VERSION, ok, command: context.command, data, warnings: context.warnings };
}

export function failureEnvelope(failure: Failure, context: Context) {
  const { code, message, suggestions, causes, exitCode } = failure;
  const error = { code, message, suggestions, causes, exitCode };
  return { schemaVersion: SCHEMA_VERSION, ok: false, command: context.command, error, warnings: context.warnings };
}
