/** What the tool and the child process of the cage say to each other; both ends check every message. */
import * as z from 'zod';

/** A program that somebody else wrote, with what it works on. */
export const Program = z.discriminatedUnion('kind', [
  /** Renders a Jinja chat template. */
  z.strictObject({
    kind: z.literal('template'),
    source: z.string(),
    messages: z.array(z.strictObject({ role: z.string(), content: z.string() })),
    /** Empty where the model has no such token. */
    bos: z.string(),
    eos: z.string(),
  }),
  /** Compiles a JSON Schema, and checks a text by it if there is one. A `pattern` in it is a regular expression. */
  z.strictObject({
    kind: z.literal('json-schema'),
    schema: z.record(z.string(), z.unknown()),
    text: z.string().optional(),
  }),
]);
export type Program = z.infer<typeof Program>;

export const Outcome = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('rendered'), text: z.string() }),
  /** The text follows the schema; or there was none and the schema can be used. */
  z.strictObject({ type: z.literal('valid') }),
  z.strictObject({ type: z.literal('not-json') }),
  z.strictObject({
    type: z.literal('invalid'),
    issues: z.array(z.strictObject({ path: z.string(), message: z.string() })),
  }),
  /** The program itself cannot be used. */
  z.strictObject({ type: z.literal('broken'), message: z.string() }),
  /** The program is sound and refuses its input. */
  z.strictObject({ type: z.literal('refused'), message: z.string() }),
  /** The result is longer than the limit. */
  z.strictObject({ type: z.literal('too-long') }),
]);
export type Outcome = z.infer<typeof Outcome>;

export const FromChild = z.discriminatedUnion('type', [
  /** Everything is loaded; the program is about to run. Its time counts from here. */
  z.strictObject({ type: z.literal('started') }),
  z.strictObject({ type: z.literal('finished'), outcome: Outcome }),
]);
export type FromChild = z.infer<typeof FromChild>;
