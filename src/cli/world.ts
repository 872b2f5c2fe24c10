import { access } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Catalog } from '../catalog/load.ts';
import type { Locker, Registry } from '../registry/index.ts';
import type { HashFile, Source } from '../sources/contract.ts';
import type { Paths } from './paths.ts';
import type { HostContext, HostFlags } from './services/host.ts';
import type { Provisioning } from './services/provisioning.ts';
import type { OpenRuntime, RuntimeFlags } from './services/runtime.ts';
import type { RuntimeContext } from './services/runtime-context.ts';
import type { Settings } from './settings.ts';

export interface WorldOptions {
  readonly catalogFiles: readonly string[];
  readonly version: string;
  /** Root of this package: where catalog/, templates/ and models/ are. */
  readonly root: string;
  readonly signal: AbortSignal;
  /** How this run calls itself to others that wait for its lock. */
  readonly command: string;
}

interface Bytes {
  readonly sources: readonly Source[];
  readonly hash: HashFile;
}

/** The real parts that services share, each made once and only when something asks for it. */
export class World {
  readonly options: WorldOptions;
  readonly paths: Paths;
  readonly settings: Settings;
  readonly env: Readonly<Record<string, string | undefined>>;
  #catalog: Promise<Catalog> | undefined;
  #bytes: Promise<Bytes> | undefined;
  #opened: OpenRuntime[] = [];

  constructor(options: WorldOptions, paths: Paths, settings: Settings, env: World['env']) {
    this.options = options;
    this.paths = paths;
    this.settings = settings;
    this.env = env;
  }

  catalog(): Promise<Catalog> {
    this.#catalog ??= this.#openCatalog();
    return this.#catalog;
  }

  async #openCatalog(): Promise<Catalog> {
    const { openCatalog } = await import('./services/catalog.ts');
    const extra = [...(this.settings.catalog ?? []), ...this.options.catalogFiles];
    return openCatalog(this.options.root, this.paths, extra);
  }

  async registry(): Promise<Registry> {
    const { stateFiles } = await import('./effects/files.ts');
    return { files: stateFiles, dataDir: this.paths.data };
  }

  async locker(): Promise<Locker> {
    const { createFileLocker } = await import('./effects/locker.ts');
    return createFileLocker({ dir: join(this.paths.data, 'locks'), command: this.options.command });
  }

  /** Sources of bytes and the hasher that remembers what it read. */
  bytes(): Promise<Bytes> {
    this.#bytes ??= import('./services/bytes.ts').then(({ openBytes }) => openBytes(this.paths.cache));
    return this.#bytes;
  }

  /** The models folder of an Ollama on this machine, as far as it can be known from here. */
  async models(): Promise<string> {
    const { guessModelsFolder } = await import('../hardware/models-folder.ts');
    const exists = (path: string) =>
      access(path).then(
        () => true,
        () => false,
      );
    return guessModelsFolder({ platform: process.platform, env: this.env, home: homedir(), exists });
  }

  hostContext(): HostContext {
    return { paths: this.paths, env: this.env, models: () => this.models(), signal: this.options.signal };
  }

  async open(flags: RuntimeFlags): Promise<OpenRuntime> {
    const [{ openRuntime }, { hash }] = await Promise.all([import('./services/runtime.ts'), this.bytes()]);
    const { paths, settings, env, options } = this;
    const context: RuntimeContext = {
      paths,
      settings,
      env,
      hash,
      models: () => this.models(),
      root: options.root,
      signal: options.signal,
    };
    const opened = await openRuntime(flags, context);
    this.#opened.push(opened);
    return opened;
  }

  async provisioning(flags: HostFlags & RuntimeFlags): Promise<Provisioning> {
    const [{ provisioningOf }, { openTemplates }, { hostProfile }, { speedInputs }] = await Promise.all([
      import('./services/provisioning.ts'),
      import('./services/catalog.ts'),
      import('./services/host.ts'),
      import('./services/speed.ts'),
    ]);
    const isLive = flags.profile === undefined && flags['what-if'] === undefined;
    const { root, version, signal } = this.options;
    const [opened, catalog, templates, profile, { sources, hash }, registry, locker] = await Promise.all([
      this.open(flags),
      this.catalog(),
      openTemplates(root),
      hostProfile(flags, this.hostContext()),
      this.bytes(),
      this.registry(),
      this.locker(),
    ]);
    const here = isLive && opened.facts.store !== undefined;
    const watched = {
      runtime: opened.identity,
      here,
      profile,
      look: () => hostProfile(flags, this.hostContext()),
    };
    return provisioningOf({
      root,
      version,
      catalog,
      templates,
      profile,
      opened,
      sources,
      hash,
      registry,
      locker,
      speed: await speedInputs({ profile, here, world: this, ...(isLive && { identity: opened.identity }) }),
      memoryUse: async (by) => (await import('./services/memory-watch.ts')).memoryUse(watched, by),
      signal,
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#opened.map(({ runtime }) => runtime.close()));
  }
}
