import type { DownloadEffects, Downloader } from './contract.ts';
import { fetchFile } from './fetch.ts';
import { type DownloadLimits, LIMITS } from './limits.ts';
import { streamFile } from './stream.ts';
import { streamingHash } from './streaming-hash.ts';

export type { DownloadEffects, Downloaded, Downloader, OpenStreamingHash, StreamingHash } from './contract.ts';
export { stateFileOf } from './contract.ts';
export { type DownloadLimits, LIMITS } from './limits.ts';
export { streamingHash } from './streaming-hash.ts';

import { setTimeout as after } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { realDisk } from '../../disk/disk.ts';
import type { Http } from '../../net/http.ts';

export function createDownloader(effects: DownloadEffects, limits: Partial<DownloadLimits> = {}): Downloader {
  const all = { ...LIMITS, ...limits };
  return {
    fetch: (remote, path, signal) => fetchFile(effects, all, remote, path, signal),
    stream: (remote, signal) => streamFile(effects, all, remote, signal),
  };
}

/** The downloader on this machine's disk, clock and threads. */

export function openDownloader(http: Http): Downloader {
  keepGarbageSmall();
  return createDownloader({
    http,
    files: realDisk,
    openHash: streamingHash((path) => realDisk.open(path, 'r')),
    clock: () => performance.now(),
    now: () => new Date(),
    sleep: interruptibleSleep,
    random: Math.random,
  });
}

async function interruptibleSleep(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await after(ms, undefined, { signal });
  } catch (thrown) {
    throw signal.aborted ? signal.reason : thrown;
  }
}

/**
 * A download makes buffers of 64 KiB that are garbage at once. By default V8 lets its young generation grow while they
 * come, and with it what of them lies about:
 * some 50 MiB resident in a fast download, and more
 * processor time. The size is looked at when it would grow, so that it can be told to a process that runs.
 */
function keepGarbageSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}
