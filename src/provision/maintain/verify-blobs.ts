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
export interface Place {
  readonly runtime: Pick<Runtime, 'find'> & Pick<RuntimeIdentity, 'kind' | 'endpoint'>;
  /** `refused`: why its bytes cannot be read from here, as a whole sentence. */
  readonly contents: FolderContents | { readonly refused: string };
}

/** What a blob was found to be; each is read once, however many names use it. */
type Checked = { readonly got: Digest } | { readonly unread: string } | 'gone';
export type CheckedBlobs = Map<Digest, Checked>;

export interface ByteCheck {
  readonly place: Place;
  readonly checked: CheckedBlobs;
  /** Reads every time: it remembers nothing. */
  readonly hash: HashFile;
  /** Only look whether the blobs are there. */
  readonly quick: boolean;
  readonly signal: AbortSignal;
}

export interface BytesFound {
  readonly problems: readonly Problem[];
  readonly unchecked: readonly string[];
  readonly bytesRead: number;
}

const NOTHING: BytesFound = { problems: [], unchecked: [], bytesRead: 0 };

/**
 * `entry`: what the runtime says of the name, where it says something. Throws only when aborted; files that cannot be read
 * are told as not checked.
 */
export async function* bytesOf(name: string, entry: StoredModel | undefined, check: ByteCheck): Work<BytesFound> {
  const { contents } = check.place;
  if ('refused' in contents) return unchecked(`The bytes of ${name} were not read: ${contents.refused}`);
  const manifest = contents.manifests.find((each) => sameModel(each.name, name));
  if (manifest === undefined) return entry === undefined ? NOTHING : unchecked(notTheirs(name, contents));
  const { broken, path, digest } = manifest;
  if (broken !== undefined) {
    return { ...NOTHING, problems: [{ kind: 'broken-entry', detail: `the manifest of ${name} ${broken}`, path }] };
  }
  // The folder of another server has other bytes under the same name.
  if (digest !== undefined && entry?.entryDigest !== undefined && digest !== entry.entryDigest)
    return unchecked(notTheirs(name, contents));
  const found = [];
  for (const each of manifest.digests) found.push(yield* blobFound(each, contents, check));
  const skipped = check.quick ? [`The bytes of ${name} were not read: --quick.`] : [];
  return {
    problems: found.flatMap(({ problems }) => problems),
    unchecked: [...skipped, ...found.flatMap((each) => each.unchecked)],
    bytesRead: found.reduce((sum, { bytesRead }) => sum + bytesRead, 0),
  };
}

function notTheirs(name: string, { folder }: FolderContents): string {
  return `The bytes of ${name} were not read: ${folder} is not where this server keeps it.`;
}

function unchecked(why: string): BytesFound {
  return { ...NOTHING, unchecked: [why] };
}

async function* blobFound(digest: Digest, contents: FolderContents, check: ByteCheck): Work<BytesFound> {
  const blob = contents.blobs.find((each) => each.digest === digest);
  if (blob === undefined) return missing(digest, contents);
  if (check.quick) return NOTHING;
  const known = check.checked.get(digest);
  const state = known ?? (yield* read(blob, check));
  check.checked.set(digest, state);
  const bytesRead = known === undefined ? blob.sizeBytes : 0;
  if (state === 'gone') return missing(digest, contents);
  if ('unread' in state) return unchecked(`${blob.path} was not read: ${state.unread}`);
  return { ...NOTHING, problems: state.got === digest ? [] : [corrupt(blob, digest, state.got, contents)], bytesRead };
}

async function* read({ path, sizeBytes }: FolderBlob, { hash, signal }: ByteCheck): Work<Checked> {
  try {
    return { got: yield* hash({ ref: path, path, sizeBytes }, 'verify', signal) };
  } catch (error) {
    if (signal.aborted || !(error instanceof ProvisionError)) throw error;
    return error.code === 'source-not-found' ? 'gone' : { unread: error.message };
  }
}

function missing(digest: Digest, contents: FolderContents): BytesFound {
  const models = usersOf(digest, contents);
  const detail = `the blob ${digest} is not there; used by ${models.join(', ')}`;
  return { ...NOTHING, problems: [{ kind: 'missing-blob', detail, digest, models }] };
}

function corrupt(blob: FolderBlob, digest: Digest, got: Digest, contents: FolderContents): Problem {
  const models = usersOf(digest, contents);
  const detail = `the blob ${digest} is corrupt, its bytes have the digest ${got}; used by ${models.join(', ')}`;
  return { kind: 'corrupt-blob', detail, digest, path: blob.path, models };
}

/** Every name that uses a blob. */
function usersOf(digest: Digest, { manifests }: FolderContents): string[] {
  return manifests.filter(({ digests }) => digests.includes(digest)).map(({ name }) => name);
}
