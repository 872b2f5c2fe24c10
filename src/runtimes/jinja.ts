import type { Template } from '@huggingface/jinja';
import { messageOf, ProvisionError } from '../core/errors.ts';
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
 * template that is broken, `bad-usage` for messages that it refuses.
 */
export async function renderJinja(
  source: string,
  messages: readonly Pick<Message, 'role' | 'content'>[],
  { bos, eos }: TemplateTokens,
): Promise<string> {
  const template = await compile(source);
  try {
    return template.render({
      messages: messages.map(({ role, content }) => ({ role, content })),
      bos_token: bos,
      eos_token: eos,
      add_generation_prompt: true,
    });
  } catch (cause) {
    throw new ProvisionError('bad-usage', `The chat template refuses these messages: ${messageOf(cause)}.`, {
      cause,
      suggestions: ['Let user and assistant take turns, beginning with the user; a system text may come first.'],
    });
  }
}

async function compile(source: string): Promise<Template> {
  const jinja = await import('@huggingface/jinja');
  try {
    return new jinja.Template(source);
  } catch (cause) {
    throw new ProvisionError('bad-template', `The model's chat template is broken: ${messageOf(cause)}.`, {
      cause,
      suggestions: ['Get the file from its publisher again, or convert it with a current llama.cpp.'],
    });
  }
}
