import { join } from 'node:path';
import { AppContext, type AppOptions } from '../../src/provision/context.ts';
import type { Settings } from '../../src/provision/settings.ts';
import { ROOT } from './plans.ts';

interface AppParts {
  /** Holds config, data and cache; by default one that does not exist. */
  readonly home?: string;
  readonly root?: string;
  readonly settings?: Settings;
  readonly options?: Partial<AppOptions>;
  readonly env?: AppContext['env'];
}

/** An application context of this checkout with a home of its own. */
export function makeApp({ home = join(ROOT, 'no-such-folder'), root = ROOT, ...parts }: AppParts = {}): AppContext {
  const paths = { config: join(home, 'config'), data: join(home, 'data'), cache: join(home, 'cache') };
  const { signal } = new AbortController();
  const options = { catalogFiles: [], version: '0.0.0', root, signal, command: 'test', ...parts.options };
  return new AppContext(options, paths, parts.settings ?? {}, parts.env ?? {});
}
