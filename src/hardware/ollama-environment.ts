import type { Env } from '../core/environment.ts';

/** A variable as Ollama reads it, without blanks and quotes around it (its envconfig.Var); undefined when it is not set. */
export function ollamaValue(env: Env, name: string): string | undefined {
  return env[name]?.trim().replace(/^["']+|["']+$/g, '');
}

/** Ollama takes anything that is neither empty nor one of Go's words for false as true. */
export function isTrue(value: string | undefined): boolean {
  return value !== undefined && !/^(|0|f|false)$/i.test(value);
}
