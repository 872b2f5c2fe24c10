import { CageExceeded, type CageParts } from '../cage/cage.ts';
import { ProvisionError } from '../core/errors.ts';
import type { Message } from './contract.ts';

/** What a chat template may write besides the messages; empty where the model has no such token. */
export interface TemplateTokens {
  readonly bos: string;
  readonly eos: string;
}

/** Jinja has statements, Go templates have none. */
export function isJinja(template: string): boolean {
  return /\{%[-+]?\s*[a-z]/.test(template);
}

/**
 * A conversation as a model's Jinja template writes it, up to where the model goes on. Throws `bad-template` for a
 * template that is broken (with a `CageExceeded` as its cause for one that had to be stopped), `bad-usage` for messages
 * that it refuses.
 */
export async function renderJinja(
  source: string,
  messages: readonly Pick<Message, 'role' | 'content'>[],
  { bos, eos }: TemplateTokens,
  { cage, signal }: CageParts,
): Promise<string> {
  const plain = messages.map(({ role, content }) => ({ role, content }));
  const outcome = await cage
    .perform({ kind: 'template', source, messages: plain, bos, eos }, signal)
    .catch((error: unknown) => Promise.reject(error instanceof CageExceeded ? unsafeTemplate(error) : error));
  if (outcome.type === 'rendered') return outcome.text;
  const words = 'message' in outcome ? outcome.message : outcome.type;
  if (outcome.type !== 'refused') throw brokenTemplate(words);
  throw new ProvisionError('bad-usage', `The chat template refuses these messages: ${words}.`, {
    suggestions: ['Let user and assistant take turns, beginning with the user; a system text may come first.'],
  });
}

function brokenTemplate(words: string): ProvisionError {
  return new ProvisionError('bad-template', `The model's chat template is broken: ${words}.`, {
    suggestions: ['Get the file from its publisher again, or convert it with a current llama.cpp.'],
  });
}

function unsafeTemplate(cause: CageExceeded): ProvisionError {
  return new ProvisionError('bad-template', `The model's chat template ${cause.message}.`, {
    cause,
    suggestions: ['Do not use this file: a chat template needs milliseconds. Get the model from its publisher.'],
  });
}
