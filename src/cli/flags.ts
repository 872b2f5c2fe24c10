import * as Flags from '@oclif/core/flags';
import { USE_CASES } from '../catalog/use-cases.ts';
import { KvType } from '../fit/schema.ts';
import { RUNTIME_KINDS, TRANSFER_WAYS } from '../runtimes/options.ts';

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
    options: ['auto', ...RUNTIME_KINDS],
    description: 'auto takes Ollama if it answers, else the embedded runtime',
  }),
  'require-tls': Flags.boolean({
    env: 'GEMMA_PROVISION_REQUIRE_TLS',
    description: 'refuse a server on another host that is not reached by https',
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
  'catalog-key': Flags.string({
    multiple: true,
    multipleNonGreedy: true,
    helpValue: 'FILE',
    description: 'public key (PEM) that catalog files of your own must be signed with (may be repeated)',
  }),
  'allow-unsigned': Flags.boolean({ description: 'take catalog files without a signature although a key is set' }),
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
  'kv-type': Flags.string({ options: [...KvType.options], description: 'type of the KV cache, for the estimate' }),
};

/** What is to be installed, and under which name. */
export const whatFlags = {
  from: Flags.string({
    helpValue: 'REF',
    description:
      'a GGUF file, a folder of them, hf:OWNER/REPOSITORY[@REVISION][/FILE], https://… with --digest, oci:HOST/REPOSITORY[:TAG], or ollama:NAME',
  }),
  name: Flags.string({ helpValue: 'NAME', description: 'name in the runtime (default: the model with its quant)' }),
  family: Flags.string({ helpValue: 'FAMILY', description: 'family of a file that the catalog does not know' }),
  sampling: Flags.string({ helpValue: 'PROFILE', description: 'sampling profile of the catalog: card or google' }),
  digest: Flags.string({ helpValue: 'sha256:…', description: 'what the bytes must be' }),
  suite: Flags.string({ helpValue: 'FILE', description: 'a smoke suite of your own' }),
};

/** Of everything that puts a model in place. */
export const changeFlags = {
  'accept-license': Flags.boolean({ description: 'accept the licence of the model; recorded once for this host' }),
  'dry-run': Flags.boolean({ description: 'print the plan and change nothing' }),
  'no-smoke': Flags.boolean({ description: 'do not test the model' }),
};

/** Obey a lock file. */
export const frozenFlags = {
  frozen: Flags.boolean({ description: 'obey the lock file, and refuse whatever is not as it says' }),
  lock: Flags.string({
    helpValue: 'FILE',
    dependsOn: ['frozen'],
    description: 'the lock file (default: gemma-provision.lock here)',
  }),
};

/** How the bytes get into the runtime. */
export const transferFlags = {
  via: Flags.string({
    options: [...TRANSFER_WAYS],
    description: 'the only way into the runtime (default: the cheapest that works, as the plan says)',
  }),
};

/** What becomes of the version that is replaced. */
export const keepFlags = {
  'no-keep': Flags.boolean({ description: 'do not keep what is replaced for a rollback' }),
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
