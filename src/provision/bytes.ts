/** Where bytes come from: the sources, the cache of fetched files, and what brings and reads them. */

import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, ProvisionError } from '../core/errors.ts';
import { createDigestCache, type DigestCache, NO_DIGEST_CACHE } from '../disk/digest-cache.ts';
import type { Disk } from '../disk/disk.ts';
import { createHasher, type HashFile } from '../disk/hash.ts';
import { workUnderLock } from '../disk/lock.ts';
import type { HttpClient } from '../net/client.ts';
import type { Http } from '../net/http.ts';
import { patientHttp } from '../net/retry.ts';
import type { Exclusive } from '../sources/cache/fetch-lock.ts';
import { type Cache, createCache } from '../sources/cache/index.ts';
import { cachedSource } from '../sources/cache/source.ts';
import type { FetchFile, RemoteFile, Source, StreamFile } from '../sources/contract.ts';
import { createCredentials } from '../sources/credentials.ts';
import type { Downloader } from '../sources/download/contract.ts';
import { fileSource } from '../sources/file.ts';
import { webSource } from '../sources/https.ts';
import { hubCache } from '../sources/huggingface/folders.ts';
import { type HubSourceOptions, hubSource } from '../sources/huggingface/source.ts';
import type { Mirrors } from '../sources/mirrors/mapping.ts';
import { mirroredSource } from '../sources/mirrors/source.ts';
import { createRegistryLogins } from '../sources/oci/logins.ts';
import type { OciOptions } from '../sources/oci/session.ts';
import { ociSource } from '../sources/oci/source.ts';
import { librarySource, offlineLibrary } from '../sources/ollama-library.ts';
import { createStoreFinder, type FindStored } from '../sources/stores/find.ts';
import { createHubRecall } from '../sources/stores/hub-snapshot.ts';
import { knownStores } from '../sources/stores/known-stores.ts';

export interface BytesOptions {
  readonly disk: Disk;
  readonly cacheFolder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** PEM file of certificate authorities to trust beside the system's. */
  readonly ca?: string | undefined;
  /** Where files of sources are as well. */
  readonly mirrors?: Mirrors | undefined;
  /** Nothing is downloaded, and no server of a source is asked anything. */
  readonly offline?: boolean;
  /** How this run calls itself to others that wait for a file that it fetches. */
  readonly command: string;
}

export interface Bytes {
  /** Every source, in the order in which they are asked; those of the network look into the cache first. */
  readonly sources: readonly Source[];
  readonly hash: HashFile;
  /** What `hash` remembers. */
  readonly digests: DigestCache;
  /** In the stores of other tools. */
  readonly findStored: FindStored;
  /** Into the cache. */
  readonly fetch: FetchFile;
  /** Past the cache. */
  readonly stream: StreamFile;
  readonly cache: Cache;
  /** With the proxies and certificates of this machine. */
  readonly http: Http;
  /** What talking to registries needs, with the user's logins. */
  readonly oci: OciOptions;
  /** What talking to the Hugging Face hub needs, and waiting for it. */
  readonly hub: HubSourceOptions & { readonly sleep: typeof interruptibleSleep };
  /** Ends all connections. */
  close(): Promise<void>;
}

/** A waiting run looks this often, in ms, at how far the one that fetches is. */
const LOOK_MS = 2_000;

export function openBytes(options: BytesOptions): Bytes {
  const { disk, cacheFolder, env, offline = false } = options;
  const digests = createDigestCache(disk, cacheFolder);
  const hash = createHasher(disk, digests);
  const client = once(() => connect(options));
  const http: Http = offline ? refuseOffline : async (request) => (await client()).http(request);
  const downloader = once(async () => (await import('../sources/download/index.ts')).openDownloader(http, disk));
  const cache = createCache({
    folder: cacheFolder,
    disk,
    digests,
    hash,
    hashAgain: createHasher(disk, NO_DIGEST_CACHE),
    downloader: {
      async *fetch(file, path, signal) {
        return yield* (await downloader()).fetch(file, path, signal);
      },
    },
    exclusive: exclusiveIn(options),
    now: () => new Date(),
    clock: () => performance.now(),
  });
  const places = { env, home: homedir(), readText: disk.readText };
  const asking = patientHttp(http, { now: () => new Date(), sleep: interruptibleSleep, random: Math.random });
  const oci = {
    http: asking,
    logins: createRegistryLogins(places),
    plainHttp: hostsOf(env.GEMMA_PROVISION_OCI_PLAIN_HTTP),
    realms: hostsOf(env.GEMMA_PROVISION_OCI_REALM),
  };
  const hub = { http: asking, credentials: createCredentials(places), endpoint: env.HF_ENDPOINT };
  const remote = [hubSource(hub), webSource({ http: asking }), ociSource(oci)];
  const mirroring = { mirrors: options.mirrors ?? {}, http: asking, oci };
  const stores = knownStores({ platform: process.platform, env, home: homedir(), disk });
  const findStored = createStoreFinder({ stores, disk, hash, uid: process.getuid?.() });
  const here = {
    cache,
    findStored,
    recall: createHubRecall(hubCache(env, homedir()), { disk, uid: process.getuid?.() }),
    offline,
  };
  return {
    sources: [
      offline ? offlineLibrary : librarySource,
      ...remote.map((source) => cachedSource(mirroredSource(source, mirroring), here)),
      fileSource({ disk, digests, cwd: process.cwd() }),
    ],
    hash,
    digests,
    findStored,
    fetch: cache.fetch,
    stream: (file, signal) => streamOf(downloader, file, signal),
    cache,
    http,
    oci,
    hub: { ...hub, sleep: interruptibleSleep },
    close: async () =>
      client
        .made()
        ?.then((made) => made.close())
        .catch(() => undefined),
  };
}

/** For every request of a source, however it came about. */
const refuseOffline: Http = async ({ url }) => {
  throw new ProvisionError('network', `${new URL(url).host} is not asked anything (--offline).`, {
    suggestions: ['Leave --offline out: it may also be set by GEMMA_PROVISION_OFFLINE or in config.json.'],
  });
};

/** `registry.lan:5000, other.lan` */
function hostsOf(list: string | undefined): string[] {
  return (list ?? '').split(/[\s,]+/).filter((host) => host !== '');
}

async function* streamOf(
  downloader: () => Promise<Downloader>,
  file: RemoteFile,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield* (await downloader()).stream(file, signal);
}

/** In the cache itself, so that all who share it exclude each other. Loaded on use: most runs fetch nothing. */
function exclusiveIn({ cacheFolder, command }: BytesOptions): Exclusive {
  return async function* exclusive(name, signal, work) {
    const { createFileLocker } = await import('../disk/locker.ts');
    const locker = createFileLocker({ dir: join(cacheFolder, 'locks'), command, waitMs: LOOK_MS });
    return yield* workUnderLock(locker, name, signal, work);
  };
}

async function connect({ disk, env, ca }: BytesOptions): Promise<HttpClient> {
  const { createHttp } = await import('../net/client.ts');
  return createHttp({ env, ...(ca !== undefined && { ca: await readCertificates(ca, disk) }) });
}

async function readCertificates(file: string, disk: Disk): Promise<string> {
  const path = resolve(file);
  try {
    return await disk.readFile(path, 'utf8');
  } catch (cause) {
    throw new ProvisionError('bad-configuration', `The certificates in ${path} cannot be read: ${messageOf(cause)}`, {
      cause,
      suggestions: ['Pass a PEM file with the certificate of your certificate authority.'],
    });
  }
}

async function interruptibleSleep(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
}

interface Once<Value> {
  (): Promise<Value>;
  /** What was made, if it was. */
  made(): Promise<Value> | undefined;
}

function once<Value>(make: () => Promise<Value>): Once<Value> {
  let value: Promise<Value> | undefined;
  const get = (): Promise<Value> => {
    value ??= make();
    return value;
  };
  return Object.assign(get, { made: () => value });
}
