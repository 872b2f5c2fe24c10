import { ProvisionError } from '../../core/errors.ts';
import type { LoadedModel, Message, RenderedPrompt } from '../../runtimes/contract.ts';
import type { ProveRequest } from './contract.ts';

/** Requests that a proof may add to a smoke run. */
const MAX_REQUESTS = 6;

/** Asks the runtime, and counts what that costs. Once the budget is used up nothing is asked any more. */
export interface Meter {
  /** Requests that may still be made. */
  left(): number;
  cost(): { readonly requests: number; readonly generatedTokens: number };
  /** Undefined where the runtime cannot show a prompt. Throws what the runtime throws, as all of these. */
  render(messages: readonly Message[]): Promise<RenderedPrompt | undefined>;
  /** Tokens of a prompt that no template touches; undefined where they are not counted, or the context is too short. */
  countRaw(prompt: string): Promise<number | undefined>;
  /** Tokens of a conversation; undefined where they are not counted, or the context is too short. */
  countChat(messages: readonly Message[]): Promise<number | undefined>;
  loaded(): Promise<LoadedModel | undefined>;
}

export function createMeter(runtime: ProveRequest['runtime'], name: string, signal: AbortSignal): Meter {
  let requests = 0;
  let generatedTokens = 0;

  function mayAsk(): boolean {
    signal.throwIfAborted();
    if (requests >= MAX_REQUESTS) return false;
    requests += 1;
    return true;
  }

  return {
    left: () => MAX_REQUESTS - requests,
    cost: () => ({ requests, generatedTokens }),
    async render(messages) {
      // A runtime that shows nothing may have found that out by asking: it counts as a request.
      if (runtime.render === undefined || !mayAsk()) return undefined;
      return await runtime.render({ name, messages }, signal);
    },
    async countRaw(prompt) {
      if (runtime.countRaw === undefined || !mayAsk()) return undefined;
      generatedTokens += 1;
      return await unlessTooLong(runtime.countRaw(name, prompt, signal));
    },
    async countChat(messages) {
      if (!mayAsk()) return undefined;
      return await unlessTooLong(chatOnce(messages));
    },
    async loaded() {
      if (runtime.loaded === undefined || !mayAsk()) return undefined;
      return await runtime.loaded(name, signal);
    },
  };

  async function chatOnce(messages: readonly Message[]): Promise<number | undefined> {
    const chat = runtime.chat({ name, messages, options: { temperature: 0, seed: 1, num_predict: 1 } }, signal);
    for (;;) {
      const step = await chat.next();
      if (!step.done) continue;
      generatedTokens += step.value.answerTokens;
      return step.value.promptTokens || undefined;
    }
  }
}

/** Runtimes refuse a prompt that leaves no room in the context; then there is nothing to count. */
async function unlessTooLong(count: Promise<number | undefined>): Promise<number | undefined> {
  try {
    return await count;
  } catch (thrown) {
    if (thrown instanceof ProvisionError && thrown.code === 'bad-usage') return undefined;
    throw thrown;
  }
}
