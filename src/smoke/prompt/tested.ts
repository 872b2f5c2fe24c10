import type { Work } from '../../core/progress.ts';
import type { SmokeResult, Suite } from '../schema.ts';
import type { KnownPrompt, ProveRequest } from './contract.ts';
import { countedOf } from './counted.ts';
import { prove } from './index.ts';
import type { PromptProof } from './schema.ts';
import { unprovable } from './unprovable.ts';

/** A model that a smoke test was run on, and what is known of the prompt it should be fed. */
export interface TestedModel extends Pick<ProveRequest, 'runtime' | 'stored' | 'tokens'> {
  readonly suite: Suite;
  readonly smoke: SmokeResult;
  readonly known: KnownPrompt;
  /** Why there is no reference to compare with, for the case that there is none. */
  readonly lacking: string;
}

/** The proof after a smoke test, whose token counts it uses. */
export async function* proveTested(
  { runtime, stored, tokens, suite, smoke, known, lacking }: TestedModel,
  signal: AbortSignal,
): Work<PromptProof> {
  const { reference, addsBos = stored.addsBos, sentTemplate } = known;
  if (reference === undefined) return unprovable(stored, tokens, lacking);
  const counted = countedOf(suite, smoke);
  return yield* prove(
    {
      runtime,
      stored,
      tokens,
      reference,
      ...(addsBos !== undefined && { addsBos }),
      ...(sentTemplate !== undefined && { sentTemplate }),
      ...(counted !== undefined && { counted }),
    },
    signal,
  );
}
