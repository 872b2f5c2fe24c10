import { Template } from '@huggingface/jinja';
import * as z from 'zod';
import { messageOf } from '../core/errors.ts';
import { issuesOf } from '../core/parse.ts';
import { CAGE_LIMITS } from './limits.ts';
import type { Outcome, Program } from './protocol.ts';

type ProgramOf<Kind extends Program['kind']> = Extract<Program, { kind: Kind }>;

/** Runs a program to its end, however long that takes: only the child process of the cage calls it. */
export function perform(program: Program): Outcome {
  return program.kind === 'template' ? render(program) : validate(program);
}

function render({ source, messages, bos, eos }: ProgramOf<'template'>): Outcome {
  let template: Template;
  try {
    template = new Template(source);
  } catch (error) {
    return broken(error);
  }
  try {
    // Templates of models that can think ask for this; the prompts of this tool want an answer at once.
    const thoughts = { enable_thinking: false };
    const variables = { messages, bos_token: bos, eos_token: eos, add_generation_prompt: true, ...thoughts };
    const text = template.render(variables);
    return text.length > CAGE_LIMITS.outputLength ? { type: 'too-long' } : { type: 'rendered', text };
  } catch (error) {
    // A list or a text that is too long for JavaScript, or a recursion without end, is no complaint about the messages.
    return error instanceof RangeError ? broken(error) : { type: 'refused', message: brief(error) };
  }
}

function validate({ schema, text }: ProgramOf<'json-schema'>): Outcome {
  let shape: z.ZodType;
  try {
    // Zod's type of a JSON Schema is closed; this one comes from a file and is checked by the call itself.
    shape = z.fromJSONSchema(schema as z.core.JSONSchema.BaseSchema);
  } catch (error) {
    return broken(error);
  }
  return text === undefined ? { type: 'valid' } : check(shape, text);
}

const SHOWN_ISSUES = 3;

function check(shape: z.ZodType, text: string): Outcome {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { type: 'not-json' };
  }
  const parsed = shape.safeParse(value);
  if (parsed.success) return { type: 'valid' };
  const issues = issuesOf(parsed.error).slice(0, SHOWN_ISSUES);
  return {
    type: 'invalid',
    issues: issues.map(({ path, message }) => ({ path: short(path), message: short(message) })),
  };
}

function broken(error: unknown): Outcome {
  return { type: 'broken', message: brief(error) };
}

function brief(error: unknown): string {
  return short(messageOf(error));
}

/** What a program says goes into messages for a person. */
function short(text: string): string {
  return text.length > 500 ? `${text.slice(0, 500)}…` : text;
}
