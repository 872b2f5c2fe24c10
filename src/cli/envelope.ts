import * as z from 'zod';
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

/** Why a command failed. */
export const ErrorBody = z.strictObject({
  code: z.string(),
  message: z.string(),
  suggestions: z.array(z.string()),
  causes: z.array(z.string()),
  exitCode: z.int(),
});

/** Envelope of a command whose `data` follows the given schema. */
export function envelopeOf<Data extends z.ZodType>(data: Data) {
  return z.strictObject({
    schemaVersion: z.literal(SCHEMA_VERSION),
    /** False for a failure and for a negative verdict (exit 4), which has `data` all the same. */
    ok: z.boolean(),
    command: z.string(),
    data: data.optional(),
    error: ErrorBody.optional(),
    warnings: z.array(z.string()),
  });
}
