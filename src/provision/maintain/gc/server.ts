/** What lies in the models folder of an Ollama server and what no manifest of it needs. */

import { Digest } from '../../../core/digest.ts';
import { formatDuration } from '../../../core/units.ts';
import { type FileUsage, fileUsage } from '../../../disk/disk.ts';
import { listJournals, readRecords } from '../../../registry/index.ts';
import type { FolderBlob, FolderContents, FolderManifest } from '../../../runtimes/contents.ts';
import type { ServerFolder } from '../../../runtimes/contract.ts';
import { sameModel } from '../../../runtimes/names.ts';
import { isIn } from '../../install/open-run.ts';
import { type Candidate, diskUseOf, type Findings, type GcEffects, NOTHING } from './candidates.ts';
import { describeRunsInProgress } from './runs.ts';
import type { GcKind } from './schema.ts';

/**
 * What is younger may belong to a client that has no manifest yet: the server's own pruning leaves it for as long since
 * 0.21 (layerPruneGracePeriod in its server/images.go). Milliseconds.
 */
export const SERVER_GRACE_MS = 3_600_000;
/** A manifest is written in one go; one that is empty for longer was left so. Milliseconds. */
const MANIFEST_GRACE_MS = 60_000;

const WHOLE = /^sha256-[0-9a-f]{64}$/;
const PULL = /^(sha256-[0-9a-f]{64})-partial(?:-\d+)?$/;
/** As Go's os.CreateTemp names them. */
const UPLOAD = /^sha256-\d{1,20}$/;

export async function findServerFiles(effects: GcEffects, signal: AbortSignal): Promise<Findings> {
  const { folder, identity } = effects;
  if (folder === undefined) return NOTHING;
  if ('refused' in folder)
    return { candidates: [], notes: [`Files of the server were not checked: ${folder.refused}`] };
  if (folder.keepsAll)
    return {
      candidates: [],
      notes: ['The server keeps all its files: OLLAMA_NOPRUNE is set. None of them was checked.'],
    };
  const busy = await describeRunsInProgress(identity, effects, signal);
  if (busy !== undefined) return { candidates: [], notes: [`Files of the server were kept: ${busy}.`] };
  const contents = await folder.read();
  const manifests = await findManifests(folder, contents, effects);
  const blobs = await findBlobs(folder, contents, effects);
  return { candidates: [...manifests.candidates, ...blobs.candidates], notes: [...manifests.notes, ...blobs.notes] };
}

async function findManifests(folder: ServerFolder, contents: FolderContents, effects: GcEffects): Promise<Findings> {
  const candidates: Candidate[] = [];
  const notes: string[] = [];
  for (const manifest of contents.manifests) {
    if (manifest.broken === undefined) continue;
    const why = await reasonToKeepManifest(manifest, effects);
    if (why === undefined) candidates.push(await manifestCandidate(folder, manifest, effects));
    else
      notes.push(`${manifest.path} ${manifest.broken}: ${why}. While it exists, the server removes nothing by itself.`);
  }
  return { candidates, notes };
}

async function manifestCandidate(
  folder: ServerFolder,
  manifest: FolderManifest,
  effects: GcEffects,
): Promise<Candidate> {
  const { path, name, broken = '' } = manifest;
  return {
    kind: 'server-manifest',
    path,
    name,
    reason: `${broken}, and keeps the server from removing what it does not need`,
    takes: await diskUseOf(effects.disk, path),
    async remove(signal) {
      const busy = await describeRunsInProgress(effects.identity, effects, signal);
      if (busy !== undefined) return busy;
      const now = (await folder.read()).manifests.find((each) => each.path === path);
      if (now === undefined) return undefined;
      if (now.broken === undefined) return 'it can be read now';
      const why = await reasonToKeepManifest(now, effects);
      if (why === undefined) await folder.remove(path);
      return why;
    },
  };
}

/** Only what says nothing goes: an empty file, or the beginning of one. What is JSON of another shape may be read by others. */
async function reasonToKeepManifest({ path, name }: FolderManifest, effects: GcEffects): Promise<string | undefined> {
  const facts = await fileUsage(effects.disk, path);
  const text = await effects.disk.readText(path).catch(() => undefined);
  if (facts === undefined || text === undefined) return 'it cannot be read from here';
  if (isJson(text)) return 'it contains JSON of an unknown kind';
  if (effects.now().getTime() - facts.modifiedMs < MANIFEST_GRACE_MS) return 'it was written just now';
  const { records } = await readRecords(effects.registry);
  if (records.some((each) => isIn(each, effects.identity) && sameModel(each.name, name)))
    return `repair it with: gemma-provision repair ${name}`;
  const journals = await listJournals(effects.registry);
  const isOurs = journals.some(
    ({ journal }) => journal && isIn(journal, effects.identity) && sameModel(journal.name, name),
  );
  return isOurs ? `the next run on ${name} completes it` : undefined;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

async function findBlobs(folder: ServerFolder, contents: FolderContents, effects: GcEffects): Promise<Findings> {
  const { digests, unknown } = await referencedDigests(contents, effects);
  const candidates: Candidate[] = [];
  const notes = new Set<string>();
  let young = 0;
  for (const blob of contents.blobs) {
    const kind = kindOf(blob, folder);
    if (kind === undefined || (blob.digest !== undefined && digests.has(blob.digest))) continue;
    if (kind === 'server-blob' && unknown !== undefined) {
      notes.add(`Blobs of the server were kept: ${unknown} cannot be read and may need them.`);
      continue;
    }
    if (await isYoung(blob, contents.blobs, effects)) young += 1;
    else candidates.push(await blobCandidate(folder, blob, kind, effects));
  }
  if (young > 0) {
    const age = formatDuration(SERVER_GRACE_MS);
    notes.add(`${young} of the server's unused files are newer than ${age} and may belong to an install.`);
  }
  return { candidates, notes: [...notes] };
}

function kindOf({ name }: FolderBlob, { isTemporary }: ServerFolder): GcKind | undefined {
  if (WHOLE.test(name)) return 'server-blob';
  if (PULL.test(name)) return 'server-pull';
  if (UPLOAD.test(name)) return 'server-upload';
  return isTemporary(name) ? 'server-temporary' : undefined;
}

const REASONS: Partial<Readonly<Record<GcKind, string>>> = {
  'server-blob': 'no model of the server needs it',
  'server-pull': 'part of an unfinished pull',
  'server-upload': 'an unfinished upload',
  'server-temporary': 'written by a run of this tool that ended',
};

/** Digests in manifests. One that cannot be understood counts with every digest in its text; `unknown`: one that cannot be read. */
async function referencedDigests(
  { manifests, links }: FolderContents,
  { disk }: GcEffects,
): Promise<{ digests: ReadonlySet<Digest>; unknown?: string }> {
  const digests = new Set<Digest>(manifests.flatMap((each) => each.digests));
  // A manifest behind a symbolic link is one for the server, and was not followed here.
  let unknown = links.find((path) => /[\\/]manifests[\\/]/.test(path));
  for (const { path, broken } of manifests) {
    if (broken === undefined) continue;
    const text = await disk.readText(path).catch(() => undefined);
    if (text === undefined) unknown = path;
    for (const [digest] of (text ?? '').matchAll(/sha256:[0-9a-f]{64}/g)) digests.add(Digest.parse(digest));
  }
  return { digests, ...(unknown !== undefined && { unknown }) };
}

/** A link to an older file is as young as the link; parts of one pull are as young as the last of them. */
async function isYoung({ path, name }: FolderBlob, all: readonly FolderBlob[], effects: GcEffects): Promise<boolean> {
  const pull = PULL.exec(name)?.[1];
  const paths =
    pull === undefined ? [path] : all.filter((each) => each.name.startsWith(`${pull}-`)).map((each) => each.path);
  const facts = await Promise.all(paths.map((each) => fileUsage(effects.disk, each)));
  return facts.some((each) => each !== undefined && ageOf(each, effects) < SERVER_GRACE_MS);
}

function ageOf({ modifiedMs, changedMs }: FileUsage, { now }: GcEffects): number {
  return now().getTime() - Math.max(modifiedMs, changedMs);
}

async function blobCandidate(
  folder: ServerFolder,
  blob: FolderBlob,
  kind: GcKind,
  effects: GcEffects,
): Promise<Candidate> {
  const { path, digest } = blob;
  return {
    kind,
    path,
    reason: REASONS[kind] ?? '',
    takes: await diskUseOf(effects.disk, path),
    async remove(signal) {
      const busy = await describeRunsInProgress(effects.identity, effects, signal);
      if (busy !== undefined) return busy;
      const contents = await folder.read();
      const { digests, unknown } = await referencedDigests(contents, effects);
      if (digest !== undefined && digests.has(digest)) return 'a model needs it now';
      if (kind === 'server-blob' && unknown !== undefined) return `${unknown} cannot be read and may need it`;
      if (await isYoung(blob, contents.blobs, effects)) return 'another process is writing it';
      await folder.remove(path);
      return undefined;
    },
  };
}
