/** What of a runtime's folder can be read and written from here. */

import { join } from 'node:path';
import type { Digest } from '../../core/digest.ts';
import { messageOf } from '../../core/errors.ts';
import { createDigestCache, NO_DIGEST_CACHE } from '../../disk/digest-cache.ts';
import { realDisk } from '../../disk/disk.ts';
import { diskError } from '../../disk/errors.ts';
import { createHasher, type HashFile } from '../../disk/hash.ts';
import type { FolderContents } from '../../runtimes/contents.ts';
import { putBlob } from '../../runtimes/embedded/blob.ts';
import { embeddedBlobs, readEmbeddedFolder } from '../../runtimes/embedded/read.ts';
import type { OllamaRuntime, ProvenFolder } from '../../runtimes/ollama/index.ts';
import type { OpenRuntime } from '../../runtimes/open.ts';
import type { AppContext } from '../context.ts';
import type { BlobStore, WritableModelFolder } from './repair-blobs.ts';

/** Reads every time: what it is asked about may have changed behind its back. */
export function createUncachedHasher(): HashFile {
  return createHasher(realDisk, NO_DIGEST_CACHE);
}

/** Looks at the folder anew; whether it is the server's is asked once for one opened runtime. */
export async function openModelFolder(opened: OpenRuntime, app: AppContext): Promise<WritableModelFolder> {
  const { runtime } = opened;
  if (runtime.kind === 'embedded') {
    const contents = await readEmbeddedFolder(app.paths.data, realDisk);
    return { runtime, contents, store: embeddedStore(app) };
  }
  if (!isOllama(runtime)) return { runtime, contents: { refused: `${runtime.kind} keeps no folder of models.` } };
  const folder = await runtime.folder(app.options.signal);
  if ('refused' in folder) return { runtime, contents: (await readOnlyContents(runtime, app)) ?? folder };
  const contents = await readContents(folder.path);
  return 'refused' in contents ? { runtime, contents } : { runtime, contents, store: await ollamaStore(folder) };
}

/**
 * A folder that this user may read and not write to, as that of a system's service. It is not proven to be the server's:
 * whoever looks at a name in it holds the digest of its manifest against what the server says.
 */
async function readOnlyContents(runtime: OllamaRuntime, app: AppContext): Promise<FolderContents | undefined> {
  const [{ parseHost }, { serverModels }] = await Promise.all([
    import('../../runtimes/ollama/index.ts'),
    import('../../runtimes/ollama/models-folder.ts'),
  ]);
  const host = parseHost(runtime.endpoint);
  const folder = host.loopback ? await serverModels(host, app.env, app.options.signal) : undefined;
  const contents = folder && (await readContents(folder.path));
  return contents === undefined || 'refused' in contents || contents.manifests.length === 0 ? undefined : contents;
}

async function readContents(path: string): Promise<WritableModelFolder['contents']> {
  const { readModelsFolder } = await import('../../runtimes/ollama/index.ts');
  try {
    return await readModelsFolder(path, realDisk);
  } catch (error) {
    return { refused: `${path} cannot be read: ${messageOf(error)}.` };
  }
}

function isOllama(runtime: OpenRuntime['runtime']): runtime is OllamaRuntime {
  return runtime.kind === 'ollama' && 'folder' in runtime;
}

async function ollamaStore(folder: ProvenFolder): Promise<BlobStore> {
  const { dropBlob, replaceBlob } = await import('../../runtimes/ollama/index.ts');
  return {
    replace: (file, signal) => replaceBlob(folder, file, createUncachedHasher(), signal),
    drop: (digest) => dropBlob(folder, digest),
  };
}

function embeddedStore({ paths }: AppContext): BlobStore {
  const folder = embeddedBlobs(paths.data);
  return {
    async *replace({ ref, path, sizeBytes, digest }, signal) {
      const digests = createDigestCache(realDisk, paths.cache);
      const put = {
        files: realDisk,
        digests,
        now: () => new Date(),
        folder,
        way: 'copy',
        replace: true,
        signal,
      } as const;
      yield* putBlob({ ...put, file: { ref, path, sizeBytes, digest } });
    },
    async drop(digest) {
      const path = blobPath(folder, digest);
      await realDisk
        .rm(path, { force: true })
        .catch((cause: unknown) => Promise.reject(diskError('remove', path, cause)));
    },
  };
}

/** Both runtimes call a blob by its digest. */
export function blobPath(folder: string, digest: Digest): string {
  return join(folder, digest.replace(':', '-'));
}
