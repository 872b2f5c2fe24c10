/** The only place that builds the real app: every service of the commands, each loaded when it is first asked for. */
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { Catalog } from '../catalog/load.ts';
import type { Family, Licence, Model } from '../catalog/schema.ts';
import type { Digest } from '../core/digest.ts';
import type { Issue } from '../core/parse.ts';
import type { Work } from '../core/progress.ts';
import { secretsOfAddress } from '../core/redact.ts';
import type { DoctorFlags } from '../doctor/doctor.ts';
import type { HostProfile } from '../hardware/schema.ts';
import type { CheckQuestion, Wanted } from '../provision/check/target.ts';
import { AppContext, type AppOptions } from '../provision/context.ts';
import type { Provisioning } from '../provision/install/provisioning.ts';
import type { InstallReport, RemoveReport, UpgradeReport } from '../provision/install/schema.ts';
import type { PruneFlags } from '../provision/maintain/cache.ts';
import type { ChatFlags } from '../provision/maintain/chat.ts';
import type { GcFlags } from '../provision/maintain/gc/gc.ts';
import type { RepairReport, VerifyReport } from '../provision/maintain/problems.ts';
import type { RepairFlags } from '../provision/maintain/repair.ts';
import type { RollbackFlags } from '../provision/maintain/rollback.ts';
import type { AcceptLicence, UpgradeFlags } from '../provision/maintain/upgrade.ts';
import type { VerifyFlags } from '../provision/maintain/verify.ts';
import { type Paths, resolvePaths } from '../provision/paths.ts';
import type { HostFlags } from '../provision/plan/host.ts';
import type { InstallPlan } from '../provision/plan/plan.ts';
import type { RecommendFlags } from '../provision/plan/recommend.ts';
import type { InstallRequest } from '../provision/plan/request.ts';
import { readSettings, type Settings } from '../provision/settings.ts';
import type { BundleFlags, PlannedBundle } from '../provision/share/bundle.ts';
import type { Frozen } from '../provision/share/lock.ts';
import type { Pinned, PinnedFlags } from '../provision/share/pinned.ts';
import type { InstallRecord } from '../registry/schema.ts';
import type { ChatResult } from '../runtimes/contract.ts';
import type { RuntimeFlags } from '../runtimes/registry.ts';
import type { Suite } from '../smoke/schema.ts';
import { hideSecrets } from './redaction.ts';
import type {
  BundleCreateData,
  CacheListData,
  CachePruneData,
  CacheVerifyData,
  CatalogSignData,
  CatalogVerifyData,
  DoctorData,
  GcData,
  ListData,
  LockData,
  ModelfileCheckData,
  ModelfileRenderData,
  PublishData,
  PullData,
  RecommendData,
  SmokeData,
} from './results.ts';
import type { Terminal } from './terminal.ts';

export type ServiceOptions = AppOptions;

/** What commands can ask for. Tests of commands give their own. */
export interface Services {
  readonly paths: Paths;
  readonly settings: Settings;
  catalog(): Promise<Catalog>;
  model(typed: string): Promise<{ family: Family; model: Model }>;
  validateCatalogFile(file: string): Promise<Issue[]>;
  /** Signs a catalog file that is valid. */
  signCatalog(file: string, keyFile: string): Promise<CatalogSignData>;
  /** `keyFiles`: public keys; none means those of the settings. */
  verifyCatalog(file: string, keyFiles: readonly string[]): Promise<CatalogVerifyData>;
  hostProfile(flags: HostFlags & RuntimeFlags): Promise<HostProfile>;
  saveProfile(file: string, profile: HostProfile): Promise<void>;
  provisioning(flags: HostFlags & RuntimeFlags): Promise<Provisioning>;
  recommend(
    request: InstallRequest,
    flags: RecommendFlags,
  ): Promise<{ data: RecommendData; warnings: readonly string[] }>;
  /** What `check` asks of a server when a file of the user has a say in it. */
  checkTarget(question: CheckQuestion): Promise<Wanted | undefined>;
  /** What `--frozen` asks for; `file`: `--lock`. */
  frozen(request: InstallRequest, file: string | undefined): Promise<Frozen>;
  /** The lock file to be obeyed, or what a published model came with; undefined for an install that decides for itself. */
  pinned(request: InstallRequest, flags: PinnedFlags): Promise<Pinned | undefined>;
  lock(plan: InstallPlan, options: { file: string | undefined; suite: Suite; check: boolean }): Promise<Work<LockData>>;
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
  cacheList(): Promise<CacheListData>;
  cacheVerify(remove: boolean): Promise<Work<CacheVerifyData>>;
  cachePrune(flags: PruneFlags): Promise<Work<CachePruneData>>;
  gc(flags: GcFlags): Promise<Work<GcData>>;
  allRecords(): Promise<ListData>;
  recordsNamed(name: string, flags: RuntimeFlags): Promise<InstallRecord[]>;
  publish(name: string, ref: string, flags: RuntimeFlags & { 'plain-http': boolean }): Promise<Work<PublishData>>;
  /** Into our cache. */
  pull(ref: string, digest: Digest | undefined): Promise<Work<PullData>>;
  createBundle(
    name: string,
    file: string,
    flags: RuntimeFlags & { sign?: string | undefined },
  ): Promise<Work<BundleCreateData>>;
  /** Verifies all of it and plans its install. */
  planBundle(file: string, request: InstallRequest, flags: BundleFlags): Promise<Work<PlannedBundle>>;
  remove(name: string, force: boolean, flags: RuntimeFlags): Promise<Work<RemoveReport>>;
  rollback(name: string, flags: RollbackFlags): Promise<Work<InstallReport>>;
  /** All models of ours without a name. */
  verify(name: string | undefined, flags: VerifyFlags): Promise<Work<VerifyReport>>;
  repair(name: string, flags: RepairFlags): Promise<Work<RepairReport>>;
  /** All models of ours without a name. */
  upgrade(name: string | undefined, flags: UpgradeFlags, accept: AcceptLicence): Promise<Work<UpgradeReport>>;
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
  if (settings.host !== undefined) hideSecrets(...secretsOfAddress(settings.host));
  const app = new AppContext(options, paths, settings, env);
  return {
    paths,
    settings,
    catalog: () => app.catalog(),
    async model(typed) {
      const { resolveModel } = await import('../catalog/lookup.ts');
      return resolveModel(await app.catalog(), typed);
    },
    async validateCatalogFile(file) {
      const { validateCatalogFile } = await import('../provision/plan/catalog.ts');
      return validateCatalogFile(options.root, paths, file);
    },
    async signCatalog(file, keyFile) {
      const [{ refuseInvalid }, { PASSPHRASE_VARIABLE, signCatalog }] = await Promise.all([
        import('../provision/plan/catalog.ts'),
        import('../provision/plan/catalog-trust.ts'),
      ]);
      await refuseInvalid(options.root, paths, file);
      return signCatalog(file, keyFile, env[PASSPHRASE_VARIABLE]);
    },
    async verifyCatalog(file, keyFiles) {
      const [{ refuseInvalid }, { verifyCatalog }] = await Promise.all([
        import('../provision/plan/catalog.ts'),
        import('../provision/plan/catalog-trust.ts'),
      ]);
      const keys = keyFiles.length > 0 ? keyFiles : (settings['catalog-key'] ?? []);
      const verified = await verifyCatalog(file, keys, app.trustContext());
      await refuseInvalid(options.root, paths, file);
      return verified;
    },
    async hostProfile(flags) {
      const { hostProfile } = await import('../provision/plan/host.ts');
      return hostProfile(flags, app.hostContext());
    },
    async saveProfile(file, profile) {
      const { saveProfile } = await import('../provision/plan/host.ts');
      return saveProfile(file, profile);
    },
    provisioning: (flags) => app.provisioning(flags),
    async recommend(request, flags) {
      const { recommendFor } = await import('../provision/plan/recommend.ts');
      return recommendFor(request, flags, app);
    },
    async checkTarget(question) {
      const { wantedOf } = await import('../provision/check/own.ts');
      return wantedOf(question, app);
    },
    async frozen(request, file) {
      const { openFrozen } = await import('../provision/share/lock.ts');
      return openFrozen(file, request, app);
    },
    async pinned(request, flags) {
      // Most installs have neither: nothing is loaded for them.
      if (!flags.frozen && !request.from?.startsWith('oci:')) return undefined;
      const { openPinned } = await import('../provision/share/pinned.ts');
      return openPinned(request, flags, app);
    },
    async lock(plan, { file, ...rest }) {
      const { lockPath, lockPlan } = await import('../provision/share/lock.ts');
      return lockPlan(plan, { file: lockPath(file), ...rest }, app);
    },
    async acceptLicence(licence, how) {
      const { acceptLicence } = await import('../provision/install/licence.ts');
      const user = userInfo().username;
      return acceptLicence(licence, {
        ...how,
        user,
        registry: await app.registry(),
        locker: await app.locker(),
        signal: options.signal,
      });
    },
    async doctor(model, flags) {
      const { doctorOf } = await import('../doctor/doctor.ts');
      return doctorOf(model, flags, app);
    },
    async suite(idOrFile) {
      const { openSuite } = await import('../provision/install/smoke.ts');
      return openSuite(options.root, idOrFile);
    },
    async smoke(name, flags) {
      const { smokeOf } = await import('../provision/install/smoke.ts');
      return smokeOf(name, flags, app);
    },
    async chat(name, prompt, flags) {
      const { chat } = await import('../provision/maintain/chat.ts');
      return chat(app, name, prompt, flags);
    },
    async cacheList() {
      const { listCache } = await import('../provision/maintain/cache.ts');
      return listCache(app);
    },
    async cacheVerify(remove) {
      const { verifyCache } = await import('../provision/maintain/cache.ts');
      return verifyCache(app, remove);
    },
    async cachePrune(flags) {
      const { pruneCache } = await import('../provision/maintain/cache.ts');
      return pruneCache(app, flags);
    },
    async gc(flags) {
      const { gc } = await import('../provision/maintain/gc/gc.ts');
      return gc(app, flags);
    },
    async allRecords() {
      const { allRecords } = await import('../provision/maintain/records.ts');
      return allRecords(await app.registry());
    },
    async recordsNamed(name, flags) {
      const { recordsNamed } = await import('../provision/maintain/records.ts');
      return recordsNamed(await app.registry(), name, flags);
    },
    async publish(name, ref, flags) {
      const { publish } = await import('../provision/share/publish.ts');
      return publish(app, name, ref, flags);
    },
    async pull(ref, digest) {
      const { pull } = await import('../provision/share/publish.ts');
      return pull(app, ref, digest);
    },
    async createBundle(name, file, flags) {
      const { createBundle } = await import('../provision/share/bundle.ts');
      return createBundle(app, name, file, flags);
    },
    async planBundle(file, request, flags) {
      const { planBundle } = await import('../provision/share/bundle.ts');
      return planBundle(app, file, request, flags);
    },
    async remove(name, force, flags) {
      const { remove } = await import('../provision/maintain/remove.ts');
      return remove(app, name, { ...flags, force });
    },
    async rollback(name, flags) {
      const { rollback } = await import('../provision/maintain/rollback.ts');
      return rollback(app, name, flags);
    },
    async verify(name, flags) {
      const { verify } = await import('../provision/maintain/verify.ts');
      return verify(app, name, flags);
    },
    async repair(name, flags) {
      const { repair } = await import('../provision/maintain/repair.ts');
      return repair(app, name, flags);
    },
    async upgrade(name, flags, accept) {
      const { upgrade } = await import('../provision/maintain/upgrade.ts');
      return upgrade(app, name, flags, accept);
    },
    async renderModelfile(typed, render) {
      const { renderModelfileOf } = await import('../provision/plan/catalog.ts');
      return renderModelfileOf(await app.catalog(), options.root, typed, render);
    },
    async checkModelfiles(folder) {
      const { checkModelfilesIn } = await import('../provision/plan/catalog.ts');
      return checkModelfilesIn(await app.catalog(), options.root, folder ?? join(options.root, 'modelfiles'));
    },
    close: () => app.close(),
  };
}
