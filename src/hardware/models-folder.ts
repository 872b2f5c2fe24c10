import { posix, win32 } from 'node:path';
import type { Env } from '../core/environment.ts';
import type { Disk } from '../disk/disk.ts';
import { ollamaValue } from './ollama-environment.ts';
import type { ServerProcess } from './server-process.ts';

/** What determines where a local Ollama server keeps its models. */
export interface ModelsFolderFacts {
  readonly platform: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The user's home folder. */
  readonly home: string;
  exists(path: string): Promise<boolean>;
}

/** Where the Linux install script's service user keeps them (Ollama's docs/faq.mdx). */
const SERVICE_FOLDER = '/usr/share/ollama/.ollama/models';

/**
 * Where a server on this host may keep its models, the likeliest first: OLLAMA_MODELS (which is the server's own setting,
 * so it is only known when we share its environment), else the Linux service's folder and `~/.ollama/models`.
 */
export function possibleModelsFolders({ platform, env, home }: Omit<ModelsFolderFacts, 'exists'>): string[] {
  if (env.OLLAMA_MODELS !== undefined && env.OLLAMA_MODELS !== '') return [env.OLLAMA_MODELS];
  const own = (platform === 'win32' ? win32 : posix).join(home, '.ollama', 'models');
  return platform === 'linux' ? [SERVICE_FOLDER, own] : [own];
}

/** The first of the possible folders that exists, else the last one: best guess for a server on this host. */
export async function guessModelsFolder({ exists, ...facts }: ModelsFolderFacts): Promise<string> {
  const [first = '', last = first] = possibleModelsFolders(facts);
  return first === last || (await exists(first)) ? first : last;
}

/** The server's models folder, as well as it can be known from here. */
export interface ModelsFolder {
  readonly path: string;
  /** How to reach it from here; differs from `path` for a server in a container. */
  readonly reach: string;
  /** True if it was read from the server's own environment; false for a guess. */
  readonly certain: boolean;
}

/** The user of this tool and their machine. */
export interface UserOfHost {
  /** `process.platform`. */
  readonly platform: string;
  readonly env: Env;
  readonly home: string;
  readonly disk: Disk;
  /** Absent where the system has no user numbers. */
  readonly uid?: number;
}

/** The server's own environment decides; failing that, the home of the user that it runs as; failing that, ours. */
export async function findModelsFolder(
  host: UserOfHost,
  { environment, root = '', socket, passesOn }: ServerProcess,
): Promise<ModelsFolder | undefined> {
  if (passesOn) return undefined;
  const declared = environment === undefined ? undefined : folderIn(environment);
  if (declared !== undefined) return { path: declared, reach: `${root}${declared}`, certain: true };
  const { platform, env, home, disk, uid } = host;
  if (socket !== undefined && socket.uid !== uid) {
    const theirs = folderIn({ HOME: await homeOf(disk, socket.uid) });
    return theirs === undefined ? undefined : { path: theirs, reach: theirs, certain: false };
  }
  const exists = (path: string) =>
    disk.stat(path, { bigint: true }).then(
      () => true,
      () => false,
    );
  const path = await guessModelsFolder({ platform, env, home, exists });
  return { path, reach: path, certain: false };
}

async function homeOf(disk: Disk, uid: number): Promise<string | undefined> {
  const text = await disk.readFile('/etc/passwd', 'utf8').catch(() => '');
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
