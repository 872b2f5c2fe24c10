/** What the registry needs of the file system. */
export interface RegistryFiles {
  /** Undefined when there is no such file. */
  readText(path: string): Promise<string | undefined>;
  /** Replaces the file in one step (a reader sees the old text or the new one), and makes its folder. */
  writeAtomic(path: string, text: string): Promise<void>;
  /** Names in a folder; empty when there is no such folder. */
  list(folder: string): Promise<string[]>;
  /** Removing what is not there is no error. */
  remove(path: string): Promise<void>;
}

/** The state of this tool on this host. Whoever writes holds the lock (`withLock`). */
export interface Registry {
  readonly files: RegistryFiles;
  /** Absolute path of our data folder. */
  readonly dataDir: string;
}
