import type { CageParts } from '../../cage/cage.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Message } from '../contract.ts';
import { renderJinja } from '../jinja.ts';
import type { Engine } from './engine.ts';

export interface Prompt {
  readonly tokens: readonly number[];
  /** BOS tokens anywhere in it; a text of the user may contain some. */
  readonly bosCount: number;
}

/** The effective prompt as text: the file's own template, rendered. Throws `bad-template`, `bad-usage`. */
export async function renderPrompt(
  engine: Pick<Engine, 'chatTemplate' | 'bos' | 'eosText'>,
  messages: readonly Pick<Message, 'role' | 'content'>[],
  parts: CageParts,
): Promise<string> {
  if (engine.chatTemplate === undefined)
    throw new ProvisionError('bad-template', 'The model file has no chat template (tokenizer.chat_template).', {
      suggestions: ['Use a file of an instruction-tuned model, or one that was converted with its chat template.'],
    });
  const tokens = { bos: engine.bos?.text ?? '', eos: engine.eosText ?? '' };
  return await renderJinja(engine.chatTemplate, messages, tokens, parts);
}

/** BOS tokens at the start. */
export function leadingBos(engine: Pick<Engine, 'bos'>, tokens: readonly number[]): number {
  const start = tokens.findIndex((token) => token !== engine.bos?.token);
  return start < 0 ? tokens.length : start;
}

/**
 * Tokens of a rendered prompt with exactly one BOS in front where the model wants one, whether the template wrote it
 * (as Gemma's do), wrote it twice, or left it to the tokenizer.
 */
export function tokenizePrompt(engine: Pick<Engine, 'bos' | 'addBos' | 'tokenize'>, text: string): Prompt {
  const tokens = engine.tokenize(text);
  const bos = engine.bos?.token;
  if (bos === undefined) return { tokens, bosCount: 0 };
  const written = leadingBos(engine, tokens);
  const body = tokens.slice(written);
  const wantsBos = engine.addBos || written > 0;
  return {
    tokens: wantsBos ? [bos, ...body] : body,
    bosCount: (wantsBos ? 1 : 0) + body.filter((each) => each === bos).length,
  };
}
