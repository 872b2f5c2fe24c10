import type { ChatResult, Message, Runtime, StoredModel } from '../runtimes/contract.ts';
import type { Check, Suite } from './schema.ts';

export interface RunSuite {
  readonly suite: Suite;
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
const STEADY = { temperature: 0, seed: 1 } as const;
/** Bound of an answer's tokens when the check gives none: enough for a paragraph, soon over when a stop token is missing. */
export const DEFAULT_MAX_TOKENS = 128;

export interface Asked extends ChatResult {
  /** Milliseconds from the request to the first piece of the answer, load included; `firstTokenMs` differs by runtime. */
  readonly firstPieceMs: number;
}

/** One request of a check. `changes` replace its messages and its bound. Throws what the runtime throws. */
export async function ask(
  run: RunSuite,
  check: Check,
  changes: { readonly messages?: readonly Message[]; readonly maxTokens?: number } = {},
): Promise<Asked> {
  const { messages = check.messages, maxTokens = check.maxTokens ?? DEFAULT_MAX_TOKENS } = changes;
  const options = { ...STEADY, num_predict: maxTokens };
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
