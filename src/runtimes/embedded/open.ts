import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { ProvisionError } from '../../core/errors.ts';
import { createDigestCache } from '../../disk/digest-cache.ts';
import { diskError } from '../../disk/errors.ts';
import type { BlobStore, OpenRuntime, Runtime, RuntimeContext, RuntimeFacts } from '../contract.ts';
import { putBlob } from './blob.ts';
import { embeddedBlobs, readEmbeddedFolder } from './folder.ts';
import { engineEnvironment } from './library-path.ts';
import { embeddedRuntime, forkWorker } from './runtime.ts';

/** Throws `runtime-missing`, `runtime-too-old`, `runtime-refused`, `bad-configuration`. */
export async function openEmbedded(context: RuntimeContext): Promise<OpenRuntime> {
  const runtime = await openEmbeddedRuntime(context);
  return {
    runtime,
    identity: await runtime.identify(context.signal),
    facts: factsFor(context.paths.data),
    readFolder: async () => ({
      contents: await readEmbeddedFolder(context.paths.data, context.disk),
      store: blobStore(context),
    }),
  };
}

function factsFor(dataDir: string): RuntimeFacts {
  return {
    engine: 'embedded',
    diskFactor: 1,
    store: { purpose: 'data', path: dataDir },
    warnings: [],
    refusal: () => undefined,
    quantRefusal: () => undefined,
    projectorRefusal: () => ({
      reason: 'the embedded runtime takes text only',
      remedy: 'Use Ollama 0.30.0 or later: --runtime ollama.',
    }),
    pullRefusal: () => ({
      reason: 'the embedded runtime has no library to pull from',
      remedy: 'Use --runtime ollama, or give a file with --from ./model.gguf.',
    }),
  };
}

function blobStore({ disk, paths }: RuntimeContext): BlobStore {
  const folder = embeddedBlobs(paths.data);
  return {
    async *replace({ ref, path, sizeBytes, digest }, signal) {
      const digests = createDigestCache(disk, paths.cache);
      const put = { disk, digests, now: () => new Date(), folder, signal };
      yield* putBlob({ ...put, way: 'copy', replace: true, file: { ref, path, sizeBytes, digest } });
    },
    async drop(digest) {
      const path = join(folder, digest.replace(':', '-'));
      await disk.rm(path, { force: true }).catch((cause: unknown) => Promise.reject(diskError('remove', path, cause)));
    },
  };
}

/** The embedded runtime with its models in our data folder. */
export async function openEmbeddedRuntime({ disk, paths, env, root }: RuntimeContext): Promise<Runtime> {
  const threads = threadsOf(env.GEMMA_PROVISION_THREADS);
  return embeddedRuntime({
    dataDir: paths.data,
    disk,
    digests: createDigestCache(disk, paths.cache),
    now: () => new Date(),
    startWorker: forkWorker(workerFile(root), await engineEnvironment(env, disk.readdir)),
    engine: { resolve: (name) => import.meta.resolve(name), readText: disk.readText },
    physicalCores: physicalCores(),
    randomSeed: () => randomInt(2 ** 32 - 1),
    gpu: env.GEMMA_PROVISION_GPU === 'off' ? 'off' : 'auto',
    ...(threads !== undefined && { threads }),
  });
}

/** The built worker, or its source when the sources run as they are. */
export function workerFile(root: string): string {
  const { dirname, filename } = import.meta;
  return filename.endsWith('.ts') ? join(dirname, 'worker.ts') : join(root, 'dist/embedded-worker.js');
}

/** Node counts logical cores; on x64 two of them usually share a physical one. */
function physicalCores(): number {
  const logical = availableParallelism();
  return process.arch === 'x64' && logical > 2 ? Math.ceil(logical / 2) : logical;
}

function threadsOf(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const threads = Number(text);
  if (Number.isInteger(threads) && threads >= 1 && threads <= 512) return threads;
  throw new ProvisionError('bad-configuration', `GEMMA_PROVISION_THREADS is ${text}`, {
    suggestions: ['Set it to a whole number from 1 to 512, or unset it.'],
  });
}
