import { join } from 'node:path';
import type { Digest } from '../../core/digest.ts';
import { errnoOf, ProvisionError } from '../../core/errors.ts';
import { looseJson } from '../../core/parse.ts';
import type { Work } from '../../core/progress.ts';
import type { DigestCache } from '../../disk/digest-cache.ts';
import type { Disk } from '../../disk/disk.ts';
import { diskError } from '../../disk/errors.ts';
import type { StorableFile, StoreRequest, StoreResult, TransferPlan, TransferWay } from '../contract.ts';
import { parseModelName } from '../names.ts';
import { isWhole, putBlob, sizeOf } from './blob.ts';
import { embeddedBlobs, embeddedManifests } from './folder.ts';
import { describe, Manifest, manifestFileName, parseManifest } from './manifest.ts';
import { planBlob } from './plan.ts';

export interface StoreOptions {
  /** Absolute path of our data folder; everything lies in its `embedded` folder. */
  readonly dataDir: string;
  readonly disk: Disk;
  readonly digests: DigestCache;
  readonly now: () => Date;
}

/** Model files by digest (`blobs/sha256-…`) and manifests by name (`models/….json`). Writers have acquired the lock of this tool. */
export interface ModelStore {
  find(name: string): Promise<Manifest | undefined>;
  blobPath(manifest: Pick<Manifest, 'digest'>): string;
  /** Whether the bytes of a model are what its manifest says; hashed once after each change. */
  isIntact(name: string, signal: AbortSignal): Work<boolean>;
  /** How `put` would get a file in; changes nothing that stays. */
  plan(file: StorableFile, way: TransferWay | undefined): Promise<TransferPlan>;
  put(request: StoreRequest, signal: AbortSignal): Work<StoreResult>;
  /** Of all manifests that can be read. */
  names(): Promise<string[]>;
  copy(from: string, to: string): Promise<void>;
  remove(name: string): Promise<void>;
}

export function createModelStore(options: StoreOptions): ModelStore {
  const blobs = embeddedBlobs(options.dataDir);
  const models = embeddedManifests(options.dataDir);
  const manifestPath = (name: string): string => join(models, manifestFileName(name));
  const blobPath = ({ digest }: Pick<Manifest, 'digest'>): string => join(blobs, digest.replace(':', '-'));

  async function read(name: string): Promise<Manifest | undefined> {
    const path = manifestPath(name);
    const text = await options.disk.readText(path);
    return text === undefined ? undefined : parseManifest(text, path);
  }

  /** An entry that a new one replaces may be broken. A bad name still throws. */
  async function readLoosely(name: string): Promise<Manifest | undefined> {
    const path = manifestPath(name);
    const text = await options.disk.readText(path);
    return Manifest.safeParse(looseJson(text ?? '')).data;
  }

  async function write(manifest: Manifest): Promise<void> {
    const text = `${JSON.stringify(Manifest.parse(manifest), null, 2)}\n`;
    try {
      await options.disk.replaceText(manifestPath(manifest.name), text);
    } catch (cause) {
      throw diskError('write', models, cause);
    }
  }

  return {
    blobPath,

    async find(name) {
      const manifest = await read(name);
      if (manifest === undefined) return undefined;
      return (await sizeOf(options.disk, blobPath(manifest))) === manifest.sizeBytes ? manifest : undefined;
    },

    async *isIntact(name, signal) {
      const manifest = await read(name);
      if (manifest === undefined) return false;
      const { digest, sizeBytes } = manifest;
      return yield* isWhole({ ...options, folder: blobs, signal }, digest, sizeBytes);
    },

    plan: (file, way) => planBlob({ disk: options.disk, folder: blobs, file, ...(way && { way }) }),

    async *put({ name, file, way, architecture, spec }, signal) {
      const old = await readLoosely(name);
      const blob = yield* putBlob({ ...options, folder: blobs, file, ...(way && { way }), signal });
      const manifest: Manifest = {
        schemaVersion: 1,
        name: parseModelName(name).text,
        digest: blob.digest,
        sizeBytes: blob.sizeBytes,
        architecture,
        spec,
        createdAt: options.now().toISOString(),
      };
      try {
        signal.throwIfAborted();
        await write(manifest);
      } catch (error) {
        await dropIfUnused(blob.digest);
        throw error;
      }
      if (old !== undefined && old.digest !== manifest.digest) await dropIfUnused(old.digest);
      const { digest: uploadedDigest, way: taken, bytesMoved } = blob;
      return { stored: describe(manifest), uploadedDigest, way: taken, bytesMoved, differences: [] };
    },

    async names() {
      const names: string[] = [];
      for (const file of (await namesIn(models)).filter((each) => each.endsWith('.json'))) {
        const text = await options.disk.readText(join(models, file));
        const manifest = Manifest.safeParse(looseJson(text ?? '')).data;
        if (manifest !== undefined) names.push(manifest.name);
      }
      return names.sort();
    },

    async copy(from, to) {
      const manifest = await read(from);
      if (manifest === undefined) throw noSuchModel(from);
      const old = await readLoosely(to);
      await write({ ...manifest, name: parseModelName(to).text });
      if (old !== undefined && old.digest !== manifest.digest) await dropIfUnused(old.digest);
    },

    async remove(name) {
      const old = await readLoosely(name);
      await options.disk.rm(manifestPath(name), { force: true });
      if (old !== undefined) await dropIfUnused(old.digest);
    },
  };

  async function namesIn(folder: string): Promise<string[]> {
    try {
      return await options.disk.readdir(folder);
    } catch (cause) {
      if (errnoOf(cause) === 'ENOENT') return [];
      throw diskError('read', folder, cause);
    }
  }

  /** Removes a blob that no manifest names. A manifest that cannot be read may name it: then it stays. */
  async function dropIfUnused(digest: Digest): Promise<void> {
    for (const name of (await namesIn(models)).filter((each) => each.endsWith('.json'))) {
      const text = await options.disk.readText(join(models, name)).catch(() => '');
      const manifest = Manifest.safeParse(looseJson(text ?? ''));
      if (!manifest.success || manifest.data.digest === digest) return;
    }
    await options.disk.rm(blobPath({ digest }), { force: true });
  }
}

export function noSuchModel(name: string): ProvisionError {
  return new ProvisionError('model-not-found', `The embedded runtime has no model ${name}.`, {
    suggestions: [
      'See what is installed: gemma-provision list',
      'Or install it: gemma-provision install MODEL --runtime embedded',
    ],
  });
}
