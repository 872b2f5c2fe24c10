/** Reads the blobs of a name again, where the runtime's folder is on this machine. */

import type { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import type { HashFile } from '../../disk/hash.ts';
import type { FolderBlob, FolderContents } from '../../runtimes/contents.ts';
import type { Runtime, RuntimeIdentity, StoredModel } from '../../runtimes/contract.ts';
import { sameModel } from '../../runtimes/names.ts';
import type { Problem } from './problems.ts';

/** A runtime with what of its folder can be looked at from here. */
export interface ModelFolder {
  readonly runtime: Pick<Runtime, 'find'> & Pick<RuntimeIdentity, 'kind' | 'endpoint'>;
  /** `refused`: why its bytes cannot be read from here, as a whole sentence. */
  readonly contents: FolderContents | { readonly refused: string };
}

/** What a blob was found to be; each is read once, however many names use it. */
type Checked = { readonly got: Digest } | { readonly unread: string } | 'gone';
export type CheckedBlobs = Map<Digest, Checked>;

export interface BlobCheck {
  readonly place: ModelFolder;
  readonly checked: CheckedBlobs;
  /** Reads every time: it remembers nothing. */
  readonly hash: HashFile;
  /** Only look whether the blobs are there. */
  readonly quick: boolean;
  readonly signal: AbortSignal;
}

export interface BlobCheckResult {
  readonly problems: readonly Problem[];
  readonly unchecked: readonly string[];
  readonly bytesRead: number;
}

const NOTHING: BlobCheckResult = { problems: [], unchecked: [], bytesRead: 0 };

/**
 * `entry`: what the runtime says of the name, where it says something. Throws only when aborted; files that cannot be read
 * are reported as unchecked.
 */
export async function* checkBlobs(
  name: string,
  entry: StoredModel | undefined,
  check: BlobCheck,
): Work<BlobCheckResult> {
  const { contents } = check.place;
  if ('refused' in contents) return unchecked(`The bytes of ${name} were not read: ${contents.refused}`);
  const manifest = contents.manifests.find((each) => sameModel(each.name, name));
  if (manifest === undefined) return entry === undefined ? NOTHING : unchecked(folderOfAnotherServer(name, contents));
  const { broken, path, digest } = manifest;
  if (broken !== undefined) {
    return { ...NOTHING, problems: [{ kind: 'broken-entry', detail: `the manifest of ${name} ${broken}`, path }] };
  }
  // The folder of another server has other bytes under the same name.
  if (digest !== undefined && entry?.entryDigest !== undefined && digest !== entry.entryDigest)
    return unchecked(folderOfAnotherServer(name, contents));
  const found = [];
  for (const each of manifest.digests) found.push(yield* checkBlob(each, contents, check));
  const skipped = check.quick ? [`The bytes of ${name} were not read: --quick.`] : [];
  return {
    problems: found.flatMap(({ problems }) => problems),
    unchecked: [...skipped, ...found.flatMap((each) => each.unchecked)],
    bytesRead: found.reduce((sum, { bytesRead }) => sum + bytesRead, 0),
  };
}

function folderOfAnotherServer(name: string, { folder }: FolderContents): string {
  return `The bytes of ${name} were not read: ${folder} is not where this server keeps it.`;
}

function unchecked(why: string): BlobCheckResult {
  return { ...NOTHING, unchecked: [why] };
}

async function* checkBlob(digest: Digest, contents: FolderContents, check: BlobCheck): Work<BlobCheckResult> {
  const blob = contents.blobs.find((each) => each.digest === digest);
  if (blob === undefined) return missingBlob(digest, contents);
  if (check.quick) return NOTHING;
  const known = check.checked.get(digest);
  const state = known ?? (yield* hashBlob(blob, check));
  check.checked.set(digest, state);
  const bytesRead = known === undefined ? blob.sizeBytes : 0;
  if (state === 'gone') return missingBlob(digest, contents);
  if ('unread' in state) return unchecked(`${blob.path} was not read: ${state.unread}`);
  return {
    ...NOTHING,
    problems: state.got === digest ? [] : [corruptBlob(blob, digest, state.got, contents)],
    bytesRead,
  };
}

async function* hashBlob({ path, sizeBytes }: FolderBlob, { hash, signal }: BlobCheck): Work<Checked> {
  try {
    return { got: yield* hash({ ref: path, path, sizeBytes }, 'verify', signal) };
  } catch (error) {
    if (signal.aborted || !(error instanceof ProvisionError)) throw error;
    return error.code === 'source-not-found' ? 'gone' : { unread: error.message };
  }
}

function missingBlob(digest: Digest, contents: FolderContents): BlobCheckResult {
  const models = modelsUsing(digest, contents);
  const detail = `the blob ${digest} is missing; used by ${models.join(', ')}`;
  return { ...NOTHING, problems: [{ kind: 'missing-blob', detail, digest, models }] };
}

function corruptBlob(blob: FolderBlob, digest: Digest, got: Digest, contents: FolderContents): Problem {
  const models = modelsUsing(digest, contents);
  const detail = `the blob ${digest} is corrupt: its digest is ${got}; used by ${models.join(', ')}`;
  return { kind: 'corrupt-blob', detail, digest, path: blob.path, models };
}

/** Every name that uses a blob. */
function modelsUsing(digest: Digest, { manifests }: FolderContents): string[] {
  return manifests.filter(({ digests }) => digests.includes(digest)).map(({ name }) => name);
}
