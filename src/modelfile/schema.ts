import * as z from 'zod';
import { Digest } from '../core/digest.ts';

/** A parameter value in the create request's own types; only `stop` may be a list. */
export const ParameterValue = z.union([z.number(), z.boolean(), z.string(), z.array(z.string())]);
export type ParameterValue = z.infer<typeof ParameterValue>;

export const Enclosure = z.strictObject({ opens: z.string().min(1), closes: z.string().min(1) });

/**
 * The chat format that a server has built in for the model, as Ollama's RENDERER and PARSER; it then uses no TEMPLATE.
 * `requires`: the first Ollama that has them and runs the model.
 */
export const BuiltInFormat = z.strictObject({
  renderer: z.string(),
  parser: z.string(),
  requires: z.string().exactOptional(),
  /** What encloses thoughts, for a runtime that reads answers itself. */
  thoughts: Enclosure.exactOptional(),
});
export type BuiltInFormat = z.infer<typeof BuiltInFormat>;

/** Everything that turns bytes into a model, in the form of the create request; no Modelfile text is ever parsed for it. */
export const ModelSpec = z.strictObject({
  /** Name of the chat template in `templates/chat/`. */
  templateName: z.string(),
  /** The Go template, never with a BOS token in it; with a built-in format the Jinja template that says the same. */
  template: z.string(),
  templateDigest: Digest,
  /** The Jinja template of the same name, for a file that has none of its own and a runtime that would use that. */
  jinja: z.string().optional(),
  builtIn: BuiltInFormat.exactOptional(),
  profile: z.string(),
  /** Sampling, `num_ctx` and stop tokens, under Ollama's names. */
  parameters: z.record(z.string(), ParameterValue),
  license: z.string(),
  system: z.string().optional(),
});
export type ModelSpec = z.infer<typeof ModelSpec>;

/** How a committed Modelfile and the one that the templates and the catalog give now differ. */
export const ModelfileDifference = z.strictObject({
  kind: z.enum(['out-of-step', 'missing', 'orphan']),
  /** `modelfiles/<family>/<size>-<quant>.Modelfile`. */
  path: z.string(),
  detail: z.string(),
});
export type ModelfileDifference = z.infer<typeof ModelfileDifference>;
