import { join } from 'node:path';
import type { Catalog } from '../../catalog/load.ts';
import type { Work } from '../../core/progress.ts';
import type { HostProfile } from '../../hardware/schema.ts';
import { chatTemplateOf, type Templates } from '../../modelfile/templates.ts';
import type { Records, TransactionEffects, TransactionOptions } from '../../provision/effects.ts';
import type { InstallPlan } from '../../provision/plan.ts';
import { planInstall } from '../../provision/planning.ts';
import { planReport } from '../../provision/report.ts';
import type { InstallRequest, PlanningInputs } from '../../provision/request.ts';
import type { InstallReport } from '../../provision/schema.ts';
import { installSmaller } from '../../provision/step-down.ts';
import { install } from '../../provision/transaction.ts';
import {
  baselineRunOf,
  dropBaselines,
  dropRecord,
  findRecord,
  findRecordToReplace,
  type Locker,
  putRecord,
  type Registry,
  readRecords,
} from '../../registry/index.ts';
import type { Record as Installed } from '../../registry/schema.ts';
import type { RuntimeIdentity } from '../../runtimes/contract.ts';
import { sameModel } from '../../runtimes/names.ts';
import type { HashFile, Source } from '../../sources/contract.ts';
import { resolveSource } from '../../sources/index.ts';
import { kept } from './baseline.ts';
import { readInstallableHeader } from './header.ts';
import type { OpenRuntime } from './runtime.ts';

/** Planning and carrying out installs into one opened runtime. */
export interface Provisioning {
  plan(request: InstallRequest): Promise<InstallPlan>;
  /** The report of a plan that is not carried out; throws its first obstacle unless forced. */
  dryRun(plan: InstallPlan, force: boolean): InstallReport;
  install(plan: InstallPlan, options: TransactionOptions): Work<InstallReport>;
}

export interface ProvisioningParts {
  readonly root: string;
  readonly version: string;
  readonly catalog: Catalog;
  readonly templates: Templates;
  readonly profile: HostProfile;
  readonly speed: Pick<PlanningInputs, 'ram' | 'measured'>;
  readonly opened: OpenRuntime;
  readonly sources: readonly Source[];
  readonly hash: HashFile;
  readonly registry: Registry;
  readonly locker: Locker;
  readonly memoryUse?: NonNullable<TransactionEffects['memoryUse']>;
  readonly signal: AbortSignal;
}

export function provisioningOf(parts: ProvisioningParts): Provisioning {
  const { opened, signal } = parts;
  const effects: TransactionEffects = {
    runtime: opened.runtime,
    records: recordsOf(parts.registry, opened.identity),
    hash: parts.hash,
    ...(parts.memoryUse !== undefined && { memoryUse: parts.memoryUse }),
    locker: parts.locker,
    now: () => new Date(),
    clock: () => performance.now(),
    toolVersion: parts.version,
  };
  return {
    plan: (request) => planInstall(request, planningInputs(parts)),
    dryRun(plan, force) {
      const [obstacle] = plan.obstacles;
      if (obstacle !== undefined && !force) throw obstacle;
      return planReport(plan);
    },
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
  const { root, catalog, templates, profile, opened, sources, signal } = parts;
  return {
    catalog,
    runtime: opened.identity,
    facts: opened.facts,
    profile,
    ...parts.speed,
    resolve: (request) => resolveSource(sources, { ...request, signal }),
    bundledPath: (relative) => join(root, relative),
    readHeader: readInstallableHeader,
    chatTemplate: async (name) => chatTemplateOf(templates, name),
    referenceTemplate: async (name) => templates.references.get(name)?.text,
    installed: (modelId, name) => newestOf(parts.registry, opened.identity, modelId, name),
  };
}

/** The newest record of a model in a runtime. Broken records count as none here: the install itself refuses its own. */
async function newestOf(registry: Registry, { kind, endpoint }: RuntimeIdentity, modelId: string, name?: string) {
  const { records } = await readRecords(registry);
  return records
    .filter(({ model, runtime }) => model === modelId && runtime.kind === kind && runtime.endpoint === endpoint)
    .filter((record) => name === undefined || sameModel(record.name, name))
    .reduce<Installed | undefined>((a, b) => (a !== undefined && a.installedAt >= b.installedAt ? a : b), undefined);
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
