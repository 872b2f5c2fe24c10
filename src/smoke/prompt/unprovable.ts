import type { StoredModel } from '../../runtimes/contract.ts';
import type { ProveRequest } from './contract.ts';
import type { Finding, PromptProof } from './schema.ts';

/** The proof where there is nothing to compare with: says so, and still tells of stop tokens that are missing. */
export function unprovable(stored: StoredModel, tokens: ProveRequest['tokens'], why: string): PromptProof {
  const missing = stored.stop === undefined ? [] : tokens.stop.filter((token) => !stored.stop?.includes(token));
  const findings = [...missing.map(missingStop), notProvable(why)];
  return {
    verdict: missing.length > 0 ? 'differs' : 'not-provable',
    expected: '',
    expectedFrom: 'catalog',
    stop: [...(stored.stop ?? [])],
    winner: 'unknown',
    context: { ...(stored.contextLength !== undefined && { wanted: stored.contextLength }) },
    shapes: [],
    findings,
    requests: 0,
    generatedTokens: 0,
  };
}

/** A stop token of the family that the model's parameters lack. */
export function missingStop(token: string): Finding {
  return {
    id: 'missing-stop',
    severity: 'fault',
    message: `${token} is not among the model's stop parameters, so answers may run on into a turn of the user.`,
    remedy: `Create the model with PARAMETER stop "${token}": install it again with gemma-provision.`,
  };
}

/** Says what could not be established, and why. */
function notProvable(why: string): Finding {
  return {
    id: 'not-provable',
    severity: 'warning',
    message: `The prompt could not be proven: ${why}.`,
    remedy: 'Look at the answers of the smoke test; a newer server shows its prompt (Ollama 0.11.5 and later).',
  };
}
