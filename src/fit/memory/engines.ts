import { architectureFacts } from '../../catalog/architectures.ts';
import type { Engine } from '../schema.ts';

/** What sets engines apart when they place a model. */
export interface EngineTraits {
  /** How to call it in a sentence. */
  readonly title: string;
  /** Gemma 3n's per-layer embeddings go to the GPU with the output layer; elsewhere they stay on the CPU. */
  readonly perLayerEmbeddingsOnGpu: boolean;
  /** The first layer to be offloaded is the output layer; elsewhere it is the last. */
  readonly outputFirst: boolean;
  /** Weights on the CPU are file pages mapped into memory, so nothing is held twice. */
  readonly mapsFile: boolean;
  /** Every tied embedding is held twice on the CPU; elsewhere only Gemma 3n's (see `weights.ts`). */
  readonly copiesTiedEmbedding: boolean;
  /** Buffers are sized for the logits of every token of a micro-batch. */
  readonly reservesAllLogits: boolean;
  /** All slots share one cache for the sliding window; elsewhere each has its own. */
  readonly sharesWindow: boolean;
  /** Without flash attention cache cells are rounded up to 32, elsewhere to 256 (`CachePadding`, Ollama v0.10.0; later ones are taken as 256). */
  readonly padsTo32: boolean;
  /** Several GPUs that hold all layers work at once, with four copies of their inputs. */
  readonly pipelines: boolean;
  /** The graph is llama.cpp's, which the formulas for compute buffers were validated against. */
  readonly llamaGraph: boolean;
  /** GPUs that share RAM are used even where they are neither Apple's nor CUDA's. */
  readonly usesIntegratedGpu: boolean;
  /** Only Apple's GPUs are used. */
  readonly metalOnly: boolean;
  /** Settings that a Modelfile cannot have are environment variables of the server (`OLLAMA_KV_CACHE_TYPE`, …). */
  readonly hasServerVariables: boolean;
}

const OLLAMA_OWN = {
  perLayerEmbeddingsOnGpu: true,
  outputFirst: false,
  mapsFile: false,
  copiesTiedEmbedding: true,
  reservesAllLogits: false,
  sharesWindow: true,
  pipelines: false,
  llamaGraph: false,
  usesIntegratedGpu: false,
  metalOnly: false,
  hasServerVariables: true,
} as const;

const LLAMA_SERVER = {
  perLayerEmbeddingsOnGpu: false,
  outputFirst: true,
  mapsFile: false,
  copiesTiedEmbedding: false,
  sharesWindow: false,
  padsTo32: false,
  pipelines: true,
  llamaGraph: true,
  usesIntegratedGpu: false,
  metalOnly: false,
  hasServerVariables: true,
} as const;

/**
 * - `ollama-a1`, `ollama-a2`: Ollama 0.9.3-0.11.10 and 0.11.11-0.24, own engine (`ml/backend/ggml/ggml.go`, `llm/server.go`
 *   at v0.10.0 and v0.20.0). The first decides how many layers to offload by a rough guess (`llm/memory.go`); what it
 *   then allocates is as in the second.
 * - `ollama-b0`: Ollama 0.30.0-0.30.8, which run llama-server of llama.cpp b9452-b9509, before #23861 ended the
 *   reservation of all logits (their `LLAMA_CPP_VERSION`; that #23861 is in b9626 and not in b9509 is inferred from its date).
 * - `ollama-b`: Ollama 0.30.9 (b9626) and later (`llm/llama_server.go` at v0.33.0-rc2, b10488).
 * - `llama.cpp`: a llama-server of the user's, whose build is not known, so the larger buffer is assumed.
 * - `embedded`: node-llama-cpp, of which this tool asks for the CPU build, or Metal on a Mac. It asks for the logits of
 *   every token (`n_outputs_max` is left at 0).
 */
const ENGINES = {
  'ollama-a1': { ...OLLAMA_OWN, title: 'Ollama before 0.11.11', padsTo32: true },
  'ollama-a2': { ...OLLAMA_OWN, title: 'Ollama 0.11.11 to 0.24', padsTo32: false },
  'ollama-b0': { ...LLAMA_SERVER, title: 'Ollama 0.30.0 to 0.30.8', reservesAllLogits: true },
  'ollama-b': { ...LLAMA_SERVER, title: 'Ollama 0.30 or later', reservesAllLogits: false },
  'llama.cpp': {
    ...LLAMA_SERVER,
    title: 'llama.cpp',
    mapsFile: true,
    reservesAllLogits: true,
    usesIntegratedGpu: true,
    hasServerVariables: false,
  },
  embedded: {
    ...LLAMA_SERVER,
    title: 'the embedded runtime',
    mapsFile: true,
    reservesAllLogits: true,
    metalOnly: true,
    hasServerVariables: false,
  },
} as const satisfies Record<Engine, EngineTraits>;

export function traitsOf(engine: Engine): EngineTraits {
  return ENGINES[engine];
}

export interface FlashAttentionDefault {
  readonly on: boolean;
  /** Who decides so, for the basis of an estimate. */
  readonly basis: string;
}

/**
 * What `--flash-attn auto` comes to. llama.cpp and everything that runs it turn it on where the device can, which all
 * that this tool counts on can (`LlamaServerFlashAttention` at Ollama v0.33.0-rc2; CUDA from compute capability 6.0).
 * Ollama before 0.30 turns it on for a list of architectures that Gemma 3n is not in; else `OLLAMA_FLASH_ATTENTION=1` does.
 */
export function defaultFlashAttention(engine: Engine, architecture: string): FlashAttentionDefault {
  const { title, llamaGraph } = traitsOf(engine);
  if (llamaGraph) return { on: true, basis: `${title} turns flash attention on where the device can` };
  const since = architectureFacts(architecture).ollamaFlashAttention?.since;
  const on = engine === 'ollama-a2' && since !== undefined;
  return on
    ? { on, basis: `${title} turns flash attention on for ${architecture} (from ${since})` }
    : { on, basis: `${title} leaves flash attention off for ${architecture} unless OLLAMA_FLASH_ATTENTION=1 is set` };
}
