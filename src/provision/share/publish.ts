/** `publish` and `pull`. */

import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { defined } from '../../core/defined.ts';
import { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import type { Disk } from '../../disk/disk.ts';
import { digestMismatch } from '../../disk/errors.ts';
import { readChunks } from '../../disk/read-chunks.ts';
import type { SmallBlob } from '../../package/model-package.ts';
import { buildSignatureArtifact, readSignatures } from '../../package/signature.ts';
import type { RuntimeFlags } from '../../runtimes/registry.ts';
import type { LocalFile } from '../../sources/contract.ts';
import { resolveSource } from '../../sources/index.ts';
import { openRepository, type Repository } from '../../sources/oci/client.ts';
import { MANIFEST, SIGNATURE } from '../../sources/oci/manifest.ts';
import { formatOciRef, type OciRef, parseOciRef } from '../../sources/oci/reference.ts';
import { putReferrer } from '../../sources/oci/referrers.ts';
import { putManifest, type UploadBlob, type UploadOptions, uploadBlob } from '../../sources/oci/upload.ts';
import {
  matchFiles,
  type PrivateKey,
  publicKeyOf,
  type SignedFile,
  signManifest,
  verifySignature,
} from '../../trust/index.ts';
import type { AppContext } from '../context.ts';
import { usersPath } from '../plan/contract.ts';
import { openPrivateKey } from '../plan/keys.ts';
import { BundleContent, type InstalledPackage, packageInstalled, type SignFlags, unversioned } from './pack.ts';

export const PublishData = z.strictObject({
  name: z.string(),
  ref: z.string(),
  /** Always names the same bytes. */
  pinnedRef: z.string(),
  /** Of the manifest. */
  digest: Digest,
  /** All of it, the manifest included. */
  sizeBytes: z.int().nonnegative(),
  /** 0 when the registry had all of it. */
  bytesSent: z.int().nonnegative(),
  /** False when the tag named it already, and no signature was added. */
  changed: z.boolean(),
  /** SHA-256 of the public key's PEM text, in hex. */
  signedBy: z.string().optional(),
  contents: z.array(BundleContent),
});
export type PublishData = z.infer<typeof PublishData>;

export const PullData = z.strictObject({
  ref: z.string(),
  pinnedRef: z.string(),
  fileName: z.string(),
  digest: Digest,
  sizeBytes: z.int().nonnegative(),
  /** In our cache. */
  path: z.string(),
  /** Over the network. */
  bytesMoved: z.int().nonnegative(),
  /** What gave the bytes in place of the origin: a mirror's address, or another tool's store on this machine. */
  servedBy: z.string().optional(),
});
export type PullData = z.infer<typeof PullData>;

/** Pushes an installed model with everything that belongs to it. Throws what reading it, the registry and the network throw. */
export async function* publish(
  app: AppContext,
  name: string,
  typed: string,
  flags: RuntimeFlags & SignFlags & { readonly 'plain-http': boolean },
): Work<PublishData> {
  const ref = parseTarget(typed);
  const key = flags.sign === undefined ? undefined : await openPrivateKey(app, flags.sign);
  const { signal } = app.options;
  const { oci, http } = await app.bytes();
  const plainHttp = [...(oci.plainHttp ?? []), ...(flags['plain-http'] ? [ref.host] : [])];
  const repository = openRepository({ ...oci, plainHttp }, ref, 'pull,push');
  const before = await findPublishedDigest(repository, ref, signal);
  const packed = yield* packageInstalled(app, name, flags);
  const { manifest, files } = packed.pack;
  const blobs = uploadBlobs(packed);
  const upload = {
    http,
    sleep: (ms: number, stop: AbortSignal) => sleep(ms, undefined, { signal: stop }),
    random: Math.random,
  };
  let bytesSent = 0;
  for (const blob of blobs) bytesSent += yield* uploadBlob(upload, repository, blob, signal);
  if (key !== undefined && flags['model-version'] === undefined) yield unversioned();
  // The signature first: no host must find the new model without it.
  const added = key === undefined ? undefined : yield* attachSignature(upload, repository, packed, key, signal);
  bytesSent += added ?? 0;
  const isNew = before !== manifest.digest;
  const version = ref.tag ?? 'latest';
  if (isNew) await putManifest(upload, repository, { bytes: manifest.bytes, mediaType: MANIFEST, version }, signal);
  return {
    name: packed.record.name,
    ref: formatOciRef(ref),
    pinnedRef: formatOciRef({ host: ref.host, repository: ref.repository, digest: manifest.digest }),
    digest: manifest.digest,
    sizeBytes: blobs.reduce((sum, { size }) => sum + size, manifest.bytes.length),
    bytesSent,
    changed: isNew || added !== undefined,
    ...defined({ signedBy: key?.hint }),
    contents: files.map((file) => ({ ...file })),
  };
}

/** Returns the bytes sent; undefined where the registry has a signature by this key already. */
async function* attachSignature(
  upload: UploadOptions,
  repository: Repository,
  { record, pack }: InstalledPackage,
  key: PrivateKey,
  signal: AbortSignal,
): Work<number | undefined> {
  const { files } = pack;
  const there = await readSignatures(repository, pack.manifest.digest, signal);
  if (there.some((text) => isSignedBy(text, key, files))) return undefined;
  const { manifest, blobs } = buildSignatureArtifact(pack, signManifest({ subject: record.name, files }, key));
  let sent = 0;
  for (const blob of blobs) sent += yield* uploadBlob(upload, repository, smallUpload(blob), signal);
  await putReferrer(upload, repository, pack.manifest.digest, { ...manifest, artifactType: SIGNATURE }, signal);
  return sent + manifest.bytes.length;
}

function isSignedBy(text: string, key: PrivateKey, files: readonly SignedFile[]): boolean {
  try {
    matchFiles(verifySignature(text, { name: 'of the registry', keys: [publicKeyOf(key)] }), files, { name: 'it' });
    return true;
  } catch (error) {
    if (error instanceof ProvisionError && error.code === 'untrusted') return false;
    throw error;
  }
}

function smallUpload({ digest, bytes }: SmallBlob): UploadBlob {
  return {
    digest,
    size: bytes.length,
    async *open() {
      yield bytes;
    },
  };
}

/** A tag to publish under. Throws `bad-usage`. */
function parseTarget(typed: string): OciRef {
  const ref = parseOciRef(typed.startsWith('oci:') ? typed : `oci:${typed}`);
  if (ref.digest === undefined && ref.file === undefined) return ref;
  throw new ProvisionError('bad-usage', 'A model is published under a tag; its digest is only known afterwards.', {
    suggestions: [`Write it as ${formatOciRef({ host: ref.host, repository: ref.repository, tag: 'TAG' })}.`],
  });
}

/** What the tag names now. Asking also shows early that the login is good, before a large file is read. */
async function findPublishedDigest(
  repository: Repository,
  ref: OciRef,
  signal: AbortSignal,
): Promise<Digest | undefined> {
  try {
    return (await repository.manifest(ref.tag ?? 'latest', signal)).digest;
  } catch (error) {
    if (error instanceof ProvisionError && error.code === 'source-not-found') return undefined;
    throw error;
  }
}

/** The small ones first: they show what a registry does not take before the large one is sent. */
function uploadBlobs({ pack, open }: InstalledPackage): UploadBlob[] {
  const small = new Map(pack.blobs.map((blob) => [blob.digest, blob]));
  return [...[...small.values()].map(smallUpload), { digest: pack.gguf.digest, size: pack.gguf.size, open }];
}

/** Fetches what a reference names into the cache. Throws what its source and the download throw. */
export async function* pull(app: AppContext, typed: string, digest: Digest | undefined): Work<PullData> {
  const { signal } = app.options;
  const { sources, fetch } = await app.bytes();
  const found = await resolveSource(sources, { ref: typed, ...(digest && { expected: { digest } }), signal });
  for (const message of found.kind === 'library' ? [] : (found.warnings ?? [])) yield { type: 'warning', message };
  if (found.kind === 'remote') {
    const file = yield* fetch(found, signal);
    const { ref, pinnedRef, fileName } = found;
    return {
      ref,
      pinnedRef,
      fileName,
      digest: file.digest,
      sizeBytes: file.sizeBytes,
      path: file.path,
      bytesMoved: file.bytesMoved,
      ...defined({ servedBy: found.servedBy }),
    };
  }
  if (found.kind === 'library' || usersPath(found) !== undefined || found.digest === undefined) throw notRemote(typed);
  const { ref, pinnedRef = ref, fileName = '', sizeBytes } = found;
  const file = { ...found, digest: found.digest };
  const path = found.immutable === true ? found.path : yield* copyIntoCache(app, file);
  const { digest: of, servedBy } = file;
  return { ref, pinnedRef, fileName, digest: of, sizeBytes, path, bytesMoved: 0, ...defined({ servedBy }) };
}

/** From the store of another tool, which may remove the file at any time; returns its path in the cache. */
async function* copyIntoCache(app: AppContext, file: LocalFile & { readonly digest: Digest }): Work<string> {
  const { signal } = app.options;
  const { cache } = await app.bytes();
  const { path, digest, sizeBytes, fileName = '' } = file;
  const incoming = {
    fileName,
    digest,
    sizeBytes,
    open: () => chunksOf(app.disk, path, signal),
    mismatch: (got: Digest) => digestMismatch(path, { wanted: digest, got }, ['Run the command again.']),
  };
  const received = yield* cache.receive(incoming, signal);
  const { pinnedRef } = file;
  if (pinnedRef !== undefined) {
    const at = cache.now().toISOString();
    await cache.refs.remember({ ref: pinnedRef, pinnedRef, digest, sizeBytes, fileName, at }, signal);
  }
  return received.path;
}

async function* chunksOf(disk: Disk, path: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const handle = await disk.open(path, 'r');
  try {
    yield* readChunks(handle, path, signal);
  } finally {
    await handle.close();
  }
}

function notRemote(typed: string): ProvisionError {
  return new ProvisionError('bad-usage', `${typed} cannot be downloaded.`, {
    suggestions: [
      'Specify a remote model: oci:HOST/REPOSITORY:TAG, hf:OWNER/REPO/FILE.gguf or https://… with --digest.',
    ],
  });
}
