/** User and password for registries, from the places where docker and podman keep them. */
import { join } from 'node:path';
import * as z from 'zod';
import { messageOf, ProvisionError } from '../../core/errors.ts';

/** A secret for one registry and the place where it was found. The secret is only sent; messages name only the place. */
export interface RegistryLogin {
  readonly user: string;
  readonly password: string;
  /** In place of a password: exchanged for an access token. */
  readonly refreshToken?: string;
  /** A variable, or the path of a file. */
  readonly from: string;
}

export interface RegistryLogins {
  /** Throws `bad-configuration`. */
  find(host: string): Promise<RegistryLogin | undefined>;
  /** The program that docker would ask for a password for this registry; it is not run. */
  helperFor(host: string): Promise<string | undefined>;
}

export interface LoginOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The user's home folder. */
  readonly home: string;
  /** Undefined when there is no such file. */
  readText(path: string): Promise<string | undefined>;
}

const USERNAME = 'GEMMA_PROVISION_OCI_USERNAME';
const PASSWORD = 'GEMMA_PROVISION_OCI_PASSWORD';
const REGISTRY = 'GEMMA_PROVISION_OCI_REGISTRY';

const DockerConfig = z.looseObject({
  auths: z
    .record(
      z.string(),
      z.looseObject({
        auth: z.string().max(65_536).optional(),
        username: z.string().optional(),
        password: z.string().optional(),
        identitytoken: z.string().max(65_536).optional(),
      }),
    )
    .optional(),
  credHelpers: z.record(z.string(), z.string()).optional(),
  credsStore: z.string().optional(),
});
type DockerConfig = z.infer<typeof DockerConfig>;

interface Config {
  readonly path: string;
  readonly config: DockerConfig;
}

/**
 * First GEMMA_PROVISION_OCI_USERNAME and …_PASSWORD, for the one registry that …_REGISTRY names: a reference in a
 * catalog must not decide who gets a password. Then `auths` of $REGISTRY_AUTH_FILE, of
 * $XDG_RUNTIME_DIR/containers/auth.json and of config.json in $DOCKER_CONFIG or ~/.docker. Each file is read once in a run.
 */
export function createRegistryLogins(options: LoginOptions): RegistryLogins {
  let files: Promise<Config[]> | undefined;
  const configs = (): Promise<Config[]> => {
    files ??= readConfigs(options);
    return files;
  };
  return {
    async find(host) {
      return fromEnvironment(options.env, host) ?? fromConfigs(await configs(), host);
    },
    async helperFor(host) {
      for (const { config } of await configs()) {
        const helper = spellingsOf(host)
          .map((key) => config.credHelpers?.[key])
          .find((name) => name !== undefined);
        if (helper !== undefined || config.credsStore !== undefined)
          return `docker-credential-${helper ?? config.credsStore}`;
      }
      return undefined;
    },
  };
}

function fromEnvironment(env: LoginOptions['env'], host: string): RegistryLogin | undefined {
  const [user = '', password = '', registry = ''] = [env[USERNAME], env[PASSWORD], env[REGISTRY]];
  if (user === '' && password === '') return undefined;
  const missing = [user === '' && USERNAME, password === '' && PASSWORD, registry === '' && REGISTRY].filter(Boolean);
  if (missing.length > 0) {
    throw new ProvisionError(
      'bad-configuration',
      `${missing.join(' and ')} must be set too, to log in to a registry.`,
      {
        suggestions: [
          `Set ${USERNAME}, ${PASSWORD}, and ${REGISTRY} to the registry that they are for, such as ${host}.`,
        ],
      },
    );
  }
  if (!spellingsOf(host).includes(registry.toLowerCase())) return undefined;
  return { user, password, from: PASSWORD };
}

async function readConfigs({ env, home, readText }: LoginOptions): Promise<Config[]> {
  const runtime = env.XDG_RUNTIME_DIR ?? '';
  const paths = [
    env.REGISTRY_AUTH_FILE ?? '',
    runtime === '' ? '' : join(runtime, 'containers', 'auth.json'),
    join(env.DOCKER_CONFIG || join(home, '.docker'), 'config.json'),
  ].filter((path) => path !== '');
  const found: Config[] = [];
  for (const path of paths) {
    // An unreadable file is ignored: many registries need no password.
    const text = await readText(path).catch(() => undefined);
    if (text === undefined) continue;
    found.push({ path, config: parse(text, path) });
  }
  return found;
}

function parse(text: string, path: string): DockerConfig {
  let problem: unknown;
  try {
    const parsed = DockerConfig.safeParse(JSON.parse(text));
    if (parsed.success) return parsed.data;
    problem = 'it is not of the form that docker login writes';
  } catch (thrown) {
    // A parser's message quotes the text around the fault, which may be a password.
    problem = messageOf(thrown).includes('JSON') ? 'it is not JSON' : 'it cannot be read';
  }
  throw new ProvisionError('bad-configuration', `${path} cannot be used: ${problem}.`, {
    suggestions: ['Log in again with docker login or podman login, which rewrites the file.'],
  });
}

function fromConfigs(configs: readonly Config[], host: string): RegistryLogin | undefined {
  for (const { path, config } of configs) {
    const entry = spellingsOf(host)
      .map((key) => config.auths?.[key])
      .find((each) => each !== undefined);
    if (entry === undefined) continue;
    const pair = entry.auth === undefined ? '' : Buffer.from(entry.auth, 'base64').toString('utf8').replace(/\0+$/, '');
    const colon = pair.indexOf(':');
    const user = colon < 0 ? (entry.username ?? '') : pair.slice(0, colon);
    const password = colon < 0 ? (entry.password ?? '') : pair.slice(colon + 1);
    const token = entry.identitytoken;
    if (token !== undefined && token !== '') return { user, password: '', refreshToken: token, from: path };
    if (user !== '' && password !== '') return { user, password, from: path };
  }
  return undefined;
}

/** Under which names docker and podman keep a registry. */
function spellingsOf(host: string): string[] {
  const names = host === 'docker.io' ? [host, 'index.docker.io', 'registry-1.docker.io'] : [host];
  return names.flatMap((name) => [
    name,
    `https://${name}`,
    `http://${name}`,
    `https://${name}/v1/`,
    `https://${name}/v2/`,
  ]);
}
