/** What this process and its worker say to each other; both ends check every message. */
import * as z from 'zod';
import { Digest } from '../../core/digest.ts';
import { type ErrorCode, EXIT_CODE } from '../../core/errors.ts';
import { Enclosure } from '../../modelfile/schema.ts';

export const ChatMessage = z.strictObject({ role: z.enum(['system', 'user', 'assistant']), content: z.string() });
export type ChatMessage = z.infer<typeof ChatMessage>;

/** Sampling under one name each, resolved: no defaults are left to the engine. */
export const Sampling = z.strictObject({
  /** 0: always the likeliest token. */
  temperature: z.number().min(0),
  /** 0: no limit. */
  topK: z.int().nonnegative(),
  topP: z.number().min(0).max(1),
  minP: z.number().min(0).max(1),
  /** 1: no penalty. */
  repeatPenalty: z.number().positive(),
  /** How many of the answer's last tokens the penalty looks at. */
  repeatLastTokens: z.int().nonnegative(),
  seed: z.int().nonnegative(),
});
export type Sampling = z.infer<typeof Sampling>;

export const LoadOptions = z.strictObject({
  modelPath: z.string(),
  /** Wanted context in tokens; the engine never makes it longer than the model was trained for. */
  contextLength: z.int().positive(),
  batch: z.int().positive(),
  threads: z.int().positive(),
  gpu: z.enum(['auto', 'off']),
  /** A chat template instead of the file's own. */
  chatTemplate: z.string().optional(),
});
export type LoadOptions = z.infer<typeof LoadOptions>;

export const ChatOptions = z.strictObject({
  messages: z.array(ChatMessage).min(1),
  stop: z.array(z.string().min(1)),
  /** Upper bound of answer tokens; absent: until the context is full. */
  maxTokens: z.int().positive().optional(),
  sampling: Sampling,
  /** What encloses thoughts, which are no part of the answer. */
  thoughts: Enclosure.exactOptional(),
  /** A JSON Schema that the answer must follow. */
  format: z.record(z.string(), z.unknown()).optional(),
});
export type ChatOptions = z.infer<typeof ChatOptions>;

/** What is to be turned into tokens: a conversation by the file's template, or a text as it is. */
export const Source = z.union([
  z.strictObject({ messages: z.array(ChatMessage).min(1) }),
  z.strictObject({ text: z.string() }),
]);
export type Source = z.infer<typeof Source>;

/** A text to be scored; `contract.ts` of the runtimes says what the members mean. */
export const ScoreOptions = z.strictObject({
  text: z.string().min(1),
  positions: z.int().positive(),
  scores: z.string(),
  role: z.enum(['reference', 'candidate']),
});
export type ScoreOptions = z.infer<typeof ScoreOptions>;

const id = z.int();

export const ToWorker = z.discriminatedUnion('type', [
  /** Loads the model unless it is loaded already, then answers. One chat at a time. */
  z.strictObject({ type: z.literal('chat'), id, load: LoadOptions, chat: ChatOptions }),
  /** Loads the model unless it is loaded already, and reports the prompt that it would evaluate. */
  z.strictObject({ type: z.literal('prompt'), id, load: LoadOptions, source: Source }),
  /** Loads the model unless it is loaded already, and scores a text position by position. */
  z.strictObject({ type: z.literal('score'), id, load: LoadOptions, score: ScoreOptions }),
  /** Frees the model's memory. */
  z.strictObject({ type: z.literal('unload'), id }),
  z.strictObject({ type: z.literal('abort'), id }),
]);
export type ToWorker = z.infer<typeof ToWorker>;

export const Answer = z.strictObject({
  endedBy: z.enum(['stop', 'length']),
  promptTokens: z.int().nonnegative(),
  answerTokens: z.int().nonnegative(),
  /** BOS tokens in the evaluated prompt: 1, or something is wrong. */
  bosCount: z.int().nonnegative(),
  /** From the loaded model to the first answer token, in milliseconds as all times here. */
  firstTokenMs: z.number().nonnegative(),
  /** From the first answer token to the last. */
  decodeMs: z.number().nonnegative(),
});
export type Answer = z.infer<typeof Answer>;

export const EffectivePrompt = z.strictObject({
  text: z.string(),
  /** All tokens that are evaluated. */
  tokens: z.int().nonnegative(),
  /** BOS tokens at the start of them. */
  bosCount: z.int().nonnegative(),
});
export type EffectivePrompt = z.infer<typeof EffectivePrompt>;

const Code = z.string().refine((word): word is ErrorCode => Object.hasOwn(EXIT_CODE, word), 'must be an error code');

export const FromWorker = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('loaded'),
    id,
    loadMs: z.number().nonnegative(),
    contextLength: z.int().positive(),
  }),
  z.strictObject({ type: z.literal('piece'), id, text: z.string() }),
  z.strictObject({ type: z.literal('done'), id, answer: Answer }),
  z.strictObject({ type: z.literal('prompt'), id, prompt: EffectivePrompt }),
  z.strictObject({ type: z.literal('position'), id, divergence: z.number(), agrees: z.boolean() }),
  z.strictObject({ type: z.literal('scored'), id, tokens: Digest, vocabulary: z.int().positive() }),
  z.strictObject({ type: z.literal('unloaded'), id }),
  z.strictObject({
    type: z.literal('failed'),
    id,
    code: Code,
    message: z.string(),
    suggestions: z.array(z.string()),
  }),
]);
export type FromWorker = z.infer<typeof FromWorker>;
