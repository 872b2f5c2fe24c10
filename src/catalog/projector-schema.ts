/** Files that give a text model eyes and ears: llama.cpp calls them mmproj, Ollama projectors. */
import * as z from 'zod';
import { Digest } from '../core/digest.ts';
import { Count, Sourced, Text } from './ids.ts';
import { QuantSource } from './quant-schema.ts';

/** What a projector turns into tokens. */
export const Sense = z.enum(['image', 'audio']);
export type Sense = z.infer<typeof Sense>;

export const Projector = z.strictObject({
  /** What its matrices are stored in: `f16`, `bf16`. */
  id: z.string().regex(/^[a-z][a-z0-9_]{1,15}$/, 'must be a type in lower case such as f16'),
  /** File name at its publisher, no folder. */
  file: z.string().regex(/^[^/\\]+\.gguf$/, 'must be a .gguf file name without a folder'),
  serves: z.array(Sense).min(1),
  /** `clip.projector_type`, `clip.vision.projector_type` or `clip.audio.projector_type`, in any order. */
  types: z.array(Text).min(1),
  /** `clip.vision.projection_dim` of a file, which is the embedding length of the model that it belongs to. */
  embeddingLength: Count,
  /** Exact sum of all tensors' bytes, with its source. */
  tensorBytes: Sourced.optional(),
  /** Exact bytes of the whole file, where a published file is known. */
  fileBytes: Sourced.optional(),
  digest: Digest.optional(),
  /** Where its bytes can be had, best first, by the rules for quants. */
  sources: z.array(QuantSource).min(1).max(20).optional(),
  note: z.string().optional(),
});
export type Projector = z.infer<typeof Projector>;
