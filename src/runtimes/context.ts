import type { HashFile } from '../disk/hash.ts';
import type { Paths } from '../provision/paths.ts';
import type { Settings } from '../provision/settings.ts';

export interface RuntimeContext {
  readonly paths: Paths;
  readonly settings: Settings;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly hash: HashFile;
  models(): Promise<string>;
  /** `--require-tls`. */
  readonly requireTls: boolean;
  /** Tells the user something once. */
  warn(message: string): void;
  readonly root: string;
  readonly signal: AbortSignal;
}
