/** What is constant for an architecture (`general.architecture` of a GGUF file) and is not in the file itself. */
import * as z from 'zod';
import data from './architectures.json' with { type: 'json' };
import { Sourced, Text, Version } from './ids.ts';

const SourcedFlag = z.strictObject({ value: z.boolean(), source: Text });

export const Architecture = z.strictObject({
  id: Text,
  /** Every n-th layer is global where the file does not say; layers. */
  slidingPattern: Sourced.optional(),
  /** Layers from the first one that have a KV cache of their own where the file does not say. */
  layersWithOwnKv: Sourced.optional(),
  /** On a CPU, llama.cpp loads the token embeddings a second time as the output matrix. */
  loadsEmbeddingTwice: SourcedFlag.optional(),
  /** How sure the formulas for compute buffers are; without it they are an upper bound. */
  computeFormula: z.strictObject({ value: z.enum(['exact', 'family']), source: Text }).optional(),
  /** Whose graph the formulas for compute buffers follow, where it is not Gemma 3's (or Gemma 3n's, with per-layer embeddings). */
  computeGraph: z.strictObject({ value: z.enum(['gemma4']), source: Text }).optional(),
  /** From which version Ollama's own engine uses flash attention for it by default. */
  ollamaFlashAttention: z.strictObject({ since: Version, source: Text }).optional(),
  /** Nodes that llama.cpp's graph has per block. */
  graphNodesPerBlock: Sourced.optional(),
  /** `clip.projector_type` of the projectors that a model of it takes. */
  projectorTypes: z.strictObject({ value: z.array(Text).min(1), source: Text }).optional(),
  /** Rank of the LAuReL matrices in each block. */
  laurelRank: Sourced.optional(),
});
export type Architecture = z.infer<typeof Architecture>;

export const Architectures = z.strictObject({ architectures: z.array(Architecture) });

// Part of this package: a test validates it against the schema, so that no run has to.
const KNOWN: ReadonlyMap<string, Architecture> = new Map(
  (data as z.infer<typeof Architectures>).architectures.map((each) => [each.id, each]),
);

/** Whether the estimate has anything to go by for an architecture. */
export function isKnownArchitecture(id: string): boolean {
  return KNOWN.has(id);
}

/** The constants of an architecture; without any for one that is not known. */
export function architectureFacts(id: string): Architecture {
  return KNOWN.get(id) ?? { id };
}
