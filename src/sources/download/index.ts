import type { Downloader } from './contract.ts';
import type { DownloadEffects } from './effects.ts';
import { fetchFile } from './fetch.ts';
import { type DownloadLimits, LIMITS } from './limits.ts';
import { streamFile } from './stream.ts';

export type { Downloaded, Downloader } from './contract.ts';
export { stateFileOf } from './contract.ts';
export type { DownloadEffects, FollowHash, HashFollower } from './effects.ts';
export { followHash } from './follow-hash.ts';
export { type DownloadLimits, LIMITS } from './limits.ts';

export function createDownloader(effects: DownloadEffects, limits: Partial<DownloadLimits> = {}): Downloader {
  const all = { ...LIMITS, ...limits };
  return {
    fetch: (remote, path, signal) => fetchFile(effects, all, remote, path, signal),
    stream: (remote, signal) => streamFile(effects, all, remote, signal),
  };
}
