import type * as z from 'zod';
import { ProvisionError } from '../../core/errors.ts';
import type { ParameterValue } from '../../modelfile/schema.ts';
import { type ChatOptions, type LoadOptions, Sampling } from './protocol.ts';

type Parameters = Readonly<Record<string, z.infer<typeof ParameterValue>>>;

/** Ollama's own defaults (api/types.go, DefaultOptions), so that a model answers alike on both runtimes. */
const DEFAULTS = {
  temperature: 0.8,
  top_k: 40,
  top_p: 0.9,
  min_p: 0,
  repeat_penalty: 1.1,
  repeat_last_n: 64,
  num_ctx: 4096,
  num_batch: 512,
  num_predict: -1,
  seed: -1,
} as const;

export interface Settings {
  readonly load: Pick<LoadOptions, 'contextLength' | 'batch' | 'threads'>;
  readonly chat: Pick<ChatOptions, 'stop' | 'maxTokens' | 'sampling'>;
}

/**
 * Joins the model's parameters with a request's overrides, under Ollama's names. Unknown names are left to runtimes
 * that know them. Negative `num_predict`: until the context is full; negative `seed`: by `randomSeed`.
 * The penalty looks at the answer only: turn markers of the prompt must not make the end of a turn unlikely.
 * Throws `bad-usage` for a value out of range.
 */
export function settingsOf(
  parameters: Parameters,
  overrides: Readonly<Record<string, number>>,
  defaults: { readonly threads: number; readonly randomSeed: () => number },
): Settings {
  const all: Parameters = { ...DEFAULTS, num_thread: defaults.threads, ...parameters, ...overrides };
  const seed = numberIn(all, 'seed', -1, Number.MAX_SAFE_INTEGER);
  const predict = wholeIn(all, 'num_predict', -2, 2 ** 31);
  const contextLength = wholeIn(all, 'num_ctx', 1, 2 ** 31);
  const repeatLast = wholeIn(all, 'repeat_last_n', -1, 2 ** 31);
  return {
    load: {
      contextLength,
      batch: wholeIn(all, 'num_batch', 1, 2 ** 20),
      threads: threadsIn(all, defaults.threads),
    },
    chat: {
      stop: stopsIn(all),
      ...(predict > 0 && { maxTokens: predict }),
      sampling: Sampling.parse({
        temperature: numberIn(all, 'temperature', 0, 100),
        topK: wholeIn(all, 'top_k', 0, 2 ** 31),
        topP: numberIn(all, 'top_p', 0, 1),
        minP: numberIn(all, 'min_p', 0, 1),
        repeatPenalty: numberIn(all, 'repeat_penalty', 0.01, 100),
        repeatLastTokens: repeatLast < 0 ? contextLength : repeatLast,
        seed: seed < 0 ? defaults.randomSeed() : Math.floor(seed),
      }),
    },
  };
}

/** Ollama reads 0 as "you choose". */
function threadsIn(all: Parameters, chosen: number): number {
  const wanted = wholeIn(all, 'num_thread', 0, 1024);
  return wanted === 0 ? chosen : wanted;
}

function stopsIn(all: Parameters): string[] {
  const stop = all.stop;
  if (stop === undefined) return [];
  const list = Array.isArray(stop) ? stop : [String(stop)];
  return list.filter((each) => each !== '');
}

function wholeIn(all: Parameters, name: string, low: number, high: number): number {
  const value = numberIn(all, name, low, high);
  if (!Number.isInteger(value)) throw outOfRange(name, value, 'a whole number');
  return value;
}

function numberIn(all: Parameters, name: string, low: number, high: number): number {
  const value = all[name];
  if (typeof value !== 'number' || !(value >= low && value <= high))
    throw outOfRange(name, value, `a number from ${low} to ${high}`);
  return value;
}

function outOfRange(name: string, value: unknown, wanted: string): ProvisionError {
  return new ProvisionError('bad-usage', `The parameter ${name} is ${JSON.stringify(value)}, it must be ${wanted}.`, {
    suggestions: [`Correct ${name}, or leave it out.`],
  });
}

/**
 * Threads beyond this bring next to nothing: decoding waits for memory, not for cores, and a handful of cores saturate
 * the memory channels of a desktop machine.
 */
const MOST_USEFUL = 8;

/**
 * How many threads llama.cpp uses by default: the physical cores less one, at least 1, at most 8. Its threads
 * spin while they wait for each other, so one that loses its core to another program stops them all: on a busy
 * machine with two cores, two threads took 27 s for an answer that one thread gave in about one second.
 */
export function defaultThreads(physicalCores: number): number {
  return Math.max(1, Math.min(physicalCores - 1, MOST_USEFUL));
}
