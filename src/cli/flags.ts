import * as Flags from '@oclif/core/flags';
import { UseCaseId } from '../catalog/schema.ts';
import { ChoicePolicy, KvType } from '../fit/schema.ts';
import { Vision } from '../provision/plan/contract.ts';
import { RuntimeKind, TransferWay } from '../runtimes/contract.ts';

const positive = { min: 1 } as const;

/** Where the model runs. */
export const runtimeFlags = {
  host: Flags.string({
    helpValue: 'HOST',
    env: 'GEMMA_PROVISION_HOST',
    description: 'Ollama server, in the format of OLLAMA_HOST (default: OLLAMA_HOST, otherwise 127.0.0.1:11434)',
  }),
  runtime: Flags.string({
    env: 'GEMMA_PROVISION_RUNTIME',
    options: ['auto', ...RuntimeKind.options],
    description: 'auto: use Ollama if it is reachable, otherwise the embedded runtime (never if you name a host)',
  }),
  'require-tls': Flags.boolean({
    env: 'GEMMA_PROVISION_REQUIRE_TLS',
    description: 'refuse servers on other hosts that do not use https',
  }),
};

/** Whether anything may be downloaded. */
export const networkFlags = {
  offline: Flags.boolean({
    env: 'GEMMA_PROVISION_OFFLINE',
    description: 'use only what is on this machine: nothing is downloaded, and only the runtime is contacted',
  }),
};

/** Users' own catalog files. */
export const catalogFlags = {
  catalog: Flags.string({
    multiple: true,
    multipleNonGreedy: true,
    helpValue: 'FILE',
    description: 'your own catalog file, in addition to the built-in ones (may be repeated)',
  }),
  'catalog-key': Flags.string({
    multiple: true,
    multipleNonGreedy: true,
    helpValue: 'FILE',
    description: 'public key (PEM) that your own catalog files must be signed with (may be repeated)',
  }),
  'allow-unsigned': Flags.boolean({
    description: 'accept what is not signed, although a key is configured; never a signature that is not valid',
  }),
};

/** Pictures and sound. */
export const visionFlags = {
  vision: Flags.string({
    options: [...Vision.options],
    description: 'projector for pictures and sound; auto adds one where the quant stays the same (default)',
  }),
  projector: Flags.string({
    helpValue: 'REF',
    description: 'projector (mmproj) file of your own, in the forms of --from; implies --vision on',
  }),
};

/** Which quant, for what, under which settings. */
export const choiceFlags = {
  quant: Flags.string({ helpValue: 'QUANT', description: 'quant such as q5_k_m, or auto (default)' }),
  'use-case': Flags.string({
    options: [...UseCaseId.options],
    env: 'GEMMA_PROVISION_USE_CASE',
    description: 'intended use; has priority over the hardware tier',
  }),
  policy: Flags.string({
    options: [...ChoicePolicy.options],
    env: 'GEMMA_PROVISION_POLICY',
    description: 'how to choose a quant: the best that fits and is fast enough (default), or what the model card names',
  }),
  ctx: Flags.integer({ ...positive, helpValue: 'TOKENS', description: 'context length (num_ctx)' }),
  batch: Flags.integer({ ...positive, helpValue: 'TOKENS', description: 'micro-batch (num_batch)' }),
  parallel: Flags.integer({
    ...positive,
    helpValue: 'N',
    description: 'number of parallel requests, for the estimate',
  }),
  'flash-attn': Flags.string({ options: ['auto', 'on', 'off'], description: 'flash attention, for the estimate' }),
  'kv-type': Flags.string({ options: [...KvType.options], description: 'type of the KV cache, for the estimate' }),
};

/** What is to be installed, and under which name. */
export const whatFlags = {
  from: Flags.string({
    helpValue: 'REF',
    description:
      'GGUF file, folder of GGUF files, hf:OWNER/REPOSITORY[@REVISION][/FILE], https://… with --digest, oci:HOST/REPOSITORY[:TAG], or ollama:NAME',
  }),
  name: Flags.string({ helpValue: 'NAME', description: 'name in the runtime (default: the model with its quant)' }),
  family: Flags.string({ helpValue: 'FAMILY', description: 'family of a file that is not in the catalog' }),
  sampling: Flags.string({ helpValue: 'PROFILE', description: 'sampling profile of the model (see catalog show)' }),
  digest: Flags.string({ helpValue: 'sha256:…', description: 'expected SHA-256 of the file' }),
  suite: Flags.string({
    helpValue: 'SUITE',
    description: 'built-in smoke suite (base is for pretrained models) or your own file: ./suite.json',
  }),
  'chat-template': Flags.string({
    options: ['family'],
    description: 'chat template for a file that has none: that of its family',
  }),
};

/** Of everything that puts a model in place. */
export const changeFlags = {
  'accept-license': Flags.boolean({ description: 'accept the licence of the model; recorded once for this host' }),
  'dry-run': Flags.boolean({ description: 'print the plan without changing anything' }),
  'no-smoke': Flags.boolean({ description: 'skip the smoke test' }),
};

/** Install from a lock file. */
export const frozenFlags = {
  frozen: Flags.boolean({ description: 'install exactly what the lock file specifies' }),
  lock: Flags.string({
    helpValue: 'FILE',
    dependsOn: ['frozen'],
    description: 'lock file (default: gemma-provision.lock in the current folder)',
  }),
};

/** How the file is transferred into the runtime. */
export const transferFlags = {
  via: Flags.string({
    options: [...TransferWay.options],
    description: 'transfer method into the runtime (default: the cheapest that works)',
  }),
};

/** Whether the replaced version is kept. */
export const keepFlags = {
  'no-keep': Flags.boolean({ description: 'do not keep the replaced version for a rollback' }),
};

/** Plan for another machine than this one. */
export const hostProfileFlags = {
  profile: Flags.string({ helpValue: 'FILE', description: 'use a saved host profile instead of this host' }),
  'what-if': Flags.string({ helpValue: 'SIZES', description: 'assume other sizes, such as vram=6GiB,ram=16GiB' }),
};

/** Other forms of a recommendation. */
export const recommendationFlags = {
  table: Flags.boolean({ description: 'also show every quant at several context lengths and KV cache types' }),
  html: Flags.string({ helpValue: 'FILE', description: 'also write the recommendation as an HTML page' }),
};

/** Where a command writes a file that the user named. */
export const outputFlags = {
  force: Flags.boolean({ description: 'replace an existing file that this tool did not write' }),
};

/** How a bundle or a published model is marked. */
export const signFlags = {
  sign: Flags.string({ helpValue: 'FILE', description: 'sign it with this private key (PEM, P-256, P-384 or P-521)' }),
  'model-version': Flags.integer({
    ...positive,
    helpValue: 'N',
    description: 'version of what is signed; hosts refuse an older one than they accepted before',
  }),
};

/** What a bundle or a published model must be signed with. */
export const keyFlags = {
  key: Flags.string({
    multiple: true,
    multipleNonGreedy: true,
    helpValue: 'FILE',
    description:
      'public key (PEM) that the bundle or published model must be signed with (may be repeated; default: bundle-key of the configuration)',
  }),
};
