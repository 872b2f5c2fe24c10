/** The only place that builds the real world: every service of the commands, each loaded when it is first asked for. */
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { Catalog } from '../catalog/load.ts';
import type { Family, Licence, Model } from '../catalog/schema.ts';
import type { Issue } from '../core/parse.ts';
import type { Work } from '../core/progress.ts';
import type { HostProfile } from '../hardware/schema.ts';
import type { InstallRequest } from '../provision/request.ts';
import type { RemoveReport } from '../provision/schema.ts';
import type { Record as Installed } from '../registry/schema.ts';
import type { ChatResult } from '../runtimes/contract.ts';
import type { Suite } from '../smoke/schema.ts';
import { type Paths, resolvePaths } from './paths.ts';
import type {
  DoctorData,
  ListData,
  ModelfileCheckData,
  ModelfileRenderData,
  RecommendData,
  SmokeData,
} from './results.ts';
import type { ChatFlags } from './services/chat.ts';
import type { CheckQuestion, Wanted } from './services/check-target.ts';
import type { DoctorFlags } from './services/doctor.ts';
import type { HostFlags } from './services/host.ts';
import type { Provisioning } from './services/provisioning.ts';
import type { RecommendFlags } from './services/recommend.ts';
import type { RuntimeFlags } from './services/runtime.ts';
import { readSettings, type Settings } from './settings.ts';
import type { Terminal } from './terminal.ts';
import { World, type WorldOptions } from './world.ts';

export type ServiceOptions = WorldOptions;

/** What commands can ask for. Tests of commands give their own. */
export interface Services {
  readonly paths: Paths;
  readonly settings: Settings;
  catalog(): Promise<Catalog>;
  model(typed: string): Promise<{ family: Family; model: Model }>;
  validateCatalogFile(file: string): Promise<Issue[]>;
  hostProfile(flags: HostFlags & RuntimeFlags): Promise<HostProfile>;
  saveProfile(file: string, profile: HostProfile): Promise<void>;
  provisioning(flags: HostFlags & RuntimeFlags): Promise<Provisioning>;
  recommend(
    request: InstallRequest,
    flags: RecommendFlags,
  ): Promise<{ data: RecommendData; warnings: readonly string[] }>;
  /** What `check` asks of a server when a file of the user has a say in it. */
  checkTarget(question: CheckQuestion): Promise<Wanted | undefined>;
  acceptLicence(licence: Licence, options: { accepted: boolean; terminal: Terminal }): Promise<void>;
  doctor(model: string | undefined, flags: DoctorFlags): Promise<DoctorData>;
  /** A built-in suite by its id, or a file. */
  suite(idOrFile: string): Promise<Suite>;
  smoke(name: string, flags: RuntimeFlags & { suite?: string | undefined; proof?: boolean }): Promise<Work<SmokeData>>;
  chat(
    name: string,
    prompt: string | undefined,
    flags: ChatFlags,
  ): Promise<AsyncGenerator<string, ChatResult, undefined>>;
  allRecords(): Promise<ListData>;
  recordsNamed(name: string, flags: RuntimeFlags): Promise<Installed[]>;
  remove(name: string, force: boolean, flags: RuntimeFlags): Promise<RemoveReport>;
  renderModelfile(
    typed: string,
    options: { ctx?: number | undefined; sampling?: string | undefined },
  ): Promise<ModelfileRenderData>;
  checkModelfiles(folder: string | undefined): Promise<ModelfileCheckData>;
  close(): Promise<void>;
}

export async function wire(options: ServiceOptions): Promise<Services> {
  const { env } = process;
  const paths = resolvePaths(env);
  const settings = await readSettings(paths);
  const world = new World(options, paths, settings, env);
  return {
    paths,
    settings,
    catalog: () => world.catalog(),
    async model(typed) {
      const { resolveModel } = await import('../catalog/lookup.ts');
      return resolveModel(await world.catalog(), typed);
    },
    async validateCatalogFile(file) {
      const { validateCatalogFile } = await import('./services/catalog.ts');
      return validateCatalogFile(options.root, paths, file);
    },
    async hostProfile(flags) {
      const { hostProfile } = await import('./services/host.ts');
      return hostProfile(flags, world.hostContext());
    },
    async saveProfile(file, profile) {
      const { saveProfile } = await import('./services/host.ts');
      return saveProfile(file, profile);
    },
    provisioning: (flags) => world.provisioning(flags),
    async recommend(request, flags) {
      const { recommendFor } = await import('./services/recommend.ts');
      return recommendFor(request, flags, world);
    },
    async checkTarget(question) {
      const { wantedOf } = await import('./services/check-own.ts');
      return wantedOf(question, world);
    },
    async acceptLicence(licence, how) {
      const { acceptLicence } = await import('./services/licence.ts');
      const user = userInfo().username;
      return acceptLicence(licence, {
        ...how,
        user,
        registry: await world.registry(),
        locker: await world.locker(),
        signal: options.signal,
      });
    },
    async doctor(model, flags) {
      const { doctorOf } = await import('./services/doctor.ts');
      return doctorOf(model, flags, world);
    },
    async suite(idOrFile) {
      const { openSuite } = await import('./services/smoke.ts');
      return openSuite(options.root, idOrFile);
    },
    async smoke(name, flags) {
      const { smokeOf } = await import('./services/smoke.ts');
      return smokeOf(name, flags, world);
    },
    async chat(name, prompt, flags) {
      const { chatOf } = await import('./services/chat.ts');
      return chatOf(name, prompt, flags, world);
    },
    async allRecords() {
      const { allRecords } = await import('./services/records.ts');
      return allRecords(await world.registry());
    },
    async recordsNamed(name, flags) {
      const { recordsNamed } = await import('./services/records.ts');
      return recordsNamed(await world.registry(), name, flags);
    },
    async remove(name, force, flags) {
      const { removeOf } = await import('./services/records.ts');
      return removeOf(name, force, flags, world);
    },
    async renderModelfile(typed, render) {
      const { renderModelfileOf } = await import('./services/catalog.ts');
      return renderModelfileOf(await world.catalog(), options.root, typed, render);
    },
    async checkModelfiles(folder) {
      const { checkModelfilesIn } = await import('./services/catalog.ts');
      return checkModelfilesIn(await world.catalog(), options.root, folder ?? join(options.root, 'modelfiles'));
    },
    close: () => world.close(),
  };
}
