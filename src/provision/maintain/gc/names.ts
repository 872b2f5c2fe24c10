/**
 * Names of the runtime that only this tool creates, and that nothing needs any more. One server may serve several users and
 * machines that run this tool, each with records and journals of its own: a name that no record here mentions may be theirs.
 */

import { formatDuration } from '../../../core/units.ts';
import { fileUsage } from '../../../disk/disk.ts';
import { withLock } from '../../../disk/lock.ts';
import { findRecord, putRecord, readRecords } from '../../../registry/index.ts';
import type { InstallRecord } from '../../../registry/schema.ts';
import { sameModel } from '../../../runtimes/names.ts';
import { isIn } from '../../install/open-run.ts';
import { BROKEN, findModel, identityOf, isPreviousName, previousNameOf } from '../../install/versions.ts';
import { isStagingName, lockName } from '../../plan/names.ts';
import { type Candidate, type DiskUse, diskUseOf, type Findings, type GcEffects, NOTHING } from './candidates.ts';
import { describeRunsInProgress, includesModel, listRuns } from './runs.ts';

type OwnKind = 'staging-name' | 'transfer-name' | 'previous-version';

const REASONS: Readonly<Record<OwnKind, string>> = {
  'staging-name': 'a model under test whose run ended',
  'transfer-name': 'created during a transfer by a run that ended',
  'previous-version': 'a replaced version that no record refers to any more',
};

/** Staging and transfer names of dead runs, and kept versions that no record names; all kept versions with `previous`. */
export async function findUnusedNames(effects: GcEffects, previous: boolean, signal: AbortSignal): Promise<Findings> {
  const names = (await effects.runtime.names?.(signal)) ?? [];
  const kinds = names.flatMap((name) => {
    const kind = kindOf(name, effects);
    return kind === undefined ? [] : [{ name, kind }];
  });
  if (kinds.length === 0) return NOTHING;
  const sizes = await measureNames(
    names,
    kinds.map(({ name }) => name),
    effects,
    signal,
  );
  const kept = await recordsOfRuntime(effects);
  const candidates: Candidate[] = [];
  const notes: string[] = [];
  for (const { name, kind } of kinds) {
    const takes = sizes.get(name) ?? [];
    const holder = kept.records.find((record) => isPreviousVersion(record, name));
    if (holder !== undefined) {
      if (previous) candidates.push(previousVersionCandidate(holder, name, takes, effects));
      continue;
    }
    const why = await reasonToKeep(name, kind, effects, signal);
    if (why === undefined) candidates.push(temporaryNameCandidate(name, kind, takes, effects));
    else notes.push(`${name} was kept: ${why}.`);
  }
  return { candidates, notes };
}

function kindOf(name: string, { isTransferName }: GcEffects): OwnKind | undefined {
  if (isStagingName(name)) return 'staging-name';
  if (isTransferName(name)) return 'transfer-name';
  return isPreviousName(name) ? 'previous-version' : undefined;
}

function isPreviousVersion({ previous }: InstallRecord, name: string): boolean {
  return previous?.keptAs !== undefined && sameModel(previous.keptAs, name);
}

async function recordsOfRuntime({
  registry,
  identity,
}: GcEffects): Promise<{ records: InstallRecord[]; broken: boolean }> {
  const { records, broken } = await readRecords(registry);
  return { records: records.filter((record) => isIn(record, identity)), broken: broken.length > 0 };
}

/** Why a name is not removed; undefined when it is not needed. Everything is read again: a run may have come meanwhile. */
async function reasonToKeep(
  name: string,
  kind: OwnKind,
  effects: GcEffects,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { referencedNames: spokenFor } = await listRuns(effects.identity, effects, signal);
  if (includesModel(spokenFor, name)) return 'a run that is in progress or was interrupted refers to it';
  if (kind === 'transfer-name') {
    const busy = await describeRunsInProgress(effects.identity, effects, signal);
    if (busy !== undefined) return busy;
  }
  const foreign = await mayBeInUse(name, effects);
  if (foreign !== undefined || kind !== 'previous-version') return foreign;
  const { records, broken } = await recordsOfRuntime(effects);
  if (broken) return 'a record cannot be read and may refer to it';
  if (records.some((record) => isPreviousVersion(record, name))) return 'a record refers to it';
  const ours = records.map((record) => record.name);
  const owner = await ownerOfPreviousVersion(name, ours, effects, signal);
  return owner && `it is the previous version of ${owner}, which another user installed`;
}

function temporaryNameCandidate(name: string, kind: OwnKind, takes: readonly DiskUse[], effects: GcEffects): Candidate {
  return {
    kind,
    name,
    reason: REASONS[kind],
    takes,
    async remove(signal) {
      const why = await reasonToKeep(name, kind, effects, signal);
      if (why === undefined) await effects.runtime.remove(name, signal);
      return why;
    },
  };
}

/** The record forgets it first: a version without a record is found again, a record without its version is a promise broken. */
function previousVersionCandidate(
  record: InstallRecord,
  name: string,
  takes: readonly DiskUse[],
  effects: GcEffects,
): Candidate {
  const { registry, locker, identity, runtime } = effects;
  return {
    kind: 'previous-version',
    name,
    reason: `kept for a rollback of ${record.name}, which needs it`,
    takes,
    remove: (signal) =>
      withLock(locker, lockName(identity, record.name), signal, async (held) => {
        const { referencedNames: spokenFor } = await listRuns(
          identity,
          { registry, nonWaitingLocker: effects.nonWaitingLocker },
          held,
        );
        if (includesModel(spokenFor, name)) return 'an interrupted run refers to it';
        const now = await findRecord(registry, record);
        if (now?.previous !== undefined && isPreviousVersion(now, name)) {
          const { keptAs: _, ...rest } = now.previous;
          await putRecord(registry, { ...now, previous: rest });
        }
        await runtime.remove(name, held);
        return undefined;
      }),
  };
}

/** What goes with names, by name: files of the server's folder where that is known, otherwise what the runtime reports. */
async function measureNames(
  names: readonly string[],
  going: readonly string[],
  effects: GcEffects,
  signal: AbortSignal,
): Promise<Map<string, DiskUse[]>> {
  const { folder } = effects;
  if (folder === undefined || 'refused' in folder) return sizesFromRuntime(names, going, effects, signal);
  const { manifests, blobs } = await folder.read();
  const isGoing = (name: string) => includesModel(going, name);
  const stay = new Set(manifests.filter(({ name }) => !isGoing(name)).flatMap(({ digests }) => digests));
  const sizes = new Map<string, DiskUse[]>();
  for (const { name, digests } of manifests) {
    if (!isGoing(name)) continue;
    const own = blobs.filter(({ digest }) => digest !== undefined && digests.includes(digest) && !stay.has(digest));
    sizes.set(name, (await Promise.all(own.map(({ path }) => diskUseOf(effects.disk, path)))).flat());
  }
  return sizes;
}

async function sizesFromRuntime(
  names: readonly string[],
  going: readonly string[],
  { runtime }: GcEffects,
  signal: AbortSignal,
): Promise<Map<string, DiskUse[]>> {
  const sizes = new Map<string, DiskUse[]>();
  const stay = new Set<string>();
  for (const name of names) {
    const found = await findModel(runtime, name, signal);
    if (found === undefined || found === BROKEN) continue;
    const { layerDigest, sizeBytes = 0 } = found;
    if (!includesModel(going, name)) {
      if (layerDigest !== undefined) stay.add(layerDigest);
    } else {
      const path = layerDigest ?? name;
      sizes.set(name, [{ path, inode: path, links: 1, bytes: sizeBytes }]);
    }
  }
  for (const [name, takes] of sizes)
    sizes.set(
      name,
      takes.filter(({ path }) => !stay.has(path)),
    );
  return sizes;
}

/** A run takes hours at most: what is older was left by one that is dead, of any user. Milliseconds. */
export const NAME_GRACE_MS = 24 * 3_600_000;

type Asking = Pick<GcEffects, 'folder' | 'disk' | 'now' | 'runtime'>;

/** Why a name may belong to a run of another user; undefined when it is too old for that. Only we use the embedded runtime. */
export async function mayBeInUse(name: string, { folder, disk, now }: Asking): Promise<string | undefined> {
  if (folder === undefined) return undefined;
  const unseen = 'its age cannot be determined from here, and another user or machine may be using it';
  if ('refused' in folder) return unseen;
  const manifest = (await folder.read()).manifests.find((each) => sameModel(each.name, name));
  const facts = manifest && (await fileUsage(disk, manifest.path));
  if (facts === undefined) return unseen;
  const ageMs = now().getTime() - Math.max(facts.modifiedMs, facts.changedMs);
  if (ageMs >= NAME_GRACE_MS) return undefined;
  return `it was made within the last ${formatDuration(NAME_GRACE_MS)}, and another user or machine may be using it`;
}

/** Whose earlier version a kept name is, among models without a record here; undefined when there is none. */
export async function ownerOfPreviousVersion(
  name: string,
  ours: readonly string[],
  { runtime }: Pick<Asking, 'runtime'>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const found = await findModel(runtime, name, signal);
  if (found === undefined || found === BROKEN) return undefined;
  const names = (await runtime.names?.(signal)) ?? [];
  // Its name is made of the model's and of what it holds.
  const owner = names.find((each) => sameModel(previousNameOf(each, identityOf(found)), name));
  return owner === undefined || ours.some((each) => sameModel(each, owner)) ? undefined : owner;
}
