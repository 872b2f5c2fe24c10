import { type ServerFacts, serverFacts } from '../compat/lookup.ts';
import { ProvisionError } from '../core/errors.ts';
import { formatDuration } from '../core/units.ts';
import { findModelsFolder, type ModelsFolder } from '../hardware/models-folder.ts';
import type { HostProfile } from '../hardware/schema.ts';
import { findServerProcess, type ServerProcess } from '../hardware/server-process.ts';
import { isLoopback } from '../net/reach.ts';
import type { ServerEffects } from '../runtimes/registry.ts';
import { allowsFallBack } from '../runtimes/registry.ts';
import type { DoctorEffects } from './effects.ts';
import { type Loaded, loadedIn, namesIn } from './replies.ts';

/** What an install would use: the server, the embedded runtime, or nothing. */
export type Target = 'server' | 'own-runtime' | 'none';

/** What checks use: the effects, and answers that several checks share, each obtained once. */
export interface DoctorView extends DoctorEffects {
  target(): Promise<Target>;
  /** What the version of the server implies. Throws the reason when no server answers. */
  facts(): Promise<ServerFacts>;
  loaded(): Promise<Loaded[]>;
  names(): Promise<string[]>;
  /** True for a server on this machine. */
  local(): boolean;
  process(): Promise<ServerProcess>;
  /** Undefined for a server behind another process, or of another user whose home is not known. */
  models(): Promise<ModelsFolder | undefined>;
}

/** A server that sends a byte now and then is never silent, so the whole request has a limit too. Milliseconds. */
const VERSION_MS = 4_000;

export function openView(effects: DoctorEffects, signal: AbortSignal, versionMs = VERSION_MS): DoctorView {
  const server = (): ServerEffects => {
    if (effects.server instanceof ProvisionError) throw effects.server;
    return effects.server;
  };
  const local = (): boolean => {
    const { endpoint, loopback } = server();
    const host = new URL(endpoint).hostname.replace(/^\[|\]$/g, '');
    return loopback || isLoopback(host) || effects.addresses().some(({ address }) => address === host);
  };
  const facts = once(async () => serverFacts(await versionInTime(server(), versionMs, signal)));
  const ask = async (path: string) => {
    // When the first request finds no server, the others would only wait as long again.
    await facts();
    const { endpoint, headers } = server();
    return effects.get(`${endpoint}${path}`, { headers, signal });
  };
  const process = once(async () => findServerProcess(effects, new URL(server().endpoint), signal));
  return {
    ...effects,
    facts,
    local,
    process,
    loaded: once(async () => loadedIn(await ask('/api/ps'))),
    names: once(async () => namesIn(await ask('/api/tags'))),
    subject: once(() => effects.subject()),
    catalog: once(() => effects.catalog()),
    profile: once((): Promise<HostProfile> => effects.profile()),
    target: once(() => targetOf(effects, facts, signal)),
    models: once(async () => findModelsFolder(effects, await process())),
  };
}

async function versionInTime(server: ServerEffects, limitMs: number, signal: AbortSignal): Promise<string> {
  const limit = new AbortController();
  const late = new ProvisionError(
    'runtime-timeout',
    `${server.endpoint} did not report its version within ${formatDuration(limitMs)}.`,
    { suggestions: ['Check the server: its log, its load, whether it swaps.', 'Restart it, then run doctor again.'] },
  );
  const timer = setTimeout(() => limit.abort(late), limitMs);
  try {
    return await server.version(AbortSignal.any([signal, limit.signal]));
  } finally {
    clearTimeout(timer);
  }
}

/** Keeps the answer, also when it is a failure. */
function once<Answer>(question: () => Promise<Answer>): () => Promise<Answer> {
  let answer: Promise<Answer> | undefined;
  return () => {
    answer ??= question();
    return answer;
  };
}

async function targetOf(
  { wanted, embedded }: DoctorEffects,
  facts: () => Promise<ServerFacts>,
  signal: AbortSignal,
): Promise<Target> {
  const embeddedOr = (other: Target) =>
    embedded.version(signal).then(
      (): Target => 'own-runtime',
      () => other,
    );
  if (!wanted.usesServer) return embeddedOr('none');
  try {
    await facts();
    return 'server';
  } catch (error) {
    return wanted.serverOnly || !allowsFallBack(error) ? 'none' : embeddedOr('none');
  }
}
