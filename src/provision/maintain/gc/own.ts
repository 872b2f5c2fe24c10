/** Files of this tool's own data folder that nothing needs. */

import { join } from 'node:path';
import { fileUsage } from '../../../disk/disk.ts';
import type { OwnStore } from '../../../runtimes/contract.ts';
import { ownStores } from '../../../runtimes/registry.ts';
import { type Candidate, diskUseOf, type Findings, type GcEffects, NOTHING } from './candidates.ts';
import { describeRunsInProgress } from './runs.ts';
import type { GcKind } from './schema.ts';

/** A state file is written in milliseconds; what lies beside it for longer is in use by no process. Milliseconds. */
const WRITER_MS = 3_600_000;
/** As writers name what they rename at the end, now and in earlier versions of this tool. */
const WRITERS = /\.gemma-provision\.tmp$|\.json\.\d{1,10}$/;
const SAVED_ASIDE = /\.json\.broken(?:[.-].*)?$/;
const WHOLE = /^sha256-[0-9a-f]{64}$/;
const INCOMPLETE = /^\.incomplete-/;

/** Temporary files of state writers, what was saved aside because it could not be read, and lock files of the past. */
export async function findStateFiles(effects: GcEffects): Promise<Findings> {
  const { disk, stateFolders, now } = effects;
  const candidates: Candidate[] = [];
  for (const folder of stateFolders) {
    for (const name of (await disk.list(folder)).sort()) {
      const path = join(folder, name);
      const facts = WRITERS.test(name) || SAVED_ASIDE.test(name) ? await fileUsage(disk, path) : undefined;
      if (facts === undefined) continue;
      if (SAVED_ASIDE.test(name))
        candidates.push(await fileCandidate('state-file', path, 'saved aside because it could not be read', effects));
      else if (now().getTime() - facts.modifiedMs >= WRITER_MS)
        candidates.push(await fileCandidate('temporary-file', path, 'written by a run that ended', effects));
    }
  }
  for (const { path, reason } of await effects.listStaleLocks())
    candidates.push(await fileCandidate('lock', path, reason, effects));
  return { candidates, notes: [] };
}

async function fileCandidate(kind: GcKind, path: string, reason: string, { disk }: GcEffects): Promise<Candidate> {
  const before = await fileUsage(disk, path);
  return {
    kind,
    path,
    reason,
    takes: await diskUseOf(disk, path),
    async remove() {
      const facts = await fileUsage(disk, path);
      if (facts !== undefined && facts.inode !== before?.inode) return 'another file is in its place now';
      await disk.rm(path, { force: true });
      return undefined;
    },
  };
}

/** Files of runtimes' models in our data folder that no model names. Only this tool writes there. */
export async function findStoredFiles(effects: GcEffects, signal: AbortSignal): Promise<Findings> {
  const findings: Findings[] = [];
  for (const store of ownStores(effects.registry.dataDir)) findings.push(await findUnusedBlobs(store, effects, signal));
  return {
    candidates: findings.flatMap(({ candidates }) => candidates),
    notes: findings.flatMap(({ notes }) => notes),
  };
}

async function findUnusedBlobs(store: OwnStore, effects: GcEffects, signal: AbortSignal): Promise<Findings> {
  const names = (await effects.disk.list(store.blobs))
    .sort()
    .filter((name) => WHOLE.test(name) || INCOMPLETE.test(name));
  if (names.length === 0) return NOTHING;
  const busy = await describeRunsInProgress(store.runtime, effects, signal);
  if (busy !== undefined) return { candidates: [], notes: [`Files of ${store.title} were kept: ${busy}.`] };
  const { named, unknown } = await referencedBlobs(store, effects);
  const candidates: Candidate[] = [];
  for (const name of names.filter((each) => !named.has(each))) {
    if (unknown === undefined || INCOMPLETE.test(name)) candidates.push(await blobCandidate(store, name, effects));
  }
  const notes =
    unknown === undefined
      ? []
      : [`${unknown} cannot be read; blobs of ${store.title} are kept because it may use them.`];
  return { candidates, notes };
}

async function blobCandidate(store: OwnStore, name: string, effects: GcEffects): Promise<Candidate> {
  const path = join(store.blobs, name);
  return {
    kind: 'stored-file',
    path,
    reason: INCOMPLETE.test(name) ? 'incomplete; the run that wrote it ended' : `no model of ${store.title} uses it`,
    takes: await diskUseOf(effects.disk, path),
    async remove(signal) {
      const busy = await describeRunsInProgress(store.runtime, effects, signal);
      if (busy !== undefined) return busy;
      const { named, unknown } = await referencedBlobs(store, effects);
      if (named.has(name)) return 'a model uses it now';
      if (unknown !== undefined && WHOLE.test(name)) return `${unknown} cannot be read and may use it`;
      await effects.disk.rm(path, { force: true });
      return undefined;
    },
  };
}

/** Names of the blobs in manifests, by any digest in their text: too many are safer than too few. */
async function referencedBlobs(
  { manifests }: OwnStore,
  { disk }: GcEffects,
): Promise<{ named: ReadonlySet<string>; unknown?: string }> {
  const named = new Set<string>();
  let unknown: string | undefined;
  for (const name of (await disk.list(manifests)).sort().filter((each) => each.endsWith('.json'))) {
    const path = join(manifests, name);
    const text = (await disk.readText(path).catch(() => undefined)) ?? '';
    const digests = [...text.matchAll(/sha256:[0-9a-f]{64}/g)];
    if (digests.length === 0) unknown = path;
    for (const [digest] of digests) named.add(digest.replace(':', '-'));
  }
  return { named, ...(unknown !== undefined && { unknown }) };
}
