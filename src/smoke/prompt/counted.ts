import type { SmokeResult, Suite } from '../schema.ts';
import type { ProveRequest } from './contract.ts';

/**
 * A chat of a finished smoke run whose prompt the runtime counted: the one with the shortest prompt, since the proof
 * sends it once more. Undefined when the runtime told no counts.
 */
export function countedOf(suite: Suite, { checks }: SmokeResult): ProveRequest['counted'] {
  const counted = suite.checks.flatMap(({ id, messages }) => {
    const promptTokens = checks.find((result) => result.id === id)?.promptTokens ?? 0;
    return promptTokens > 0 ? [{ messages, promptTokens }] : [];
  });
  const [shortest] = counted.toSorted((a, b) => a.promptTokens - b.promptTokens);
  return shortest;
}
