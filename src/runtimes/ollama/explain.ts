import type { ServerFacts } from '../../compat/lookup.ts';
import { verdictFor } from '../../compat/verdict.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Connection } from './client.ts';
import { findModel } from './show.ts';

/** What a call to a model needs besides the call itself: the server, and what its version can do. */
export interface ModelCall {
  readonly connection: Connection;
  readonly facts: () => Promise<ServerFacts>;
  readonly signal: AbortSignal;
}

/**
 * Explains a failed load by the model's architecture. Servers before 0.30 accept any architecture at create and fail at
 * the first load, from 0.6 on with a text that does not name it ("unable to load model: <path>"), or by ending. What
 * the file is tells whether the version is to blame. Never throws; returns what to throw.
 */
export async function explainLoadFailure(
  thrown: unknown,
  name: string,
  { connection, facts, signal }: ModelCall,
): Promise<unknown> {
  if (!(thrown instanceof ProvisionError)) return thrown;
  if (!['runtime-refused', 'runtime-died', 'runtime-too-old'].includes(thrown.code)) return thrown;
  try {
    const architecture = (await findModel(connection, name, signal))?.architecture;
    if (architecture === undefined) return thrown;
    const verdict = verdictFor({ architecture, version: (await facts()).version });
    if (verdict.ok) return thrown;
    return new ProvisionError('runtime-too-old', verdict.reason, {
      cause: thrown,
      suggestions: verdict.remedy === undefined ? thrown.suggestions : [verdict.remedy],
    });
  } catch {
    return thrown;
  }
}
