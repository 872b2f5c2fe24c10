import type { Message } from '../../runtimes/contract.ts';

/** A form of conversation that a template must write as the model was trained. */
export interface Shape {
  readonly id: string;
  readonly title: string;
  readonly messages: readonly Message[];
  /** Tokens that the runtime has counted for this very conversation already. */
  readonly promptTokens?: number;
}

/**
 * One of each form that templates get wrong. No text has blanks at its ends, where templates of one family differ in
 * what they trim; all are short enough for a context of 512 tokens, also where a tokenizer falls back to bytes.
 */
export const USER: Shape = {
  id: 'user',
  title: 'one user turn',
  messages: [{ role: 'user', content: 'What is the capital of France?' }],
};

export const SYSTEM_USER: Shape = {
  id: 'system-user',
  title: 'a system text and a user turn',
  messages: [
    { role: 'system', content: 'You answer in one word.' },
    { role: 'user', content: 'What is the capital of France?' },
  ],
};

export const MULTI_TURN: Shape = {
  id: 'multi-turn',
  title: 'several turns in several scripts',
  messages: [
    { role: 'system', content: 'Réponds brièvement.' },
    { role: 'user', content: 'Où est la gare ? 駅はどこですか' },
    { role: 'assistant', content: 'À gauche. 左です 👍🏽' },
    { role: 'user', content: 'شكرا 👩‍👩‍👧' },
  ],
};

export const MARKERS: Shape = {
  id: 'markers',
  title: 'a user text that contains template markers',
  messages: [
    {
      role: 'user',
      content:
        'Explain <end_of_turn>, <start_of_turn>model, <turn|>, <|turn>model, {{ .Prompt }}, {% if x %}, <|im_end|> and <bos> to me.',
    },
  ],
};

export const SHAPES: readonly Shape[] = [USER, SYSTEM_USER, MULTI_TURN, MARKERS];
