/** `publish` and `pull`. */

import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import type { RuntimeFlags } from '../../runtimes/registry.ts';
import { resolveSource } from '../../sources/index.ts';
import { openRepository, type Repository } from '../../sources/oci/client.ts';
import { MANIFEST } from '../../sources/oci/manifest.ts';
import { formatOciRef, type OciRef, parseOciRef } from '../../sources/oci/reference.ts';
import { putManifest, type UploadBlob, uploadBlob } from '../../sources/oci/upload.ts';
import type { AppContext } from '../context.ts';
import { BundleContent, type InstalledPackage, packageInstalled } from './pack.ts';

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
  /** False when the tag named it already. */
  changed: z.boolean(),
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
  bytesMoved: z.int().nonnegative(),
});
export type PullData = z.infer<typeof PullData>;

/** Pushes an installed model with everything that belongs to it. Throws what reading it, the registry and the network throw. */
export async function* publish(
  app: AppContext,
  name: string,
  typed: string,
  flags: RuntimeFlags & { readonly 'plain-http': boolean },
): Work<PublishData> {
  const ref = parseTarget(typed);
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
  const changed = before !== manifest.digest;
  const version = ref.tag ?? 'latest';
  if (changed) await putManifest(upload, repository, { bytes: manifest.bytes, mediaType: MANIFEST, version }, signal);
  return {
    name: packed.record.name,
    ref: formatOciRef(ref),
    pinnedRef: formatOciRef({ host: ref.host, repository: ref.repository, digest: manifest.digest }),
    digest: manifest.digest,
    sizeBytes: blobs.reduce((sum, { size }) => sum + size, manifest.bytes.length),
    bytesSent,
    changed,
    contents: files.map((file) => ({ ...file })),
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
  const small = new Map(pack.blobs.map(({ digest, bytes }) => [digest, bytes]));
  return [
    ...[...small].map(([digest, bytes]) => ({
      digest,
      size: bytes.length,
      async *open() {
        yield bytes;
      },
    })),
    { digest: pack.gguf.digest, size: pack.gguf.size, open },
  ];
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
    };
  }
  if (found.kind === 'library' || found.immutable !== true || found.digest === undefined) throw notRemote(typed);
  const { ref, pinnedRef = ref, fileName = '', sizeBytes, path } = found;
  return { ref, pinnedRef, fileName, digest: found.digest, sizeBytes, path, bytesMoved: 0 };
}

function notRemote(typed: string): ProvisionError {
  return new ProvisionError('bad-usage', `${typed} cannot be downloaded.`, {
    suggestions: [
      'Specify a remote model: oci:HOST/REPOSITORY:TAG, hf:OWNER/REPO/FILE.gguf or https://… with --digest.',
    ],
  });
}
