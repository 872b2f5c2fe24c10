import { setTimeout as after } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import type { Disk } from '../../disk/disk.ts';
import type { Http } from '../../net/http.ts';
import type { DownloadEffects, Downloader } from './contract.ts';
import { fetchFile } from './fetch.ts';
import { type DownloadLimits, LIMITS } from './limits.ts';
import { streamFile } from './stream.ts';
import { streamingHash } from './streaming-hash.ts';

export type { DownloadEffects, Downloaded, Downloader, OpenStreamingHash, StreamingHash } from './contract.ts';
export { stateFileOf } from './contract.ts';
export { type DownloadLimits, LIMITS } from './limits.ts';
export { streamingHash } from './streaming-hash.ts';

export function createDownloader(effects: DownloadEffects, limits: Partial<DownloadLimits> = {}): Downloader {
  const all = { ...LIMITS, ...limits };
  return {
    fetch: (remote, path, signal) => fetchFile(effects, all, remote, path, signal),
    stream: (remote, signal) => streamFile(effects, all, remote, signal),
  };
}

/** The downloader on this machine's clock. */
export function openDownloader(http: Http, disk: Disk): Downloader {
  keepGarbageSmall();
  return createDownloader({
    http,
    disk,
    openHash: streamingHash((path) => disk.open(path, 'r')),
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
 * A download makes buffers of 64 KiB that become garbage at once. By default V8 lets its young generation grow while
 * they are created, which costs some 50 MiB of resident memory in a fast download, and more processor time. V8 reads this flag
 * whenever the generation would grow, so that it can be set while the process runs.
 */
function keepGarbageSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}
