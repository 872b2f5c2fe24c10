import type { Configuration } from './effects.ts';
import type { SettingOrigin } from './schema.ts';
import { shown } from './secrets.ts';

interface Rule {
  readonly id: string;
  /** Our variable: read after the flag and before config.json. */
  readonly variable?: string;
  readonly inFile?: boolean;
  /** A variable of Ollama itself, read last. */
  readonly ollama?: string;
  readonly fallback?: string;
}

/** How each setting is resolved: the flag, then our variable, then config.json, then Ollama's variable, then the default. */
const RULES: readonly Rule[] = [
  { id: 'home', variable: 'GEMMA_PROVISION_HOME' },
  {
    id: 'host',
    variable: 'GEMMA_PROVISION_HOST',
    inFile: true,
    ollama: 'OLLAMA_HOST',
    fallback: '127.0.0.1:11434',
  },
  { id: 'runtime', variable: 'GEMMA_PROVISION_RUNTIME', inFile: true, fallback: 'auto' },
  { id: 'use-case', variable: 'GEMMA_PROVISION_USE_CASE', inFile: true },
  { id: 'policy', variable: 'GEMMA_PROVISION_POLICY', inFile: true, fallback: 'best' },
  { id: 'sampling', inFile: true },
  { id: 'catalog', inFile: true },
  { id: 'offline', variable: 'GEMMA_PROVISION_OFFLINE', inFile: true },
  { id: 'require-tls', variable: 'GEMMA_PROVISION_REQUIRE_TLS', inFile: true },
  { id: 'ca', variable: 'GEMMA_PROVISION_CA', inFile: true },
  { id: 'mirrors', inFile: true },
  { id: 'hf-endpoint', variable: 'HF_ENDPOINT' },
  { id: 'hf-login-endpoint', variable: 'GEMMA_PROVISION_HF_LOGIN_ENDPOINT' },
  { id: 'oci-plain-http', variable: 'GEMMA_PROVISION_OCI_PLAIN_HTTP' },
  { id: 'oci-realm', variable: 'GEMMA_PROVISION_OCI_REALM' },
  { id: 'oci-registry', variable: 'GEMMA_PROVISION_OCI_REGISTRY' },
  { id: 'oci-username', variable: 'GEMMA_PROVISION_OCI_USERNAME' },
  { id: 'oci-password', variable: 'GEMMA_PROVISION_OCI_PASSWORD' },
  { id: 'key-passphrase', variable: 'GEMMA_PROVISION_KEY_PASSPHRASE' },
  { id: 'gpu', variable: 'GEMMA_PROVISION_GPU', fallback: 'auto' },
  { id: 'threads', variable: 'GEMMA_PROVISION_THREADS' },
];

/** Variables of this tool that have an effect. */
export const KNOWN_VARIABLES: readonly string[] = RULES.flatMap(({ variable }) => variable ?? []);

interface SettingSource {
  readonly source: string;
  readonly value: string;
}

/** The effective value of every setting and its source; an empty variable counts as unset. */
export function resolveSettings(configuration: Configuration): SettingOrigin[] {
  return RULES.map((rule): SettingOrigin => {
    const [winner, ...rest] = sourcesOfSetting(rule, configuration);
    const overruled = rest.filter(({ source }) => source !== 'default').map(({ source }) => source);
    if (winner === undefined) return { id: rule.id, source: 'default', overruled };
    return { id: rule.id, value: shown(rule.id, winner.value), source: winner.source, overruled };
  });
}

/** Every source that sets a setting, in order of precedence. */
function sourcesOfSetting(rule: Rule, { flags, env, file, filePath }: Configuration): SettingSource[] {
  const candidates: readonly (readonly [string, unknown])[] = [
    [`--${rule.id}`, flags[rule.id]],
    [rule.variable ?? '', rule.variable === undefined ? undefined : env[rule.variable]],
    [filePath, rule.inFile ? file[rule.id] : undefined],
    [rule.ollama ?? '', rule.ollama === undefined ? undefined : env[rule.ollama]],
    ['default', rule.fallback],
  ];
  return candidates.flatMap(([source, value]) => {
    const text = textOf(value);
    return typeof text === 'string' && text !== '' ? [{ source, value: text }] : [];
  });
}

/** A setting as one line: a list by its members, a map by its pairs. */
function textOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.join(', ');
  if (typeof value === 'boolean') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value)
    .map(([name, target]) => `${name} → ${target}`)
    .join(', ');
}
