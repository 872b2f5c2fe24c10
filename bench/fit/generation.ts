import { isAtLeast, parseServerVersion } from '../../src/compat/version.ts';
import type { Engine } from '../../src/fit/schema.ts';

/** Since which release each generation of Ollama places models its way; see `src/fit/engines.ts`. */
const SINCE = [
  ['0.30.9', 'ollama-b'],
  ['0.30.0', 'ollama-b0'],
  ['0.11.11', 'ollama-a2'],
] as const;

export function engineGenerationOf(version: string): Engine {
  const server = parseServerVersion(version);
  return SINCE.find(([since]) => isAtLeast(server, since))?.[1] ?? 'ollama-a1';
}
