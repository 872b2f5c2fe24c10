import { isAtLeast, type ServerVersion } from '../compat/version.ts';
import type { Env } from '../core/environment.ts';
import { isTrue, ollamaValue } from '../hardware/ollama-environment.ts';
import { type Finding, warning } from './check.ts';

interface Rule {
  readonly names: readonly string[];
  /** A whole sentence about this value, or undefined when nothing is wrong with it. */
  says(name: string, value: string, version: ServerVersion): string | undefined;
  readonly remedy: string;
}

/** Variables of the server that surprise (Ollama's envconfig/config.go and docs/faq.mdx, at v0.24.0 and v0.33.0-rc2). */
const RULES: readonly Rule[] = [
  {
    names: ['CUDA_VISIBLE_DEVICES', 'HIP_VISIBLE_DEVICES', 'ROCR_VISIBLE_DEVICES', 'GPU_DEVICE_ORDINAL'],
    says: (name, value) =>
      value === '-1' || (value === '' && name === 'CUDA_VISIBLE_DEVICES')
        ? `${name}=${value} hides every GPU from the server.`
        : undefined,
    remedy: "Unset it in the server's environment, unless the GPU is to stay free.",
  },
  {
    names: ['OLLAMA_LLM_LIBRARY'],
    says: (name, value) =>
      value === '' ? undefined : `${name}=${value} takes the choice of the GPU library from the server.`,
    remedy: 'Unset OLLAMA_LLM_LIBRARY unless it was set on purpose.',
  },
  {
    names: ['OLLAMA_ORIGINS'],
    says: (name, value) =>
      value.split(',').some((origin) => /^\W*\*\W*$/.test(origin))
        ? `${name}=* lets every web page that somebody opens on this machine use the server.`
        : undefined,
    remedy: 'Name the origins that need it instead of *.',
  },
  {
    names: ['OLLAMA_NUM_PARALLEL'],
    says: (name, value) =>
      Number(value) > 4 ? `${name}=${value}: every model takes the memory of ${value} contexts.` : undefined,
    remedy: 'Lower OLLAMA_NUM_PARALLEL, or plan with recommend --parallel N.',
  },
  {
    names: ['OLLAMA_KEEP_ALIVE'],
    says(name, value) {
      if (value.startsWith('-')) return `${name}=${value} keeps every model in memory until the server ends.`;
      return /^0[a-z]*$/.test(value) ? `${name}=${value} loads a model anew for every question.` : undefined;
    },
    remedy: 'Unset OLLAMA_KEEP_ALIVE: models then stay for five minutes.',
  },
  {
    names: ['OLLAMA_KV_CACHE_TYPE'],
    says: (name, value) =>
      value === '' || value === 'f16'
        ? undefined
        : `${name}=${value} changes the memory of every context, and the answers a little.`,
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
        ? `${name}=${value}: a TEMPLATE always wins over the file's own template.`
        : undefined,
    remedy: 'Prove the prompt of the models in use: gemma-provision smoke NAME --proof.',
  },
  {
    names: ['OLLAMA_DEBUG_LOG_REQUESTS'],
    says: (name, value) => (isTrue(value) ? `${name}=${value} writes every prompt to disk.` : undefined),
    remedy: 'Unset it when the search for the fault is over.',
  },
];

/** A warning for each variable of the server's environment that makes it behave in a way few expect. */
export function variableFindings(environment: Env, version: ServerVersion): Finding[] {
  return RULES.flatMap(({ names, says, remedy }) =>
    names.flatMap((name) => {
      const value = ollamaValue(environment, name);
      const said = value === undefined ? undefined : says(name, value, version);
      return said === undefined ? [] : [warning(said, remedy)];
    }),
  );
}
