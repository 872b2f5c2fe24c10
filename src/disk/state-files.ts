import type { TextFiles } from './port.ts';

/** The state of this tool on this host. Whoever writes holds the lock (`withLock`). */
export interface Registry {
  readonly files: TextFiles;
  /** Absolute path of our data folder. */
  readonly dataDir: string;
}
