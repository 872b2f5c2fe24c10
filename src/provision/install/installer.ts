/** One opened runtime with all that planning and carrying out an install there needs. */
import { basename, join } from 'node:path';
import { defined } from '../../core/defined.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import { realDisk, volumeOf } from '../../disk/disk.ts';
import type { HostProfile } from '../../hardware/schema.ts';
import { chatTemplateOf } from '../../modelfile/templates.ts';
import { baselineRunOf, findAcceptance, type Registry, readRecords } from '../../registry/index.ts';
import { readMeasurements } from '../../registry/measurements.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import type { RuntimeIdentity, StorableFile, TransferWay } from '../../runtimes/contract.ts';
import type { OpenRuntime, RuntimeFlags } from '../../runtimes/registry.ts';
import { layoutOf } from '../../sources/cache/layout.ts';
import type { StreamFile } from '../../sources/contract.ts';
import { findSource, resolveSource } from '../../sources/index.ts';
import type { Bytes } from '../bytes.ts';
import type { AppContext } from '../context.ts';
import { openTemplates } from '../plan/catalog.ts';
import type { InstallPlan, InstallRequest, PlanningInputs, SourceFile } from '../plan/contract.ts';
import { readInstallableHeader } from '../plan/header.ts';
import { type HostFlags, hostProfile } from '../plan/host.ts';
import { planInstall } from '../plan/plan-install.ts';
import { planReinstall } from '../plan/plan-reinstall.ts';
import { speedInputs } from '../plan/speed.ts';
import { measuredReason } from '../quality/reason.ts';
import { kept } from './baseline.ts';
import { changeEffects, type TransactionEffects, type TransactionOptions } from './effects.ts';
import { install } from './install.ts';
import { memoryUse } from './memory-watch.ts';
import { planReport } from './report.ts';
import type { InstallReport } from './schema.ts';

export interface Installer {
  readonly runtime: RuntimeIdentity;
  plan(request: InstallRequest): Promise<InstallPlan>;
  /** What makes again exactly what a record says, from a file with the recorded bytes. Throws `needs-repair`. */
  planReinstall(record: InstallRecord, file: SourceFile, projector?: SourceFile): Promise<InstallPlan>;
  /** The report of a plan that is not carried out; throws its first obstacle unless forced. */
  dryRun(plan: InstallPlan, force: boolean): InstallReport;
  /** Carries out a plan, or the next smaller one where the model turns out not to fit. */
  install(plan: InstallPlan, options: TransactionOptions): Work<InstallReport>;
}

/** Opens the runtime that the flags name and looks at this host. Throws what both throw. */
export async function openInstaller(app: AppContext, flags: HostFlags & RuntimeFlags): Promise<Installer> {
  const { version, signal } = app.options;
  const [opened, profile, registry, locker, cage, bytes] = await Promise.all([
    app.open(flags),
    hostProfile(flags, app.hostContext()),
    app.registry(),
    app.locker(),
    app.cage(),
    app.bytes(),
  ]);
  const isLive = flags.profile === undefined && flags['what-if'] === undefined;
  const here = isLive && opened.facts.store !== undefined;
  const target = { app, opened, profile, isLive, here, registry, bytes };
  const planning = await planningInputs(target);
  const look = () => hostProfile(flags, app.hostContext());
  const effects: TransactionEffects = {
    ...changeEffects({ opened, registry, locker, cage, version, env: app.env }),
    hash: bytes.hash,
    fetch: bytes.fetch,
    stream: bytes.stream,
    memoryUse: (by) => memoryUse({ runtime: opened.identity, here, profile, look }, by),
    acceptedAt: async (licence, textDigest) => (await findAcceptance(registry, { licence, textDigest }))?.acceptedAt,
  };
  return {
    runtime: opened.identity,
    plan: (request) => planInstall(request, planning),
    planReinstall: (record, file, projector) => planReinstall(record, file, planning, projector),
    dryRun(plan, force) {
      const [obstacle] = plan.obstacles;
      if (obstacle !== undefined && !force) throw obstacle;
      return planReport(plan);
    },
    async *install(plan, options) {
      const report = yield* installSmaller(plan, (each) => install(each, options, effects, signal));
      const { name, changed, smoke, record } = report;
      if (!changed || options.suite === undefined || smoke === undefined || record === undefined) return report;
      // The smoke test of a new install is what later ones are compared with.
      const { identity } = opened;
      const around = { runtime: identity, stored: record.stored, toolVersion: version, at: new Date() };
      const run = baselineRunOf(options.suite, smoke, around);
      yield* kept({ name, runtime: identity }, run, { registry, locker, signal });
      return report;
    },
  };
}

/**
 * Carries out a plan; where the model turns out not to fit, takes the next smaller way to have it, until one fits or
 * none is left. Every step is reported, and is one of the reasons for what is finally installed. Throws what the last
 * attempt throws: a failed one leaves nothing behind.
 */
export async function* installSmaller(
  plan: InstallPlan,
  carryOut: (plan: InstallPlan) => Work<InstallReport>,
): Work<InstallReport> {
  let current = plan;
  for (;;) {
    try {
      return yield* carryOut(current);
    } catch (error) {
      if (!(error instanceof ProvisionError) || error.code !== 'memory-short') throw error;
      const next = await current.smaller?.();
      if (next === undefined) throw error;
      const why = `${labelOf(current)} does not fit (${error.message}); trying ${labelOf(next)} instead`;
      yield { type: 'warning', message: why };
      current = { ...next, reasons: [why, ...next.reasons] };
    }
  }
}

function labelOf({ model, quant, source }: InstallPlan): string {
  const context = source.kind === 'file' ? source.spec.parameters.num_ctx : undefined;
  return `${model.id}:${quant}${typeof context === 'number' ? ` with ${context} tokens of context` : ''}`;
}

/** An opened runtime on a host. */
interface Target {
  readonly app: AppContext;
  readonly opened: OpenRuntime;
  readonly profile: HostProfile;
  /** The profile is of this host as it is, not a saved one. */
  readonly isLive: boolean;
  /** The runtime is on this host too. */
  readonly here: boolean;
  readonly registry: Registry;
  readonly bytes: Bytes;
}

async function planningInputs({
  app,
  opened,
  profile,
  isLive,
  here,
  registry,
  bytes,
}: Target): Promise<PlanningInputs> {
  const { root, signal } = app.options;
  const { runtime, identity, facts } = opened;
  const [catalog, templates, speed] = await Promise.all([
    app.catalog(),
    openTemplates(root),
    speedInputs({ profile, usesThisRam: here, app, ...(isLive && { identity }) }),
  ]);
  const cacheFolder = app.paths.cache;
  const places = { cacheFolder, stream: bytes.stream };
  return {
    catalog,
    offline: app.offline,
    runtime: identity,
    facts,
    profile,
    ...speed,
    resolve: (request) => resolveSource(bytes.sources, { ...request, signal }),
    filesIn: async (ref) => findSource(bytes.sources, ref).list?.(ref),
    storedFile: (record) => storedFile(record, opened, signal),
    bundledPath: (relative) => join(root, relative),
    readHeader: (file) => readInstallableHeader(file, { http: bytes.http, signal }),
    ...(runtime.planTransfer && {
      planTransfer: (file, way) =>
        runtime.planTransfer?.(asStored(file, way, places), way, signal) ?? Promise.reject(new TypeError('no plan')),
    }),
    toFetch: async (file) => (file.kind === 'remote' ? { folder: cacheFolder, bytes: file.sizeBytes } : undefined),
    // A saved profile describes its own disks.
    ...(isLive && { volumeOf: (path: string) => volumeOf(realDisk, path) }),
    chatTemplate: async (name) => chatTemplateOf(templates, name),
    referenceTemplate: async (name) => templates.references.get(name)?.text,
    measuredQuality: async (digest) => measuredReason(digest, await readMeasurements(registry)),
    installed: (modelId) => recordsOfModel(registry, identity, modelId),
  };
}

/** The recorded bytes in the runtime's own folder, so that a second run asks nobody for them. */
async function storedFile(
  { source, stored }: InstallRecord,
  { readFolder }: OpenRuntime,
  signal: AbortSignal,
): Promise<SourceFile | undefined> {
  const { ref, digest, pinnedRef, provenance } = source;
  if (digest === undefined || stored.layerDigest !== digest) return undefined;
  const { contents } = await readFolder(signal);
  const blob = 'refused' in contents ? undefined : contents.blobs.find((each) => each.digest === digest);
  if (blob === undefined) return undefined;
  const { path, sizeBytes } = blob;
  const known = defined({ pinnedRef, provenance: provenance && defined(provenance) });
  return { kind: 'file', ref, path, digest, sizeBytes, fileName: basename(ref), immutable: true, ...known };
}

/** A file as the runtime will get it: one that is still to be fetched lies in our cache by then. */
function asStored(
  file: SourceFile,
  way: TransferWay | undefined,
  { cacheFolder, stream }: { cacheFolder: string; stream: StreamFile },
): StorableFile {
  if (file.kind === 'file') return file;
  if (way === 'stream') return { ...file, open: stream };
  const { ref, sizeBytes, digest } = file;
  return { ref, sizeBytes, digest, path: layoutOf(cacheFolder).blobOf(digest), immutable: true };
}

/** Records of a model in a runtime, newest first. Broken records count as none here: the install itself refuses its own. */
async function recordsOfModel(registry: Registry, { kind, endpoint }: RuntimeIdentity, modelId: string) {
  const { records } = await readRecords(registry);
  return records
    .filter(({ model, runtime }) => model === modelId && runtime.kind === kind && runtime.endpoint === endpoint)
    .toSorted((a, b) => b.installedAt.localeCompare(a.installedAt));
}
