import * as Flags from '@oclif/core/flags';
import { USE_CASES } from '../catalog/use-cases.ts';
import { KV_TYPES } from '../fit/kv-types.ts';

const positive = { min: 1 } as const;

/** Where the model runs. */
export const runtimeFlags = {
  host: Flags.string({
    helpValue: 'HOST',
    env: 'GEMMA_PROVISION_HOST',
    description: 'Ollama server, in the forms that OLLAMA_HOST takes (default: OLLAMA_HOST, else 127.0.0.1:11434)',
  }),
  runtime: Flags.string({
    env: 'GEMMA_PROVISION_RUNTIME',
    options: ['auto', 'ollama', 'embedded'],
    description: 'auto takes Ollama if it answers, else the embedded runtime',
  }),
};

/** Users' own catalog files. */
export const catalogFlags = {
  catalog: Flags.string({
    multiple: true,
    multipleNonGreedy: true,
    helpValue: 'FILE',
    description: 'a catalog file of your own, laid over the built-in ones (may be repeated)',
  }),
};

/** Which quant, for what, under which settings. */
export const choiceFlags = {
  quant: Flags.string({ helpValue: 'QUANT', description: 'a quant such as q5_k_m, or auto (default)' }),
  'use-case': Flags.string({
    options: [...USE_CASES],
    env: 'GEMMA_PROVISION_USE_CASE',
    description: 'what it is for; weighs more than the hardware tier',
  }),
  ctx: Flags.integer({ ...positive, helpValue: 'TOKENS', description: 'context length (num_ctx)' }),
  batch: Flags.integer({ ...positive, helpValue: 'TOKENS', description: 'micro-batch (num_batch)' }),
  parallel: Flags.integer({ ...positive, helpValue: 'N', description: 'requests served at once, for the estimate' }),
  'flash-attn': Flags.string({ options: ['auto', 'on', 'off'], description: 'flash attention, for the estimate' }),
  'kv-type': Flags.string({ options: [...KV_TYPES], description: 'type of the KV cache, for the estimate' }),
};

/** Plan for another machine than this one. */
export const hostProfileFlags = {
  profile: Flags.string({ helpValue: 'FILE', description: 'a saved host profile instead of this host' }),
  'what-if': Flags.string({ helpValue: 'SIZES', description: 'other sizes, such as vram=6GiB,ram=16GiB' }),
};

/** Other forms of a recommendation. */
export const recommendationFlags = {
  table: Flags.boolean({ description: 'also every quant at several contexts and types of the KV cache' }),
  html: Flags.string({ helpValue: 'FILE', description: 'also write it as one self-contained page' }),
};
