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
import { namedHost } from './ollama/host.ts';
import { ollama } from './ollama/index.ts';

export type { OpenRuntime, RuntimeFlags } from './contract.ts';
export type { EmbeddedEffects } from './embedded/doctor.ts';
export type { ServerEffects } from './ollama/doctor.ts';
export { ollamaFacts } from './ollama/facts.ts';
export { serverAddress } from './ollama/host.ts';
export { askServerVersion } from './ollama/version.ts';

type Runtimes = { readonly [Kind in RuntimeKind]: RuntimeDefinition<Kind> };

const RUNTIMES: Runtimes = { ollama, embedded };

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

/**
 * True where Ollama is only tried: neither a runtime nor a host was named. A host that is named, wherever, is meant: if it
 * does not answer, nothing else is used in its place.
 */
export function mayUseAnother(flags: RuntimeFlags, context: Pick<RuntimeContext, 'settings' | 'env'>): boolean {
  return requestedRuntime(flags, context.settings) === undefined && namedHost(flags, context) === undefined;
}

/** Failures of the server after which `auto` uses the embedded runtime. */
const FALL_BACK: readonly string[] = ['runtime-unreachable', 'runtime-not-ollama', 'runtime-timeout'];

export function allowsFallBack(error: unknown): error is ProvisionError {
  return error instanceof ProvisionError && FALL_BACK.includes(error.code);
}

/**
 * Opens the runtime that was asked for. `auto` uses Ollama if it is reachable, otherwise the embedded runtime. Throws
 * `runtime-missing` with both remedies where there is neither.
 */
export async function openRuntime(
  flags: RuntimeFlags,
  context: RuntimeContext,
  runtimes: Runtimes = RUNTIMES,
): Promise<OpenRuntime> {
  if (!mayUseAnother(flags, context)) {
    const { kind } = requestedRuntime(flags, context.settings) ?? ollama;
    return runtimes[kind].open(flags, context);
  }
  try {
    return await runtimes.ollama.open(flags, context);
  } catch (error) {
    if (!allowsFallBack(error)) throw error;
    const opened = await runtimes.embedded
      .open(flags, context)
      .catch((cause: unknown) => Promise.reject(neither(error, cause)));
    if (error.code === 'runtime-unreachable') return opened;
    const warnings = [`${error.message}; the embedded runtime is used instead`, ...opened.facts.warnings];
    return { ...opened, facts: { ...opened.facts, warnings } };
  }
}

/** Why neither of the two is there, and the best remedy for each. */
function neither(server: ProvisionError, engine: unknown): unknown {
  if (!(engine instanceof ProvisionError) || engine.code !== 'runtime-missing') return engine;
  return new ProvisionError('runtime-missing', `${server.message} ${engine.message}`, {
    cause: server.cause,
    suggestions: [server, engine].flatMap(({ suggestions }) => suggestions.slice(0, 1)),
  });
}
