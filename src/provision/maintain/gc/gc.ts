/** Lists what nothing references any more, and removes it on request. */
import type { Digest } from '../../../core/digest.ts';
import { messageOf } from '../../../core/errors.ts';
import type { Work } from '../../../core/progress.ts';
import { workUnderLock } from '../../../disk/lock.ts';
import { listJournals } from '../../../registry/index.ts';
import type { CachePruning } from '../../../sources/cache/schema.ts';
import type { DiskUse, Findings, GcEffects } from './candidates.ts';
import { diskUseOf, freedBytes, totalSize } from './candidates.ts';
import { findUnusedNames } from './names.ts';
import { findStateFiles, findStoredFiles } from './own.ts';
import { findJournals } from './runs.ts';
import type { GcItem, GcReport } from './schema.ts';
import { findServerFiles } from './server.ts';

export type { GcEffects } from './candidates.ts';

import { join } from 'node:path';
import { createFileLocker } from '../../../disk/locker.ts';
import { listStaleLocks } from '../../../disk/stale-locks.ts';
import { type OpenRuntime, ownStores, type RuntimeFlags } from '../../../runtimes/registry.ts';
import type { AppContext } from '../../context.ts';
import { digestsInUse } from '../cache.ts';

export interface GcOptions {
  /** Without it nothing is removed. */
  readonly apply: boolean;
  /** Offer the versions that are kept for a rollback too. */
  readonly previous: boolean;
}

interface Outcome {
  readonly item: GcItem;
  readonly takes: readonly DiskUse[];
}

/**
 * Finds what is no longer referenced, and removes it with `apply`. Nothing of a run that is alive, no blob that a manifest
 * names and no model of another user is touched; everything is checked again right before it is removed. What cannot
 * be removed is reported and stops nothing. Throws `busy` when another collection is at work, what asking the runtime throws,
 * and `file-access`.
 */
export function collectGarbage(options: GcOptions, effects: GcEffects, signal: AbortSignal): Work<GcReport> {
  if (!options.apply) return collect(options, effects, signal);
  return workUnderLock(effects.locker, 'gc', signal, (held) => collect(options, effects, held));
}

async function* collect(options: GcOptions, effects: GcEffects, signal: AbortSignal): Work<GcReport> {
  const { apply, previous } = options;
  const parts = [
    await findJournals(effects, signal),
    await findUnusedNames(effects, previous, signal),
    await findServerFiles(effects, signal),
    await findStoredFiles(effects, signal),
    await findStateFiles(effects),
  ];
  const cached = yield* collectCache(apply, effects, signal);
  const outcomes = [...cached.outcomes];
  for (const { candidates } of parts) outcomes.push(...(yield* processCandidates(candidates, apply, signal)));
  const counted = apply ? outcomes.filter(({ item }) => item.removed) : outcomes;
  return {
    runtime: effects.identity,
    applied: apply,
    previous,
    items: outcomes.map(({ item }) => item),
    reclaimableBytes: freedBytes(counted.flatMap(({ takes }) => takes)),
    removed: outcomes.filter(({ item }) => item.removed).length,
    notes: [...cached.notes, ...parts.flatMap(({ notes }) => notes)],
  };
}

async function* processCandidates(
  candidates: Findings['candidates'],
  apply: boolean,
  signal: AbortSignal,
): Work<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const { kind, path, name, reason, takes, remove } of candidates) {
    signal.throwIfAborted();
    const problem = apply ? await remove(signal).catch((error: unknown) => problemFrom(error, signal)) : undefined;
    if (problem !== undefined) yield { type: 'warning', message: `${path ?? name ?? ''} was not removed: ${problem}` };
    const item: GcItem = {
      kind,
      ...(path !== undefined && { path }),
      ...(name !== undefined && { name }),
      sizeBytes: totalSize(takes),
      reason,
      removed: apply && problem === undefined,
      ...(problem !== undefined && { problem }),
    };
    outcomes.push({ item, takes });
  }
  return outcomes;
}

function problemFrom(error: unknown, signal: AbortSignal): string {
  signal.throwIfAborted();
  return messageOf(error);
}

async function* collectCache(
  apply: boolean,
  effects: GcEffects,
  signal: AbortSignal,
): Work<{ outcomes: Outcome[]; notes: string[] }> {
  const { digests, broken } = await effects.digestsInUse();
  if (broken !== undefined)
    return { outcomes: [], notes: [`Cached files were kept because a record cannot be read: ${broken.message}`] };
  const inUse = new Set([...digests, ...(await digestsOfInterruptedRuns(effects))]);
  const found = yield* effects.cache.prune({ inUse, apply: false }, signal);
  const takes = new Map<string, DiskUse[]>();
  for (const { path } of found.items) takes.set(path, await diskUseOf(effects.disk, path));
  const pruned = apply ? yield* effects.cache.prune({ inUse, apply: true }, signal) : found;
  return { outcomes: pruned.items.map((item) => cacheOutcome(item, takes.get(item.path) ?? [])), notes: [] };
}

function cacheOutcome(item: CachePruning['items'][number], takes: readonly DiskUse[]): Outcome {
  const { path, sizeBytes, reason, removed, problem, fileName } = item;
  const kind = /[\\/]partial[\\/][^\\/]+$/.test(path) ? 'partial-download' : 'cached-file';
  const named = fileName === undefined ? {} : { name: fileName };
  const why = problem === undefined ? {} : { problem };
  return { item: { kind, path, ...named, sizeBytes, reason, removed, ...why }, takes };
}

/** What interrupted runs that are still to be finished came from: finishing them needs no network then. */
async function digestsOfInterruptedRuns({ registry }: GcEffects): Promise<Digest[]> {
  return (await listJournals(registry)).flatMap(({ journal }) => {
    const digest = journal?.operation === 'remove' ? undefined : journal?.after?.record.source.digest;
    return digest === undefined ? [] : [digest];
  });
}

export interface GcFlags extends RuntimeFlags, GcOptions {}

export async function gc(app: AppContext, flags: GcFlags): Promise<Work<GcReport>> {
  const effects = await gcEffects(app, await app.open(flags));
  return collectGarbage({ apply: flags.apply, previous: flags.previous }, effects, app.options.signal);
}

async function gcEffects(
  app: AppContext,
  { runtime, identity, serverFolder, isTransferName = () => false }: OpenRuntime,
): Promise<GcEffects> {
  const { disk, paths, options } = app;
  const [registry, locker, { cache }] = await Promise.all([app.registry(), app.locker(), app.bytes()]);
  const locks = join(paths.data, 'locks');
  const now = () => new Date();
  const folder = await serverFolder?.(options.signal);
  return {
    identity,
    runtime,
    registry,
    locker,
    nonWaitingLocker: createFileLocker({ dir: locks, command: options.command, waitMs: 0 }),
    cache,
    digestsInUse: () => digestsInUse(registry),
    disk,
    stateFolders: stateFolders(paths),
    listStaleLocks: () => listStaleLocks(disk, locks, now()),
    ...(folder !== undefined && { folder }),
    isTransferName,
    now,
  };
}

function stateFolders({ data, cache }: AppContext['paths']): string[] {
  return [
    data,
    ...['registry', 'journal', 'baselines'].map((name) => join(data, name)),
    ...ownStores(data).map(({ manifests }) => manifests),
    cache,
  ];
}
