import type { Message } from '../runtimes/contract.ts';
import {
  type AnswerFinding,
  ask,
  DEFAULT_MAX_TOKENS,
  judgeAnswer,
  measurements,
  type Outcome,
  type RunSuite,
} from './ask.ts';
import { quote } from './judges.ts';
import { type Check, FILLER, type Fill } from './schema.ts';

/** Copies of the filler in the prompt that is measured first; the second one has twice as many. */
const SAMPLE = 8;
/** Tokens left free beside the answer, for what runtimes keep for themselves (llama.cpp's context shift keeps 4 or 5). */
const SPARE = 16;
/** Share of the prompt that an estimate of its tokens may be off, and a few tokens for the seams between copies. */
const TOLERANCE = 0.02;
const SEAM_TOKENS = 8;

/** What can be said of prompts of this check before the long one is sent. All in tokens. */
interface Plan {
  readonly context: number;
  /** Copies of the filler. */
  readonly copies: number;
  readonly sent: number;
  /** The runtime counts a prompt that it has seen before in full. */
  readonly countsAll: boolean;
}

/**
 * Fills the context in force nearly to its end. Servers cut input that does not fit, mostly without a word, so the
 * tokens that arrived are compared with those that were sent, which two short prompts let us predict.
 */
export async function fillContext(run: RunSuite, check: Check, fill: Fill): Promise<Outcome> {
  const plan = await planFill(run, check, fill);
  if ('skipped' in plan || 'fault' in plan) return plan;
  const asked = await ask(run, check, { messages: fillMessages(check, fill, plan.copies) });
  const arrived = plan.countsAll ? asked.promptTokens : undefined;
  const { context, sent } = plan;
  return {
    fault: findCutInput(plan, arrived) ?? addTokenCount(judgeAnswer(run, check, asked), arrived),
    answer: asked.text,
    detail: `${arrived ?? `about ${sent}`} tokens of a context of ${context}, answered ${quote(asked.text)}`,
    measured: { ...measurements(check, asked), fill: { context, sent, ...(arrived !== undefined && { arrived }) } },
  };
}

async function planFill(run: RunSuite, check: Check, fill: Fill): Promise<Plan | Outcome> {
  const count = async (copies: number): Promise<number> =>
    (await ask(run, check, { messages: fillMessages(check, fill, copies), maxTokens: 1 })).promptTokens;
  const once = await count(SAMPLE);
  const context = await readContext(run);
  if (typeof context !== 'number') return context;
  const room = availableTokens(context, check, fill);
  // The second sample is less than twice as long, and the check would prove nothing with little more than that.
  if (2 * once > room) return { skipped: `a context of ${context} tokens is too short for this check` };
  const countsAll = (await count(SAMPLE)) === once;
  const twice = await count(2 * SAMPLE);
  // A runtime that does not count what its prompt cache spares counts the second half and the end: a little too much.
  const perCopy = (countsAll ? twice - once : twice) / SAMPLE;
  if (!(once > 0 && perCopy > 0)) return { skipped: 'the runtime does not count the tokens of a prompt' };
  const copies = SAMPLE + Math.floor((room - once) / perCopy);
  return { context, copies, sent: Math.round(once + (copies - SAMPLE) * perCopy), countsAll };
}

/** Tokens of the context that the model has; an outcome where it is unknown, or not what the model asks for. */
async function readContext(run: RunSuite): Promise<number | Outcome> {
  const inForce = (await run.runtime?.loaded?.(run.name, run.signal))?.contextLength;
  const wanted = run.stored?.contextLength;
  if (wanted !== undefined && inForce !== undefined && inForce < wanted) {
    const message = `the model requests a context of ${wanted} tokens (num_ctx), but the runtime uses ${inForce}: longer input is cut`;
    return { fault: { message, advisory: false }, answer: '', detail: '', measured: {} };
  }
  return wanted ?? inForce ?? { skipped: 'neither the model nor the runtime reports the context length' };
}

function availableTokens(context: number, check: Check, fill: Fill): number {
  const beside = context - (check.maxTokens ?? DEFAULT_MAX_TOKENS) - SPARE;
  return Math.min(Math.floor(context * fill.upTo), beside, fill.atMost ?? beside);
}

function fillMessages(check: Check, fill: Fill, copies: number): Message[] {
  const text = fill.text.repeat(copies);
  return check.messages.map((message) => ({ ...message, content: message.content.replace(FILLER, () => text) }));
}

function findCutInput({ sent, context }: Plan, arrived: number | undefined): AnswerFinding | undefined {
  if (arrived === undefined || arrived >= sent * (1 - TOLERANCE) - SEAM_TOKENS) return undefined;
  const message = `the runtime cut the input: about ${sent} tokens were sent, ${arrived} reached the model (context ${context})`;
  return { message, advisory: false };
}

/** A wrong answer to input that arrived in full is the model's own fault. */
function addTokenCount(fault: AnswerFinding | undefined, arrived: number | undefined): AnswerFinding | undefined {
  if (fault === undefined || arrived === undefined) return fault;
  return { ...fault, message: `${fault.message}, though all ${arrived} tokens of input reached the model` };
}
