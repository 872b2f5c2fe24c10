/** The runtimes that exist, and how one is found: by flags, or by what a record says. */
import { ProvisionError } from '../core/errors.ts';
import {
  type OpenRuntime,
  type OwnStore,
  type RuntimeCapabilities,
  type RuntimeContext,
  type RuntimeDefinition,
  type RuntimeFlags,
  type RuntimeIdentity,
  RuntimeKind,
} from './contract.ts';
import type { EmbeddedEffects } from './embedded/doctor.ts';
import { embedded } from './embedded/index.ts';
import type { ServerEffects } from './ollama/doctor.ts';
import { ollama } from './ollama/index.ts';

export type { OpenRuntime, RuntimeFlags } from './contract.ts';
export type { EmbeddedEffects } from './embedded/doctor.ts';
export type { ServerEffects } from './ollama/doctor.ts';
export { ollamaFacts } from './ollama/facts.ts';
export { serverAddress } from './ollama/host.ts';
export { askServerVersion } from './ollama/version.ts';

const RUNTIMES: { readonly [Kind in RuntimeKind]: RuntimeDefinition<Kind> } = { ollama, embedded };

/** Who answers at an endpoint, without its version: as records name it. */
type RecordedRuntime = Pick<RuntimeIdentity, 'kind' | 'endpoint'>;

/** The runtime of that kind. */
export function runtimeOf(kind: RuntimeKind): RuntimeDefinition {
  return RUNTIMES[kind];
}

export function capabilitiesOf(kind: RuntimeKind): RuntimeCapabilities {
  return RUNTIMES[kind].capabilities;
}

/** What the flags, else the settings, ask for; undefined for `auto`. */
export function requestedRuntime(flags: RuntimeFlags, settings: RuntimeFlags): RuntimeDefinition | undefined {
  const kind = RuntimeKind.safeParse(flags.runtime ?? settings.runtime).data;
  return kind && RUNTIMES[kind];
}

/** How texts name the runtime of an endpoint: `ollama at http://127.0.0.1:11434`, `the embedded runtime`. */
export function describeRuntime({ kind, endpoint }: RecordedRuntime): string {
  return capabilitiesOf(kind).isServer ? `${kind} at ${endpoint}` : `the ${kind} runtime`;
}

/** Flags that lead to the runtime of a record. */
export function flagsFor({ kind, endpoint }: RecordedRuntime): RuntimeFlags {
  return capabilitiesOf(kind).isServer ? { runtime: kind, host: endpoint } : { runtime: kind };
}

/** Runtimes that are always at the same endpoint, whatever is installed. */
export function fixedRuntimes(): RecordedRuntime[] {
  return Object.values(RUNTIMES).flatMap(({ kind, endpoint }) => (endpoint === undefined ? [] : [{ kind, endpoint }]));
}

/** What runtimes keep in our data folder. */
export function ownStores(dataDir: string): OwnStore[] {
  return Object.values(RUNTIMES).flatMap(({ ownStore }) => ownStore?.(dataDir) ?? []);
}

/** What the doctor asks of each runtime. Nothing is opened before it is asked. */
export async function diagnosticEffects(
  flags: RuntimeFlags,
  context: RuntimeContext,
): Promise<{ readonly server: ServerEffects | ProvisionError; readonly embedded: EmbeddedEffects }> {
  const [{ doctorServer }, { doctorEmbedded }] = await Promise.all([
    import('./ollama/doctor.ts'),
    import('./embedded/doctor.ts'),
  ]);
  return { server: doctorServer(flags, context), embedded: doctorEmbedded(context) };
}

/** Failures of the server after which `auto` uses the embedded runtime. */
const FALL_BACK: readonly string[] = ['runtime-unreachable', 'runtime-not-ollama', 'runtime-timeout'];

export function allowsFallBack(error: unknown): error is ProvisionError {
  return error instanceof ProvisionError && FALL_BACK.includes(error.code);
}

/**
 * Opens the runtime that was asked for. `auto` uses Ollama if it is reachable, otherwise the embedded runtime; but a
 * host on the command line is meant, so then there is no fall-back.
 */
export async function openRuntime(flags: RuntimeFlags, context: RuntimeContext): Promise<OpenRuntime> {
  const requested = requestedRuntime(flags, context.settings);
  if (requested !== undefined) return requested.open(flags, context);
  if (flags.host !== undefined) return ollama.open(flags, context);
  try {
    return await ollama.open(flags, context);
  } catch (error) {
    if (!allowsFallBack(error)) throw error;
    const opened = await embedded.open(flags, context);
    if (error.code === 'runtime-unreachable') return opened;
    const warnings = [`${error.message}; the embedded runtime is used instead`, ...opened.facts.warnings];
    return { ...opened, facts: { ...opened.facts, warnings } };
  }
}
