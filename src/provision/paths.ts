import { join } from 'node:path';
import envPaths from 'env-paths';

/** The folders of this tool on this host. */
export interface Paths {
  readonly config: string;
  readonly data: string;
  readonly cache: string;
}

/** The platform's own folders (XDG on Linux), or everything below `GEMMA_PROVISION_HOME`. */
export function resolvePaths(env: Readonly<Record<string, string | undefined>>): Paths {
  const home = env.GEMMA_PROVISION_HOME;
  if (home !== undefined && home !== '') {
    return { config: join(home, 'config'), data: join(home, 'data'), cache: join(home, 'cache') };
  }
  const { config, data, cache } = envPaths('gemma-provision', { suffix: '' });
  return { config, data, cache };
}
