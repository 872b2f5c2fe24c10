import { join } from 'node:path';
import type { Catalog } from '../../catalog/load.ts';
import type { Work } from '../../core/progress.ts';
import { realDisk, volumeOf } from '../../disk/disk.ts';
import type { Locker } from '../../disk/lock.ts';
import type { HostProfile } from '../../hardware/schema.ts';
import { chatTemplateOf, type Templates } from '../../modelfile/templates.ts';
import {
  baselineRunOf,
  dropBaselines,
  dropJournal,
  dropRecord,
  findAcceptance,
  findJournal,
  findRecord,
  findRecordToReplace,
  putJournal,
  putRecord,
  type Registry,
  readRecords,
} from '../../registry/index.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import type { RuntimeIdentity, StorableFile, TransferWay } from '../../runtimes/contract.ts';
import { sameModel } from '../../runtimes/names.ts';
import type { OpenRuntime } from '../../runtimes/registry.ts';
import { layoutOf } from '../../sources/cache/layout.ts';
import { resolveSource } from '../../sources/index.ts';
import type { Bytes } from '../bytes.ts';
import { readInstallableHeader } from '../plan/header.ts';
import type { InstallPlan, SourceFile } from '../plan/plan.ts';
import { planInstall } from '../plan/planning.ts';
import { planAgain } from '../plan/reinstall.ts';
import type { InstallRequest, PlanningInputs } from '../plan/request.ts';
import { installSmaller } from '../plan/step-down.ts';
import { kept } from './baseline.ts';
import { crashAt } from './crash.ts';
import type { ChangeEffects, Journals, Records, TransactionEffects, TransactionOptions } from './effects.ts';
import { install } from './install.ts';
import { planReport } from './report.ts';
import type { InstallReport } from './schema.ts';

/** Planning and carrying out installs into one opened runtime. */
export interface Provisioning {
  readonly runtime: RuntimeIdentity;
  plan(request: InstallRequest): Promise<InstallPlan>;
  /** The report of a plan that is not carried out; throws its first obstacle unless forced. */
  dryRun(plan: InstallPlan, force: boolean): InstallReport;
  /** What makes again exactly what a record says, from a file with the recorded bytes. Throws `needs-repair`. */
  planAgain(record: InstallRecord, file: SourceFile): Promise<InstallPlan>;
  install(plan: InstallPlan, options: TransactionOptions): Work<InstallReport>;
}

export interface ProvisioningParts {
  readonly root: string;
  readonly version: string;
  readonly catalog: Catalog;
  readonly templates: Templates;
  readonly profile: HostProfile;
  /** The profile is of this host as it is. */
  readonly isLive: boolean;
  readonly speed: Pick<PlanningInputs, 'ram' | 'measured'>;
  readonly opened: OpenRuntime;
  readonly bytes: Pick<Bytes, 'sources' | 'hash' | 'fetch' | 'stream' | 'http'>;
  /** Absolute. */
  readonly cacheFolder: string;
  readonly registry: Registry;
  readonly locker: Locker;
  readonly memoryUse?: NonNullable<TransactionEffects['memoryUse']>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

/** What every change of an installed model needs, from the real parts. */
export function changeEffects({
  opened,
  registry,
  locker,
  version,
  env,
}: Pick<ProvisioningParts, 'opened' | 'registry' | 'locker' | 'version' | 'env'>): ChangeEffects {
  const checkpoint = crashAt(env);
  return {
    runtime: opened.runtime,
    records: recordsOf(registry, opened.identity),
    journals: journalsOf(registry, opened.identity),
    locker,
    now: () => new Date(),
    clock: () => performance.now(),
    toolVersion: version,
    ...(checkpoint !== undefined && { checkpoint }),
  };
}

export function provisioningOf(parts: ProvisioningParts): Provisioning {
  const { opened, bytes, signal } = parts;
  const effects: TransactionEffects = {
    ...changeEffects(parts),
    hash: bytes.hash,
    fetch: bytes.fetch,
    stream: bytes.stream,
    ...(parts.memoryUse !== undefined && { memoryUse: parts.memoryUse }),
    acceptedAt: async (licence, textDigest) =>
      (await findAcceptance(parts.registry, { licence, textDigest }))?.acceptedAt,
  };
  return {
    runtime: opened.identity,
    plan: (request) => planInstall(request, planningInputs(parts)),
    dryRun(plan, force) {
      const [obstacle] = plan.obstacles;
      if (obstacle !== undefined && !force) throw obstacle;
      return planReport(plan);
    },
    planAgain: (record, file) => planAgain(record, file, planningInputs(parts)),
    install: (plan, options) =>
      remembered(
        installSmaller(plan, (each) => install(each, options, effects, signal)),
        options,
        parts,
      ),
  };
}

/** The smoke test of a new install is what later ones are compared with. */
async function* remembered(
  work: Work<InstallReport>,
  { suite }: TransactionOptions,
  { opened, version, registry, locker, signal }: ProvisioningParts,
): Work<InstallReport> {
  const report = yield* work;
  const { name, changed, smoke, record } = report;
  if (!changed || suite === undefined || smoke === undefined || record === undefined) return report;
  const around = { runtime: opened.identity, stored: record.stored, toolVersion: version, at: new Date() };
  const key = { name, runtime: opened.identity };
  yield* kept(key, baselineRunOf(suite, smoke, around), { registry, locker, signal });
  return report;
}

function planningInputs(parts: ProvisioningParts): PlanningInputs {
  const { root, catalog, templates, profile, opened, bytes, signal } = parts;
  const { runtime } = opened;
  return {
    catalog,
    runtime: opened.identity,
    facts: opened.facts,
    profile,
    ...parts.speed,
    resolve: (request) => resolveSource(bytes.sources, { ...request, signal }),
    bundledPath: (relative) => join(root, relative),
    readHeader: (file) => readInstallableHeader(file, { http: bytes.http, signal }),
    ...(runtime.planTransfer && {
      planTransfer: (file, way) =>
        runtime.planTransfer?.(asStored(file, way, parts), way, signal) ?? Promise.reject(new TypeError('no plan')),
    }),
    toFetch: async (file) =>
      file.kind === 'remote' ? { folder: parts.cacheFolder, bytes: file.sizeBytes } : undefined,
    // A saved profile describes its own disks.
    ...(parts.isLive && { volumeOf: (path: string) => volumeOf(realDisk, path) }),
    chatTemplate: async (name) => chatTemplateOf(templates, name),
    referenceTemplate: async (name) => templates.references.get(name)?.text,
    installed: (modelId, name) => newestOf(parts.registry, opened.identity, modelId, name),
  };
}

/** A file as the runtime will get it: one that is still to be fetched lies in our cache by then. */
function asStored(file: SourceFile, way: TransferWay | undefined, parts: ProvisioningParts): StorableFile {
  if (file.kind === 'file') return file;
  if (way === 'stream') return { ...file, open: parts.bytes.stream };
  const { ref, sizeBytes, digest } = file;
  return { ref, sizeBytes, digest, path: layoutOf(parts.cacheFolder).blobOf(digest), immutable: true };
}

/** The newest record of a model in a runtime. Broken records count as none here: the install itself refuses its own. */
async function newestOf(registry: Registry, { kind, endpoint }: RuntimeIdentity, modelId: string, name?: string) {
  const { records } = await readRecords(registry);
  return records
    .filter(({ model, runtime }) => model === modelId && runtime.kind === kind && runtime.endpoint === endpoint)
    .filter((record) => name === undefined || sameModel(record.name, name))
    .reduce<InstallRecord | undefined>(
      (a, b) => (a !== undefined && a.installedAt >= b.installedAt ? a : b),
      undefined,
    );
}

/** The records of one runtime endpoint. */
export function recordsOf(registry: Registry, { kind, endpoint }: RuntimeIdentity): Records {
  const keyOf = (name: string) => ({ name, runtime: { kind, endpoint } });
  return {
    find: (name, replace) => (replace ? findRecordToReplace : findRecord)(registry, keyOf(name)),
    async put(record) {
      await putRecord(registry, record);
    },
    async drop(name) {
      await dropRecord(registry, keyOf(name));
      await dropBaselines(registry, keyOf(name));
    },
  };
}

/** The journals of one runtime endpoint. */
export function journalsOf(registry: Registry, { kind, endpoint }: RuntimeIdentity): Journals {
  const keyOf = (name: string) => ({ name, runtime: { kind, endpoint } });
  return {
    find: (name) => findJournal(registry, keyOf(name)),
    put: (journal) => putJournal(registry, journal),
    drop: (name) => dropJournal(registry, keyOf(name)),
  };
}
