import { ProvisionError } from '../../core/errors.ts';
import type { Engine } from './engine.ts';
import { DOCUMENT_END } from './json-schema.ts';
import { renderPrompt, tokenizePrompt } from './prompt.ts';
import type { Answer, ChatOptions } from './protocol.ts';
import { createStopScanner } from './stop-scanner.ts';
import { createTextStream } from './text-stream.ts';

/**
 * Answers on a loaded model: yields text as it is sure to belong to the answer, returns how it went. Throws `bad-usage`
 * for a prompt that leaves no room in the context (it is never cut), and what rendering throws.
 */
export async function* answer(
  engine: Engine,
  options: ChatOptions,
  signal: AbortSignal,
): AsyncGenerator<string, Answer, undefined> {
  const started = performance.now();
  const prompt = tokenizePrompt(engine, await renderPrompt(engine, options.messages));
  const limit = requireRoom(engine, prompt.tokens.length, options.maxTokens);
  const isEnd = endDetector(engine, options.stop);
  const text = createTextStream((tokens) => engine.detokenize(tokens));
  const { format } = options;
  const scanner = createStopScanner(format === undefined ? options.stop : [...options.stop, DOCUMENT_END]);

  let answerTokens = 0;
  let firstAt = started;
  let lastAt = started;
  let endedBy: Answer['endedBy'] = 'length';
  for await (const token of engine.generate(prompt.tokens, options.sampling, signal, format)) {
    signal.throwIfAborted();
    lastAt = performance.now();
    if (answerTokens === 0) firstAt = lastAt;
    if (isEnd(token)) {
      endedBy = 'stop';
      break;
    }
    answerTokens += 1;
    const { text: sure, stopped } = scanner.push(text.push(token));
    if (sure !== '') yield sure;
    if (stopped) {
      endedBy = 'stop';
      break;
    }
    if (answerTokens >= limit) break;
  }
  const last = scanner.push(text.flush());
  const rest = last.stopped ? last.text : last.text + scanner.flush();
  if (rest !== '') yield rest;
  return {
    endedBy: last.stopped ? 'stop' : endedBy,
    promptTokens: prompt.tokens.length,
    answerTokens,
    bosCount: prompt.bosCount,
    firstTokenMs: firstAt - started,
    decodeMs: lastAt - firstAt,
  };
}

/** Answer tokens that may come: what is asked for, within what the context has left. */
function requireRoom(engine: Engine, promptTokens: number, maxTokens: number | undefined): number {
  const left = engine.contextLength - promptTokens;
  if (left < 1)
    throw new ProvisionError(
      'bad-usage',
      `The prompt has ${promptTokens} tokens, and the context holds ${engine.contextLength}: there is no room for an answer.`,
      { suggestions: ['Give a longer context with --ctx (num_ctx).', 'Shorten the conversation.'] },
    );
  return Math.min(left, maxTokens ?? left);
}

/**
 * True for the file's own end tokens, and for stop strings that are one special token: those are invisible in the
 * text, so no text search could find them.
 */
function endDetector(engine: Engine, stops: readonly string[]): (token: number) => boolean {
  const special = new Set<number>();
  for (const stop of stops) {
    const [token, ...more] = engine.tokenize(stop);
    if (token !== undefined && more.length === 0 && engine.isSpecial(token)) special.add(token);
  }
  return (token) => engine.isEnd(token) || special.has(token);
}
