/** The `repair` command: the real parts that {@link repairModel} works with. */

import { join } from 'node:path';
import type { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import { drive, type Work } from '../../core/progress.ts';
import type { Disk } from '../../disk/disk.ts';
import { readRecords, setAside } from '../../registry/index.ts';
import { pathOf } from '../../registry/record-file.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import { parseModelName } from '../../runtimes/names.ts';
import {
  capabilitiesOf,
  fixedRuntimes,
  flagsFor,
  type OpenRuntime,
  ownStores,
  type RuntimeFlags,
} from '../../runtimes/registry.ts';
import type { LocalFile } from '../../sources/contract.ts';
import { resolveSource } from '../../sources/index.ts';
import type { AppContext } from '../context.ts';
import { changeEffects, recordsOf } from '../install/effects.ts';
import { openInstaller } from '../install/installer.ts';
import { openSuite } from '../install/smoke.ts';
import { blobPath, createUncachedHasher, openModelFolder } from './places.ts';
import type { RepairReport } from './problems.ts';
import { rebuildRecord } from './rebuild.ts';
import { locateModel, openForName } from './records.ts';
import type { RepairEffects } from './repair-blobs.ts';
import { repairModel } from './repair-model.ts';

export interface RepairFlags extends RuntimeFlags {
  readonly 'no-smoke'?: boolean | undefined;
  readonly force?: boolean | undefined;
}

/** Puts one model right. Throws what `repair` throws. */
export async function* repair(app: AppContext, typed: string, flags: RepairFlags): Work<RepairReport> {
  const name = parseModelName(typed).text;
  const where = await locateBrokenRecord(app, name, flags);
  const opened = await openForName(app, name, where);
  const effects = await repairEffects(app, name, { opened, where, flags });
  return { results: [yield* repairModel(name, effects, app.options.signal)] };
}

interface OpenedModel {
  readonly opened: OpenRuntime;
  readonly where: RuntimeFlags;
  readonly flags: RepairFlags;
}

async function repairEffects(app: AppContext, name: string, around: OpenedModel): Promise<RepairEffects> {
  const { opened, where, flags } = around;
  const [registry, locker] = await Promise.all([app.registry(), app.locker()]);
  const { version } = app.options;
  const key = { name, runtime: opened.identity };
  return {
    ...changeEffects({ opened, registry, locker, cage: await app.cage(), version, env: app.env }),
    replacesChanged: flags.force === true || !capabilitiesOf(opened.identity.kind).isServer,
    hash: createUncachedHasher(app),
    place: () => openModelFolder(app, opened),
    copies: async (digest) => findCopies(app, digest, await findRecordToReplace(app, name, opened), opened),
    fetch: (source) => tryFetch(app, source),
    async *again(record, file) {
      const installer = await openInstaller(app, where);
      const { digest } = record.projector?.source ?? {};
      const [copy] = digest === undefined ? [] : await findCopies(app, digest, record, opened);
      const fetched = copy ?? (record.projector && (yield* tryFetch(app, record.projector.source)));
      const projector = fetched && ({ kind: 'file', ...fetched } as const);
      const plan = await installer.planReinstall(record, { kind: 'file', ...file }, projector);
      const suite = flags['no-smoke'] === true ? undefined : await openSuite(app, plan.model.smokeSuite);
      const report = yield* installer.install(plan, { force: true, keep: true, ...(suite && { suite }) });
      if (report.record === undefined) throw new TypeError('an install leaves a record');
      return report.record;
    },
    async rebuild() {
      const file = await setAside(registry, key);
      return rebuildRecord(app, name, file, opened);
    },
    async setAside() {
      const file = await setAside(registry, key);
      return (await file?.keep()) ?? pathOf(registry.dataDir, key);
    },
  };
}

async function findRecordToReplace(
  app: AppContext,
  name: string,
  opened: OpenRuntime,
): Promise<InstallRecord | undefined> {
  return recordsOf(await app.registry(), opened.identity).find(name, 'replace');
}

/** As for every command; the runtime of a record that cannot be read follows from the name of its file. */
async function locateBrokenRecord(app: AppContext, name: string, flags: RepairFlags): Promise<RuntimeFlags> {
  const { host, runtime } = flags;
  const where = await locateModel(app, name, { host, runtime });
  if (where.host !== undefined || (where.runtime !== undefined && where.runtime !== 'auto')) return where;
  const registry = await app.registry();
  const { records, broken } = await readRecords(registry);
  const places = [...fixedRuntimes(), ...records.map((each) => each.runtime)];
  const place = places.find((each) => {
    const path = pathOf(registry.dataDir, { name, runtime: each });
    return broken.some((file) => file.path === path);
  });
  return place === undefined ? where : flagsFor(place);
}

/** Where bytes of a digest may lie on this machine: where the model came from, our cache, the folders of the runtimes. */
async function findCopies(
  app: AppContext,
  digest: Digest,
  record: InstallRecord | undefined,
  opened: OpenRuntime,
): Promise<LocalFile[]> {
  const { previous } = record ?? {};
  const sources = [record?.source, record?.projector?.source, previous?.source, previous?.projector?.source].filter(
    (source) => source?.digest === digest,
  );
  const ours = sources.flatMap((source) => (source?.path === undefined ? [] : [source.path]));
  const { cache } = await app.bytes();
  const cached = await drive(cache.find(digest, app.options.signal), () => undefined);
  const folders = [...ownStores(app.paths.data).map(({ blobs }) => blobs), join(await app.models(), 'blobs')];
  const { contents } = await openModelFolder(app, opened);
  const own = 'refused' in contents ? [] : contents.blobs.filter((blob) => blob.digest === digest);
  const paths = [...ours, ...folders.map((folder) => blobPath(folder, digest)), ...own.map(({ path }) => path)];
  const files = await Promise.all([...new Set(paths)].map((path) => fileAt(path, digest, app.disk)));
  const kept = cached === undefined ? [] : [{ ref: cached.path, ...cached, immutable: true as const }];
  return [...files.slice(0, ours.length), ...kept, ...files.slice(ours.length)].filter((file) => file !== undefined);
}

async function fileAt(path: string, digest: Digest, disk: Disk): Promise<LocalFile | undefined> {
  const facts = await disk.stat(path, { bigint: true }).catch(() => undefined);
  return facts?.isFile() ? { ref: path, path, sizeBytes: Number(facts.size), digest } : undefined;
}

/** From another tool's store or over the network; a failure is a warning, and counts as not possible. */
async function* tryFetch(
  app: AppContext,
  { pinnedRef: ref, digest, sizeBytes }: InstallRecord['source'],
): Work<LocalFile | undefined> {
  if (ref === undefined) return undefined;
  const { sources, fetch } = await app.bytes();
  const { signal } = app.options;
  // The record's schema has checked its form; its type says no more than text.
  const expected = { ...(digest && { digest: digest }), ...(sizeBytes !== undefined && { sizeBytes }) };
  try {
    const found = await resolveSource(sources, { ref, expected, signal });
    if (found.kind === 'file') return found;
    return found.kind === 'remote' ? yield* fetch(found, signal) : undefined;
  } catch (error) {
    if (signal.aborted || !(error instanceof ProvisionError)) throw error;
    yield { type: 'warning', message: `${ref} could not be fetched: ${error.message}` };
    return undefined;
  }
}
