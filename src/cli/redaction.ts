/** What this run knows to be secret; whatever is printed goes through here. */
import { redact, redactKnown, secretsOfArguments, secretsOfEnvironment } from '../core/redact.ts';

const found = new Set<string>();
let looked = false;

/** Adds secrets that were read from a file: a token, the password of a registry. */
export function hideSecrets(...secrets: readonly string[]): void {
  for (const secret of secrets) found.add(secret);
}

/** What is said of a failure or a warning, without secrets and without what looks like one. */
export function safe(text: string): string {
  return redact(text, known());
}

/** An answer without secrets; what only looks like one stays, since it may be a model's own words. */
export function safeAnswer(text: string): string {
  return redactKnown(text, known());
}

function known(): ReadonlySet<string> {
  if (!looked) {
    looked = true;
    hideSecrets(...secretsOfEnvironment(process.env), ...secretsOfArguments(process.argv.slice(2)));
  }
  return found;
}
