import { type ServerFacts, serverFacts } from '../compat/lookup.ts';
import { ProvisionError } from '../core/errors.ts';
import { formatDuration } from '../core/units.ts';
import { guessModelsFolder } from '../hardware/models-folder.ts';
import type { HostProfile } from '../hardware/schema.ts';
import { findServerProcess, type ServerProcess } from '../hardware/server-process.ts';
import { isLoopback } from '../hardware/sockets.ts';
import type { DoctorEffects, DoctorFiles, Env, ServerEffects } from './effects.ts';
import { ollamaValue } from './environment.ts';
import { type Loaded, loadedIn, namesIn } from './replies.ts';

/** The server's models folder, as well as it can be known from here. */
export interface ModelsFolder {
  readonly path: string;
  /** How to reach it from here; differs from `path` for a server in a container. */
  readonly reach: string;
  /** True when the server's own environment tells it; false for a guess. */
  readonly certain: boolean;
}

/** What answers an install: the server, the embedded runtime, or nothing. */
export type Target = 'server' | 'embedded' | 'none';

/** What checks ask: the effects, and questions that several of them share, each asked once. */
export interface DoctorView extends DoctorEffects {
  target(): Promise<Target>;
  /** What the version of the server means. Throws why there is no server to ask. */
  facts(): Promise<ServerFacts>;
  loaded(): Promise<Loaded[]>;
  names(): Promise<string[]>;
  /** True for a server on this machine. */
  local(): boolean;
  process(): Promise<ServerProcess>;
  /** Undefined for a server behind another process, or of another user whose home is not known. */
  models(): Promise<ModelsFolder | undefined>;
}

const FALL_BACK: readonly string[] = ['runtime-unreachable', 'runtime-not-ollama', 'runtime-timeout'];

/** Failures of the server after which `auto` uses the embedded runtime, as when a runtime is opened. */
export function allowsFallBack(error: unknown): boolean {
  return error instanceof ProvisionError && FALL_BACK.includes(error.code);
}

/** A server that sends a byte now and then is never silent, so the whole question has a limit too. Milliseconds. */
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
    // Where the first question found no server, the others would only wait as long once more.
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
    models: once(async () => modelsFolder(effects, await process())),
  };
}

async function versionInTime(server: ServerEffects, limitMs: number, signal: AbortSignal): Promise<string> {
  const limit = new AbortController();
  const late = new ProvisionError(
    'runtime-timeout',
    `${server.endpoint} did not tell its version within ${formatDuration(limitMs)}.`,
    { suggestions: ['Look at the server: its log, its load, whether it swaps.', 'Restart it, then run doctor again.'] },
  );
  const timer = setTimeout(() => limit.abort(late), limitMs);
  try {
    return await server.version(AbortSignal.any([signal, limit.signal]));
  } finally {
    clearTimeout(timer);
  }
}

/** Remembers the answer, also when it is a failure. */
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
      (): Target => 'embedded',
      () => other,
    );
  if (wanted.runtime === 'embedded') return embeddedOr('none');
  try {
    await facts();
    return 'server';
  } catch (error) {
    return wanted.serverOnly || !allowsFallBack(error) ? 'none' : embeddedOr('none');
  }
}

/** The server's own environment tells; failing that, the home of the user that it runs as; failing that, ours. */
export async function modelsFolder(
  effects: Pick<DoctorEffects, 'platform' | 'env' | 'home' | 'files' | 'uid'>,
  { environment, root = '', socket, passesOn }: ServerProcess,
): Promise<ModelsFolder | undefined> {
  if (passesOn) return undefined;
  const told = environment === undefined ? undefined : folderIn(environment);
  if (told !== undefined) return { path: told, reach: `${root}${told}`, certain: true };
  const { platform, env, home, files, uid } = effects;
  if (socket !== undefined && socket.uid !== uid) {
    const theirs = folderIn({ HOME: await homeOf(files, socket.uid) });
    return theirs === undefined ? undefined : { path: theirs, reach: theirs, certain: false };
  }
  const exists = (path: string) =>
    files.stat(path).then(
      () => true,
      () => false,
    );
  const path = await guessModelsFolder({ platform, env, home, exists });
  return { path, reach: path, certain: false };
}

async function homeOf(files: DoctorFiles, uid: number): Promise<string | undefined> {
  const text = await files.readText('/etc/passwd').catch(() => '');
  const fields = text.split('\n').map((line) => line.split(':'));
  return fields.find(([, , number]) => number === String(uid))?.[5];
}

/** Ollama puts the folder into its own home when none is named. */
function folderIn(env: Env): string | undefined {
  const named = ollamaValue(env, 'OLLAMA_MODELS') ?? '';
  if (named !== '') return named;
  const { HOME = '' } = env;
  return HOME === '' ? undefined : `${HOME.replace(/\/+$/, '')}/.ollama/models`;
}
