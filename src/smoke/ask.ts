import type { Cage } from '../cage/cage.ts';
import type { ChatResult, Message, Runtime, StoredModel } from '../runtimes/contract.ts';
import { type Evidence, findObjection } from './judges.ts';
import type { Check, CheckResult, Judge, Suite } from './schema.ts';

/** What a suite may take. */
export interface Budget {
  /** For all checks after the model is loaded. */
  readonly ms: number;
  /** Milliseconds since any fixed point. */
  readonly clock: () => number;
}

export interface RunSuite {
  /** Where answers are checked by the JSON Schemas of the suite. */
  readonly cage: Cage;
  readonly suite: Suite;
  /** Without it every check is run. */
  readonly budget?: Budget;
  readonly chat: Runtime['chat'];
  /** For long input (the context in force) and for cold starts; checks that need a part that is missing are skipped. */
  readonly runtime?: Pick<Runtime, 'loaded' | 'unload'>;
  /** What the runtime says of the model: its context length, and whether it takes pictures. */
  readonly stored?: Pick<StoredModel, 'contextLength' | 'capabilities'>;
  /** The model's name in the runtime. */
  readonly name: string;
  /** Stop strings of the model. */
  readonly stop: readonly string[];
  /** Text of the chat template that must never reach an answer: `<start_of_turn>`, `<bos>`, … */
  readonly templateMarkers: readonly string[];
  readonly signal: AbortSignal;
}

/** Answers must not depend on chance: no temperature, one seed. */
const DETERMINISTIC = { temperature: 0, seed: 1 } as const;
/** Bound of an answer's tokens when the check gives none: enough for a paragraph, soon over when a stop token is missing. */
export const DEFAULT_MAX_TOKENS = 128;

export interface Reply extends ChatResult {
  /** Milliseconds from the request to the first piece of the answer, load included; `firstTokenMs` differs by runtime. */
  readonly firstPieceMs: number;
}

/** One request of a check. `changes` replace its messages and its bound. Throws what the runtime throws. */
export async function ask(
  run: RunSuite,
  check: Check,
  changes: { readonly messages?: readonly Message[]; readonly maxTokens?: number } = {},
): Promise<Reply> {
  const { messages = check.messages, maxTokens = check.maxTokens ?? DEFAULT_MAX_TOKENS } = changes;
  const options = { ...DETERMINISTIC, num_predict: maxTokens };
  const { format } = check;
  const work = run.chat({ name: run.name, messages, options, ...(format && { format }) }, run.signal);
  const started = performance.now();
  let firstPieceMs: number | undefined;
  for (;;) {
    const step = await work.next();
    firstPieceMs ??= performance.now() - started;
    if (step.done) return { ...step.value, firstPieceMs };
  }
}

/** What is wrong with an answer, found by one of its judges. */
export interface AnswerFinding {
  readonly message: string;
  /** Of an advisory judge: does not fail the suite. */
  readonly advisory: boolean;
}

type Measured = Pick<CheckResult, 'promptTokens' | 'firstTokenMs' | 'tokensPerSecond' | 'fill' | 'pace'>;

/** How one check went: not run for want of something, or judged. */
export type Outcome =
  | { readonly skipped: string }
  | {
      readonly fault: AnswerFinding | undefined;
      readonly answer: string;
      /** For a person, when all is well. */
      readonly detail: string;
      readonly measured: Measured;
    };

/** The first fault that counts, else the first advisory one. */
export function judgeAnswer(
  run: RunSuite,
  check: Check,
  asked: Reply,
  bySchema?: Evidence['bySchema'],
): AnswerFinding | undefined {
  const evidence: Evidence = {
    text: asked.text,
    endedBy: asked.endedBy,
    answerTokens: asked.answerTokens,
    templateMarkers: [...new Set([...run.templateMarkers, ...run.stop])],
    mayRunOn: check.mayRunOn ?? false,
    ...(bySchema && { bySchema }),
  };
  const faults = judgesOf(check).flatMap((judge): AnswerFinding[] => {
    const message = findObjection(judge, evidence);
    return message === undefined ? [] : [{ message, advisory: judge.advisory ?? false }];
  });
  return faults.find((fault) => !fault.advisory) ?? faults[0];
}

function judgesOf(check: Check): readonly Judge[] {
  return check.level === 'loads' ? check.judges : [{ kind: 'wellFormed' }, ...check.judges];
}

/** Speeds of a request, and its prompt's tokens where the prompt was no more than the check's messages. */
export function measurements(check: Check, asked: Reply): Measured {
  const plain =
    check.fill === undefined &&
    check.messages.every(({ images, sounds }) => images === undefined && sounds === undefined);
  return {
    ...(plain && { promptTokens: asked.promptTokens }),
    firstTokenMs: asked.firstTokenMs,
    ...(asked.tokensPerSecond !== undefined && { tokensPerSecond: asked.tokensPerSecond }),
  };
}
