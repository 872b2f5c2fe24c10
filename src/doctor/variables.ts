import { isAtLeast, type ServerVersion } from '../compat/version.ts';
import type { Env } from '../core/environment.ts';
import { isTrue, ollamaValue } from '../hardware/ollama-environment.ts';
import { type Finding, warning } from './check.ts';

interface Rule {
  readonly names: readonly string[];
  /** A full sentence about this value, or undefined when it is harmless. */
  says(name: string, value: string, version: ServerVersion): string | undefined;
  readonly remedy: string;
}

/** Variables of the server with unexpected effects (Ollama's envconfig/config.go and docs/faq.mdx, at v0.24.0 and v0.33.0-rc2). */
const RULES: readonly Rule[] = [
  {
    names: ['CUDA_VISIBLE_DEVICES', 'HIP_VISIBLE_DEVICES', 'ROCR_VISIBLE_DEVICES', 'GPU_DEVICE_ORDINAL'],
    says: (name, value) =>
      value === '-1' || (value === '' && name === 'CUDA_VISIBLE_DEVICES')
        ? `${name}=${value} hides every GPU from the server.`
        : undefined,
    remedy: "Unset it in the server's environment, unless the GPU is reserved for something else.",
  },
  {
    names: ['OLLAMA_LLM_LIBRARY'],
    says: (name, value) =>
      value === '' ? undefined : `${name}=${value} overrides the server's choice of the GPU library.`,
    remedy: 'Unset OLLAMA_LLM_LIBRARY unless it was set on purpose.',
  },
  {
    names: ['OLLAMA_ORIGINS'],
    says: (name, value) =>
      value.split(',').some((origin) => /^\W*\*\W*$/.test(origin))
        ? `${name}=* lets every web page that is opened on this machine use the server.`
        : undefined,
    remedy: 'List the origins that need access instead of *.',
  },
  {
    names: ['OLLAMA_NUM_PARALLEL'],
    says: (name, value) =>
      Number(value) > 4 ? `${name}=${value}: every model uses the memory of ${value} contexts.` : undefined,
    remedy: 'Lower OLLAMA_NUM_PARALLEL, or plan with recommend --parallel N.',
  },
  {
    names: ['OLLAMA_KEEP_ALIVE'],
    says(name, value) {
      if (value.startsWith('-')) return `${name}=${value} keeps every model in memory until the server ends.`;
      return /^0[a-z]*$/.test(value) ? `${name}=${value} loads the model again for every request.` : undefined;
    },
    remedy: 'Unset OLLAMA_KEEP_ALIVE: models then stay in memory for five minutes.',
  },
  {
    names: ['OLLAMA_KV_CACHE_TYPE'],
    says: (name, value) =>
      value === '' || value === 'f16'
        ? undefined
        : `${name}=${value} changes the memory of every context, and the answers slightly.`,
    remedy: 'Plan with the same type: recommend --kv-type.',
  },
  {
    names: ['OLLAMA_NEW_ENGINE', 'OLLAMA_MULTIUSER_CACHE'],
    says: (name, _value, version) =>
      isAtLeast(version, '0.30.0') ? `${name} has no effect since Ollama 0.30.` : undefined,
    remedy: 'Unset it.',
  },
  {
    names: ['OLLAMA_GO_TEMPLATE'],
    says: (name, value, version) =>
      isTrue(value) && isAtLeast(version, '0.30.0')
        ? `${name}=${value}: a TEMPLATE always overrides the file's own template.`
        : undefined,
    remedy: 'Check the prompt of the models in use: gemma-provision smoke NAME --proof.',
  },
  {
    names: ['OLLAMA_DEBUG_LOG_REQUESTS'],
    says: (name, value) => (isTrue(value) ? `${name}=${value} writes every prompt to disk.` : undefined),
    remedy: 'Unset it when you have finished debugging.',
  },
];

/** A warning for each variable of the server's environment that has an unexpected effect. */
export function variableFindings(environment: Env, version: ServerVersion): Finding[] {
  return RULES.flatMap(({ names, says, remedy }) =>
    names.flatMap((name) => {
      const value = ollamaValue(environment, name);
      const said = value === undefined ? undefined : says(name, value, version);
      return said === undefined ? [] : [warning(said, remedy)];
    }),
  );
}
