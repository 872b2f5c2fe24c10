/** Prompt suites are data: checks with messages and a judge each. */
import * as z from 'zod';

/** Id of the built-in suite for pretrained models, which continue text. */
export const BASE_SUITE = 'base';

/**
 * What a check asks of the model, from the first to the last that is run: it loads, answers, stops where it should,
 * obeys, repeats itself (the same question gets the same answer), formats (JSON by a schema), knows facts, speaks
 * languages, sees pictures, hears sounds, holds long input, runs at some speed.
 */
export const Level = z.enum([
  'loads',
  'answers',
  'stops',
  'obeys',
  'repeats',
  'formats',
  'knows',
  'speaks',
  'sees',
  'hears',
  'holds',
  'runs',
]);
export type Level = z.infer<typeof Level>;

/** An objection of an advisory judge is reported and recorded, but does not fail the suite. */
const advisory = z.boolean().optional();

/** How an answer is judged; pure data, evaluated by `judges.ts`. Texts are compared after trimming. */
export const Judge = z.discriminatedUnion('kind', [
  /** Not empty, ended by itself, no template text in it. */
  z.strictObject({ kind: z.literal('wellFormed'), advisory }),
  z.strictObject({
    kind: z.literal('exactly'),
    text: z.string(),
    ignoreCase: z.boolean().optional(),
    ignoreFinalStop: z.boolean().optional(),
    advisory,
  }),
  /** One of these appears as a whole word (any script), case ignored. */
  z.strictObject({ kind: z.literal('mentions'), anyOf: z.array(z.string()).min(1), advisory }),
  /** None of these appears as a whole word, case ignored. */
  z.strictObject({ kind: z.literal('lacks'), noneOf: z.array(z.string()).min(1), advisory }),
  z.strictObject({ kind: z.literal('oneWord'), advisory }),
  z.strictObject({ kind: z.literal('number'), equals: z.number().optional(), advisory }),
  /** Most letters belong to this Unicode script (`Latin`, `Han`, `Cyrillic`, …; `Jpan` and `Kore` are the mixed ones). */
  z.strictObject({ kind: z.literal('script'), script: z.string(), advisory }),
  /** Not one phrase repeated from beginning to end. */
  z.strictObject({ kind: z.literal('varied'), advisory }),
  /** One JSON document and nothing else, valid by the check's `format`. */
  z.strictObject({ kind: z.literal('json'), advisory }),
]);
export type Judge = z.infer<typeof Judge>;

/** Where the filler of a long check goes, in exactly one place of its messages. */
export const FILLER = '{filler}';

/** Bytes of a picture in base64; 200,000 characters are 150 kB, far more than a picture of a few shapes needs. */
const Picture = z.base64().min(1).max(200_000);

/** Bytes of a spoken word or two in base64. */
const Sound = z.base64().min(1).max(200_000);

const SuiteMessage = z.strictObject({
  role: z.enum(['system', 'user', 'assistant']),
  content: z.string(),
  /** PNG or JPEG files in base64. Skipped where the model takes no pictures. */
  images: z.array(Picture).min(1).exactOptional(),
  /** WAV files in base64. Skipped where the model takes no sound. */
  sounds: z.array(Sound).min(1).exactOptional(),
});

export const Fill = z.strictObject({
  /** Repeated in the place of `{filler}`; begin it with a space or a newline, so that copies do not grow together. */
  text: z.string().min(1).max(2000),
  /** Share of the context in force that the prompt fills, less what the answer needs. */
  upTo: z.number().min(0.1).max(1),
  /** Tokens of prompt at most, whatever the context: a bound of the time that this check may take. */
  atMost: z.int().positive().optional(),
});
export type Fill = z.infer<typeof Fill>;

export const Check = z.strictObject({
  id: z.string().regex(/^[a-z0-9-]+$/),
  level: Level,
  title: z.string(),
  messages: z.array(SuiteMessage).min(1),
  /** All must accept the answer; `wellFormed` is always applied first, except at level `loads`, where any answer will do. */
  judges: z.array(Judge),
  /** Upper bound of tokens for this answer. */
  maxTokens: z.int().positive().max(4096).optional(),
  /** Reaching the token limit is not a fault: base models continue until they are stopped. */
  mayRunOn: z.boolean().optional(),
  /** A failed advisory check is reported and recorded but does not fail the suite. */
  advisory: z.boolean().optional(),
  /** What the user should look at when it fails. */
  remedy: z.string().optional(),
  /** Asks the same this many times at temperature 0 with one seed: all answers must be the same. */
  repeat: z.int().min(2).max(8).optional(),
  /** Fills the context nearly to its end: all of the input must reach the model. */
  fill: Fill.optional(),
  /** A JSON Schema that the runtime must keep the answer to. Skipped where the runtime cannot. */
  format: z.record(z.string(), z.unknown()).optional(),
  /** Frees the model's memory, then asks twice: how long a cold start takes, and how fast the warm model is. */
  timing: z.literal('cold-and-warm').optional(),
});
export type Check = z.infer<typeof Check>;

export const Suite = z.strictObject({
  $schema: z.string().optional(),
  schemaVersion: z.literal(1),
  id: z.string(),
  title: z.string(),
  checks: z.array(Check).min(1),
});
export type Suite = z.infer<typeof Suite>;

/** Milliseconds from the request to the first piece of the answer, load included, and tokens per second from there on. */
export const Pace = z.strictObject({ firstTokenMs: z.number().nonnegative(), tokensPerSecond: z.number().optional() });
export type Pace = z.infer<typeof Pace>;

export const CheckResult = z.strictObject({
  id: z.string(),
  level: Level,
  passed: z.boolean(),
  advisory: z.boolean(),
  /**
   * Why the check was not run, where the runtime or the model has not what it needs. It counts neither as passed nor as
   * failed: `passed` is false and `advisory` true, so that a reader that does not know this field ignores it.
   */
  skipped: z.string().optional(),
  detail: z.string(),
  /** Of a failure: its kind, the same for failures that differ only in what was answered. */
  cause: z.string().optional(),
  answer: z.string(),
  ms: z.number(),
  /** Tokens of the check's own messages as the runtime counted them; absent where more was sent (pictures, filler). */
  promptTokens: z.int().nonnegative().optional(),
  firstTokenMs: z.number().optional(),
  tokensPerSecond: z.number().optional(),
  /** Of a check that fills the context, in tokens. */
  fill: z
    .strictObject({
      context: z.int().positive(),
      sent: z.int().nonnegative(),
      /** As the runtime counted them; absent where it does not count all of a prompt. */
      arrived: z.int().nonnegative().optional(),
    })
    .optional(),
  /** Of a check that measures; `cold` is absent where the runtime frees no memory on request. */
  pace: z.strictObject({ cold: Pace.optional(), warm: Pace }).optional(),
});
export type CheckResult = z.infer<typeof CheckResult>;

export const SmokeResult = z.strictObject({
  suite: z.string(),
  passed: z.int().nonnegative(),
  /** Failed checks that count; advisory ones do not. */
  failed: z.int().nonnegative(),
  /** Failed checks that are only reported; absent where there are none. */
  advisoryFailed: z.int().nonnegative().optional(),
  /** Absent in results from before there were checks that can be skipped. */
  skipped: z.int().nonnegative().optional(),
  checks: z.array(CheckResult),
  tokensPerSecond: z.number().optional(),
});
export type SmokeResult = z.infer<typeof SmokeResult>;
