import type { CageParts } from '../../cage/cage.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Engine } from './engine.ts';
import { DOCUMENT_END } from './json-schema.ts';
import { renderPrompt, tokenizePrompt } from './prompt.ts';
import type { Answer, ChatOptions } from './protocol.ts';

/**
 * Answers on a loaded model: yields text as it is sure to belong to the answer, returns how it went. Throws `bad-usage`
 * for a prompt that leaves no room in the context (it is never cut), and what rendering throws.
 */
export async function* answer(
  engine: Engine,
  options: ChatOptions,
  { cage, signal }: CageParts,
): AsyncGenerator<string, Answer, undefined> {
  const started = performance.now();
  const prompt = tokenizePrompt(engine, await renderPrompt(engine, options.messages, { cage, signal }));
  const limit = requireRoom(engine, prompt.tokens.length, options.maxTokens);
  const isEnd = endDetector(engine, options.stop);
  const isThought = thoughtDetector(engine, options.thoughts);
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
    const { text: sure, stopped } = isThought(token) ? NOTHING : scanner.push(text.push(token));
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
      `The prompt has ${promptTokens} tokens, and the context has room for ${engine.contextLength}: none are left for an answer.`,
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

const NOTHING = { text: '', stopped: false } as const;

/**
 * True for the tokens of a thought, its marks among them. The marks are tokens of their own, whether or not they have a text;
 * a vocabulary that has none of them has no thoughts either.
 */
function thoughtDetector(engine: Engine, thoughts: ChatOptions['thoughts']): (token: number) => boolean {
  const [opening] = engine.tokenize(thoughts?.opens ?? '');
  const [closing, ...more] = engine.tokenize(thoughts?.closes ?? '');
  if (opening === undefined || closing === undefined || more.length > 0) return () => false;
  let inside = false;
  return (token) => {
    if (token === opening) inside = true;
    const isPart = inside;
    if (token === closing) inside = false;
    return isPart;
  };
}

const UNFINISHED = '\uFFFD';
/** A UTF-8 character has at most four bytes, so byte tokens that make none by then never will. */
const LONGEST_CHARACTER = 4;

/** Turns tokens into text as they come, never cutting a character in two. */
export interface TextStream {
  /** The text that this token completes; often empty inside a character of several byte tokens. */
  push(token: number): string;
  /** What is left at the end of the answer. */
  flush(): string;
}

/**
 * Tokens are turned into text together with the few before them, as some tokenizers write a space only between
 * tokens; the text of the earlier ones is then cut off.
 */
export function createTextStream(detokenize: (tokens: readonly number[]) => string): TextStream {
  let earlier: readonly number[] = [];
  let waiting: readonly number[] = [];

  function textOf(tokens: readonly number[]): string {
    return detokenize([...earlier, ...tokens]).slice(detokenize(earlier).length);
  }

  return {
    push(token) {
      waiting = [...waiting, token];
      const text = textOf(waiting);
      if (!text.endsWith(UNFINISHED)) {
        earlier = waiting;
        waiting = [];
        return text;
      }
      const [oldest, ...rest] = waiting;
      if (oldest === undefined || waiting.length < LONGEST_CHARACTER) return '';
      // Bytes that are no text: give up the oldest only, the others may begin a good character.
      const lost = textOf([oldest]);
      earlier = [];
      waiting = rest;
      return lost;
    },
    flush() {
      const text = textOf(waiting);
      earlier = [];
      waiting = [];
      return text;
    },
  };
}

/**
 * Lets text through until a stop string appears, also one that comes in several pieces: whatever could still become
 * a stop string is pending back until it is known.
 */
export interface StopScanner {
  /** The text that may be shown now, and whether a stop string was met. */
  push(text: string): { readonly text: string; readonly stopped: boolean };
  /** What is still pending back, when the answer ended without a stop string. */
  flush(): string;
}

export function createStopScanner(stops: readonly string[]): StopScanner {
  let pending = '';
  return {
    push(text) {
      pending += text;
      const at = firstOf(pending, stops);
      if (at !== undefined) {
        const shown = pending.slice(0, at);
        pending = '';
        return { text: shown, stopped: true };
      }
      const keep = longestBeginning(pending, stops);
      const shown = pending.slice(0, pending.length - keep);
      pending = pending.slice(pending.length - keep);
      return { text: shown, stopped: false };
    },
    flush() {
      const rest = pending;
      pending = '';
      return rest;
    },
  };
}

function firstOf(text: string, stops: readonly string[]): number | undefined {
  const places = stops.map((stop) => text.indexOf(stop)).filter((place) => place >= 0);
  return places.length === 0 ? undefined : Math.min(...places);
}

/** Length of the longest end of `text` that is the beginning of a stop string. */
function longestBeginning(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length -= 1) {
      if (text.endsWith(stop.slice(0, length))) longest = length;
    }
  }
  return longest;
}
