import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Cage } from '../cage/cage.ts';
import type { Catalog } from '../catalog/load.ts';
import { type Disk, realDisk } from '../disk/disk.ts';
import type { Locker } from '../disk/lock.ts';
import type { Registry } from '../registry/index.ts';
import type { OpenRuntime, RuntimeContext, RuntimeFlags } from '../runtimes/contract.ts';
import type { Bytes } from './bytes.ts';
import type { Paths } from './paths.ts';
import type { TrustContext } from './plan/catalog-trust.ts';
import type { HostContext } from './plan/host.ts';
import type { Settings } from './settings.ts';

export interface AppOptions {
  readonly catalogFiles: readonly string[];
  /** `--catalog-key`: public keys that replace those of the settings. */
  readonly catalogKeys?: readonly string[];
  /** `--allow-unsigned`. */
  readonly allowUnsigned?: boolean;
  readonly version: string;
  /** Root of this package: where catalog/, templates/ and models/ are. */
  readonly root: string;
  /** `--require-tls`. */
  readonly requireTls?: boolean;
  /** `--offline`. */
  readonly offline?: boolean;
  /** Tells the user something, beside the answer. */
  readonly warn?: (message: string) => void;
  readonly signal: AbortSignal;
  /** How this run calls itself to others that wait for its lock. */
  readonly command: string;
}

/** As oclif reads the variable of a flag. */
const TRUE = ['1', 'true', 'yes', 'y', 'on'];

/** The real parts that services share, each made once and only when something asks for it. */
export class AppContext {
  readonly options: AppOptions;
  readonly paths: Paths;
  readonly settings: Settings;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly disk: Disk;
  #catalog: Promise<Catalog> | undefined;
  #bytes: Promise<Bytes> | undefined;
  #cage: Promise<Cage> | undefined;
  #opened: OpenRuntime[] = [];
  readonly #reported = new Set<string>();

  constructor(options: AppOptions, paths: Paths, settings: Settings, env: AppContext['env'], disk: Disk = realDisk) {
    this.options = options;
    this.paths = paths;
    this.settings = settings;
    this.env = env;
    this.disk = disk;
  }

  catalog(): Promise<Catalog> {
    this.#catalog ??= this.#openCatalog();
    return this.#catalog;
  }

  async #openCatalog(): Promise<Catalog> {
    const { openCatalog } = await import('./plan/catalog.ts');
    const { root, catalogFiles, catalogKeys, allowUnsigned = false } = this.options;
    const extra = [...(this.settings.catalog ?? []), ...catalogFiles];
    const keys = catalogKeys ?? this.settings['catalog-key'] ?? [];
    // Loaded where there is anything to decide: most runs have no catalog but the built-in one.
    if (extra.length === 0 && !(await this.#exists(join(this.paths.config, 'catalog'))))
      return openCatalog(root, this.paths, extra);
    const { catalogTrust } = await import('./plan/catalog-trust.ts');
    return openCatalog(root, this.paths, extra, await catalogTrust({ keys, allowUnsigned }, this.trustContext()));
  }

  /** What checking signatures and remembering versions needs. */
  trustContext(): TrustContext {
    return {
      paths: this.paths,
      signal: this.options.signal,
      locker: () => this.locker(),
      warn: (message) => this.warnOnce(message),
    };
  }

  async registry(): Promise<Registry> {
    return { disk: this.disk, dataDir: this.paths.data };
  }

  async locker(): Promise<Locker> {
    const { createFileLocker } = await import('../disk/locker.ts');
    return createFileLocker({ dir: join(this.paths.data, 'locks'), command: this.options.command });
  }

  /** Where chat templates and JSON Schemas of others run. */
  cage(): Promise<Cage> {
    this.#cage ??= this.#openCage();
    return this.#cage;
  }

  async #openCage(): Promise<Cage> {
    const { cagedFile, createCage, forkCaged } = await import('../cage/cage.ts');
    return createCage(forkCaged(cagedFile(this.options.root)));
  }

  /** Sources of bytes and the hasher that remembers what it read. */
  bytes(): Promise<Bytes> {
    this.#bytes ??= this.#openBytes();
    return this.#bytes;
  }

  async #openBytes(): Promise<Bytes> {
    const { openBytes } = await import('./bytes.ts');
    const ca = this.env.GEMMA_PROVISION_CA ?? this.settings.ca;
    return openBytes({
      disk: this.disk,
      cacheFolder: this.paths.cache,
      env: this.env,
      ca,
      offline: this.offline,
      mirrors: this.settings.mirrors,
      command: this.options.command,
    });
  }

  /** The models folder of an Ollama on this machine, as far as it can be known from here. */
  async models(): Promise<string> {
    const { guessModelsFolder } = await import('../hardware/models-folder.ts');
    return guessModelsFolder({
      platform: process.platform,
      env: this.env,
      home: homedir(),
      exists: (path) => this.#exists(path),
    });
  }

  hostContext(): HostContext {
    return { paths: this.paths, env: this.env, models: () => this.models(), signal: this.options.signal };
  }

  #exists(path: string): Promise<boolean> {
    return this.disk.access(path).then(
      () => true,
      () => false,
    );
  }

  get requiresTls(): boolean {
    return this.options.requireTls ?? this.settings['require-tls'] ?? false;
  }

  /** Nothing is downloaded, and nobody is asked anything but the runtime: by the flag, its variable, or the settings. */
  get offline(): boolean {
    const variable = this.env.GEMMA_PROVISION_OFFLINE;
    const asked = variable === undefined || variable === '' ? undefined : TRUE.includes(variable.toLowerCase());
    return this.options.offline ?? asked ?? this.settings.offline ?? false;
  }

  warnOnce(message: string): void {
    if (!this.#reported.has(message)) this.options.warn?.(message);
    this.#reported.add(message);
  }

  async runtimeContext(): Promise<RuntimeContext> {
    const { hash, digests } = await this.bytes();
    const { disk, paths, settings, env, options } = this;
    return {
      disk,
      paths,
      settings,
      env,
      hash,
      digests,
      models: () => this.models(),
      requireTls: this.requiresTls,
      warn: (message) => this.warnOnce(message),
      root: options.root,
      signal: options.signal,
    };
  }

  async open(flags: RuntimeFlags): Promise<OpenRuntime> {
    const [{ openRuntime }, context] = await Promise.all([import('../runtimes/registry.ts'), this.runtimeContext()]);
    const opened = await openRuntime(flags, context);
    this.#opened.push(opened);
    return opened;
  }

  async close(): Promise<void> {
    await Promise.all([
      ...this.#opened.map(({ runtime }) => runtime.close()),
      this.#bytes?.then(({ close }) => close()),
      this.#cage?.then((cage) => cage.close()),
    ]);
  }
}
