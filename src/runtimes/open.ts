import { serverFacts } from '../compat/lookup.ts';
import { matrix } from '../compat/matrix.ts';
import { quantVerdict } from '../compat/quants.ts';
import { verdictFor } from '../compat/verdict.ts';
import { isAtLeast, parseServerVersion } from '../compat/version.ts';
import { ProvisionError } from '../core/errors.ts';
import { realDisk } from '../disk/disk.ts';
import type { Engine } from '../fit/schema.ts';
import type { RuntimeFacts } from '../provision/plan/request.ts';
import type { RuntimeContext } from './context.ts';
import type { Runtime, RuntimeIdentity } from './contract.ts';
import type { HostAddress } from './ollama/index.ts';

export interface RuntimeFlags {
  readonly host?: string | undefined;
  readonly runtime?: string | undefined;
}

/** An opened runtime: who it is, and what planning must know of it. */
export interface OpenRuntime {
  readonly runtime: Runtime;
  readonly identity: RuntimeIdentity;
  readonly facts: RuntimeFacts;
}

/** Where Ollama is: the flag, else the settings file, else `OLLAMA_HOST`. Throws `tls-required` before anything is asked. */
async function hostOf(flags: RuntimeFlags, context: RuntimeContext): Promise<HostAddress> {
  const { parseHost, plainHttpWarning, requireTls } = await import('./ollama/index.ts');
  const host = parseHost(flags.host ?? context.settings.host ?? context.env.OLLAMA_HOST);
  if (context.requireTls) requireTls(host);
  const warning = plainHttpWarning(host);
  if (warning !== undefined) context.warn(warning);
  return host;
}

/**
 * Opens the runtime that was asked for. `auto` takes Ollama if it answers, else the embedded runtime; but a host that
 * was named on the command line is meant, so then there is no fall-back.
 */
export async function openRuntime(flags: RuntimeFlags, context: RuntimeContext): Promise<OpenRuntime> {
  const wanted = flags.runtime ?? context.settings.runtime ?? 'auto';
  if (wanted === 'embedded') return openEmbedded(context, []);
  if (wanted === 'ollama' || flags.host !== undefined) return openOllama(flags, context);
  try {
    return await openOllama(flags, context);
  } catch (error) {
    if (!(error instanceof ProvisionError) || !FALL_BACK.has(error.code)) throw error;
    const told = error.code === 'runtime-unreachable' ? [] : [`${error.message}; the embedded runtime is used instead`];
    return openEmbedded(context, told);
  }
}

/** Failures of Ollama after which `auto` takes the embedded runtime. */
const FALL_BACK: ReadonlySet<string> = new Set(['runtime-unreachable', 'runtime-not-ollama', 'runtime-timeout']);

async function openOllama(flags: RuntimeFlags, context: RuntimeContext): Promise<OpenRuntime> {
  const { ollamaRuntime } = await import('./ollama/index.ts');
  const host = await hostOf(flags, context);
  const files = { open: (path: string) => realDisk.open(path, 'r'), hash: context.hash };
  const doors = {
    loopback: true,
    // Looked for when a file is to be stored: most commands store none.
    models: async (signal: AbortSignal) =>
      (await import('./ollama/models-folder.ts')).serverModels(host, context.env, signal),
  };
  const runtime = ollamaRuntime({ host, files, now: () => performance.now(), doors });
  const identity = await runtime.identify(context.signal);
  const store = host.loopback ? ({ purpose: 'models', path: await context.models() } as const) : undefined;
  return { runtime, identity, facts: ollamaFacts(identity.version, host.warnings, store) };
}

/** What an Ollama of this version means for a plan; also for a server that is not here. */
export function ollamaFacts(
  version: string,
  warnings: readonly string[] = [],
  store?: RuntimeFacts['store'],
): RuntimeFacts {
  const known = serverFacts(version);
  const refusals = new Map<string, string | undefined>();
  return {
    engine: engineOf(known),
    diskFactor: known.diskFactor,
    ...(store !== undefined && { store }),
    warnings: [...warnings, ...known.warnings],
    refusal(architecture) {
      const verdict = verdictFor({ architecture, version });
      return verdict.ok ? undefined : { reason: verdict.reason, remedy: verdict.remedy ?? '' };
    },
    quantRefusal(architecture, quant) {
      // A ranking asks for every quant under many settings.
      const key = `${architecture} ${quant}`;
      if (!refusals.has(key)) refusals.set(key, quantRefusal(version, architecture, quant));
      return refusals.get(key);
    },
    pullRefusal(minimumVersion) {
      if (minimumVersion === undefined || isAtLeast(parseServerVersion(version), minimumVersion)) return undefined;
      return {
        reason: `the pre-built model needs Ollama ${minimumVersion} or later; this server is ${version}`,
        remedy: 'Upgrade Ollama, or install a GGUF of your own with --from ./model.gguf.',
      };
    },
  };
}

function quantRefusal(version: string, architecture: string, quant: string): string | undefined {
  // A server that lacks the architecture lacks every quant of it: that is `refusal`'s to say.
  if (!verdictFor({ architecture, version }).ok) return undefined;
  const { ok, blocking, reason } = quantVerdict(architecture, quant, parseServerVersion(version), matrix());
  return ok || !blocking ? undefined : reason;
}

/** The memory estimate tells one generation of the matrix apart in two. */
function engineOf({ engine, capabilities }: ReturnType<typeof serverFacts>): Engine {
  return engine === 'ollama-b' && capabilities.has('all-logits') ? 'ollama-b0' : engine;
}

async function openEmbedded(context: RuntimeContext, warnings: readonly string[]): Promise<OpenRuntime> {
  const { openEmbeddedRuntime } = await import('./embedded/open.ts');
  const runtime = openEmbeddedRuntime(context);
  const identity = await runtime.identify(context.signal);
  const facts: RuntimeFacts = {
    engine: 'embedded',
    diskFactor: 1,
    store: { purpose: 'data', path: context.paths.data },
    warnings,
    refusal: () => undefined,
    quantRefusal: () => undefined,
    pullRefusal: () => ({
      reason: 'the embedded runtime has no library to pull from',
      remedy: 'Use --runtime ollama, or give a file with --from ./model.gguf.',
    }),
  };
  return { runtime, identity, facts };
}
